"""Follows one face through a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.engine.video_frames import RgbFrame
    from airflow_provider_videoretalk.faces.face_detection import Face, FaceFinder, Floats

DETECTION_INTERVAL = 5
"""Faces are detected in every fifth frame. In the frames between, the landmarks are interpolated linearly."""

_LOST_AFTER_DETECTIONS = 10
_MAX_STEP_WIDTHS = 1.5


class FaceTrack:
    """The position of one face in each frame.

    The face is the largest one of the first frame that has any. It is recognised by its position: a face that is more
    than one and a half of its widths away is another person. After ten detections in a row without it, the scene may
    have changed, and the largest face is chosen again.
    """

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self._points: dict[int, Floats | None] = {}
        self._last: Face | None = None
        self._missed = 0

    @property
    def found(self) -> bool:
        """Whether any frame had a face so far."""
        return self._last is not None

    def update(self, position: int, picture: RgbFrame) -> None:
        """Detect the face in every fifth frame; call this for all positions in order."""
        if position % DETECTION_INTERVAL:
            return
        face = self._choose(self._finder.find(picture))
        self._points[position] = None if face is None else face.points
        if face is None:
            self._missed += 1
        else:
            self._last, self._missed = face, 0

    def points(self, position: int) -> Floats | None:
        """The five landmarks of the face at a position, ``None`` if it was not detected.

        They are exact after the next detection behind the position, or after the end of the video.
        """
        before = position - position % DETECTION_INTERVAL
        earlier, later = self._points.get(before), self._points.get(before + DETECTION_INTERVAL)
        if earlier is None or later is None:
            return later if earlier is None else earlier
        part = np.float32((position - before) / DETECTION_INTERVAL)
        between: Floats = earlier * (1 - part) + later * part
        return between

    def _choose(self, faces: list[Face]) -> Face | None:
        if self._last is None or self._missed >= _LOST_AFTER_DETECTIONS:
            return faces[0] if faces else None
        reach = _MAX_STEP_WIDTHS * (self._last.box[2] - self._last.box[0])
        centre = self._last.points.mean(axis=0)
        near = [(float(np.linalg.norm(face.points.mean(axis=0) - centre)), i) for i, face in enumerate(faces)]
        distance, nearest = min(near, default=(np.inf, 0))
        return faces[nearest] if distance <= reach else None
