"""One face followed through a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.engine.face import Face, FaceFinder, Floats
    from airflow_provider_videoretalk.emulator.engine.frames import Picture

LOOK_EVERY = 5
"""Faces are looked for in every fifth picture; in between the points move in a straight line."""

_LOST_LOOKS = 10
_FARTHEST_STEP = 1.5


class FaceTrack:
    """Where one face is in each picture.

    The face is the largest of the first picture that has any. It is found again by its place: a face farther away than
    one and a half of its widths is somebody else, until the followed one has been gone for ten looks in a row; then the
    largest one is taken again, since the scene may have changed.
    """

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self._points: dict[int, Floats | None] = {}
        self._last: Face | None = None
        self._missed = 0

    @property
    def found(self) -> bool:
        """Whether any picture had a face so far."""
        return self._last is not None

    def look(self, position: int, picture: Picture) -> None:
        """Find the face in the picture at a position, if it is the turn of that position; call in order."""
        if position % LOOK_EVERY:
            return
        face = self._choose(self._finder.find(picture))
        self._points[position] = None if face is None else face.points
        if face is None:
            self._missed += 1
        else:
            self._last, self._missed = face, 0

    def points(self, position: int) -> Floats | None:
        """The five points of the face at a position, or ``None`` where it was not seen.

        Exact only once the next look after the position has been taken or the video has ended.
        """
        before = position - position % LOOK_EVERY
        earlier, later = self._points.get(before), self._points.get(before + LOOK_EVERY)
        if earlier is None or later is None:
            return later if earlier is None else earlier
        part = np.float32((position - before) / LOOK_EVERY)
        between: Floats = earlier * (1 - part) + later * part
        return between

    def _choose(self, faces: list[Face]) -> Face | None:
        if self._last is None or self._missed >= _LOST_LOOKS:
            return faces[0] if faces else None
        reach = _FARTHEST_STEP * (self._last.box[2] - self._last.box[0])
        centre = self._last.points.mean(axis=0)
        near = [(float(np.linalg.norm(face.points.mean(axis=0) - centre)), i) for i, face in enumerate(faces)]
        distance, nearest = min(near, default=(np.inf, 0))
        return faces[nearest] if distance <= reach else None
