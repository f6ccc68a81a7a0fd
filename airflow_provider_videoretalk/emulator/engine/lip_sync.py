"""The lip replacement: combines a video and a speech into a video in which the person speaks."""

from __future__ import annotations

import math
import tempfile
from collections import deque
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from airflow_provider_videoretalk.emulator.engine.audio import read_samples
from airflow_provider_videoretalk.emulator.engine.container import (
    Timeline,
    measure_timeline,
    open_media,
    refuse_damaged_media,
    require_kind,
    video_stream,
)
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.engine.face_tracking import DETECTION_INTERVAL, FaceTrack
from airflow_provider_videoretalk.emulator.engine.loudness import Loudness, measure_loudness
from airflow_provider_videoretalk.emulator.engine.mouth_warp import open_mouth
from airflow_provider_videoretalk.emulator.engine.mp4_writer import AUDIO_SAMPLE_RATE, Mp4Writer
from airflow_provider_videoretalk.emulator.engine.video_frames import FrameStore, RgbFrame, ping_pong_index, read_frames
from airflow_provider_videoretalk.faces.face_detection import FaceFinder
from airflow_provider_videoretalk.model_catalog.videoretalk import (
    DEFAULT_FACE_THRESHOLD,
    FACE_THRESHOLD,
    IMAGE_FORMATS,
    VIDEO_CONTAINERS,
    VIDEO_FPS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_SMALLEST_FACE = 8
_SMALLEST_FACE_PIXELS = 48

# A last frame of less than this part of its time is omitted, because it is mostly rounding.
_MIN_LAST_FRAME = Fraction(1, 20)


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """The properties of the output.

    :param face_found: whether a face was found; without one only the audio was replaced
    """

    seconds: float
    width: int
    height: int
    fps: float
    face_found: bool


def retalk(
    *,
    video: Path,
    audio: Path,
    output: Path,
    video_extension: bool,
    ref_image: Path | None = None,
    query_face_threshold: int = DEFAULT_FACE_THRESHOLD,
) -> Rendered:
    """Replace the lip movement and the audio of a video.

    - The mouth opens with the loudness of the speech.
    - Frame size and rate do not change, except that odd sides lose a line.
    - The output is as long as the shorter input. ``video_extension`` plays a shorter video forwards and backwards in
      turns until the speech ends.
    - Without a face in the video only the audio is replaced.
    - Of several faces, the largest one in the first frame with any face speaks, and it is followed when it moves.
    - A reference image must show one face, and then the video must show a face too. They are not compared, because no
      installable package has a network for face recognition. So ``query_face_threshold`` is checked but not used.

    :param output: an MP4 file; it exists only after it is complete
    :raises MediaRefusedError:

        - ``InvalidFile.Openerror`` or ``.Format``: a file cannot be read
        - ``InvalidFile.Content``: the reference image does not show exactly one face
        - ``InvalidFile.FaceNotMatch``: the video shows no face, but there is a reference image
        - ``InvalidFile.FPS``: the frame rate is outside its limit
        - ``InvalidParameter``: the threshold is outside its range
    """
    if not FACE_THRESHOLD.allows(query_face_threshold):
        raise MediaRefusedError(FACE_THRESHOLD.code, f"The {FACE_THRESHOLD.refusal(query_face_threshold)}.")
    if ref_image is not None:
        _require_one_face(ref_image)
    loudness = measure_loudness(audio)
    with open_media(video, allowed=VIDEO_CONTAINERS) as container:
        measured = measure_timeline(container, video_stream(container))
    if not VIDEO_FPS.allows(float(measured.rate)):
        raise MediaRefusedError(VIDEO_FPS.code, f"The {VIDEO_FPS.refusal(float(measured.rate))}.")
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".retalk-") as folder:
        draft = Path(folder, "draft.mp4")
        job = _LipSync(video=video, audio=audio, loudness=loudness, measured=measured, extend=video_extension)
        rendered = job.render(draft)
        if ref_image is not None and not rendered.face_found:
            raise MediaRefusedError("InvalidFile.FaceNotMatch", "The face of the reference image is not in the video.")
        draft.replace(output)
    return rendered


def _require_one_face(path: Path) -> None:
    kind = require_kind(path, allowed=IMAGE_FORMATS)
    with refuse_damaged_media(), Image.open(path, formats=[kind]) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    faces = len(FaceFinder(smallest=_smallest_face(*upright.size)).find(upright))
    if faces != 1:
        found = "no face" if not faces else f"{faces} faces"
        raise MediaRefusedError(
            "InvalidFile.Content", f"The reference image must show exactly one face, it shows {found}."
        )


def _smallest_face(width: int, height: int) -> int:
    return max(_SMALLEST_FACE_PIXELS, min(width, height) // _SMALLEST_FACE)


class _LipSync:
    """Renders one output; it holds only a few frames at any time."""

    def __init__(self, *, video: Path, audio: Path, loudness: Loudness, measured: Timeline, extend: bool) -> None:
        self._video = video
        self._audio = audio
        self._rate = measured.rate
        spoken = max(1, math.ceil(loudness.seconds * measured.rate - _MIN_LAST_FRAME))
        self._extend = extend and spoken > measured.frames
        self._total = spoken if extend else min(spoken, measured.frames)
        self._openings = loudness.openings(rate=measured.rate, count=self._total)

    def render(self, path: Path) -> Rendered:
        with ExitStack() as stack:
            pictures = stack.enter_context(closing(read_frames(self._video)))
            sound = stack.enter_context(closing(read_samples(self._audio, sample_rate=AUDIO_SAMPLE_RATE)))
            first = next(pictures, None)
            if first is None:
                raise MediaRefusedError("InvalidFile.Openerror", "The video has no picture that can be decoded.")
            height, width = first.shape[:2]
            track = FaceTrack(FaceFinder(smallest=_smallest_face(width, height)))
            writer = stack.enter_context(Mp4Writer(path, width=width, height=height, rate=self._rate, sound=sound))
            store = stack.enter_context(FrameStore()) if self._extend else None
            for position, picture in enumerate(self._tracked_frames(first, pictures, track, store)):
                self._write_frame(writer, picture, track, shown=position, source=position)
            if store is not None:
                for shown in range(writer.frames_written, self._total):
                    source = ping_pong_index(shown, length=len(store))
                    self._write_frame(writer, store[source], track, shown=shown, source=source)
            frames = writer.frames_written
        return Rendered(
            seconds=float(frames / self._rate),
            width=width,
            height=height,
            fps=float(self._rate),
            face_found=track.found,
        )

    def _tracked_frames(
        self, first: RgbFrame, pictures: Iterator[RgbFrame], track: FaceTrack, store: FrameStore | None
    ) -> Iterator[RgbFrame]:
        """The frames of the video, each delayed until the next face detection behind it."""
        waiting: deque[RgbFrame] = deque([first])
        track.update(0, first)
        if store is not None:
            store.append(first)
        for position in range(1, self._total):
            picture = next(pictures, None)
            if picture is None:
                break
            if picture.shape != first.shape:
                raise MediaRefusedError("InvalidFile.Openerror", "The size of the picture changes within the video.")
            if store is not None:
                store.append(picture)
            track.update(position, picture)
            if position % DETECTION_INTERVAL == 0:
                while waiting:
                    yield waiting.popleft()
            waiting.append(picture)
        yield from waiting

    def _write_frame(self, writer: Mp4Writer, picture: RgbFrame, track: FaceTrack, *, shown: int, source: int) -> None:
        points = track.points(source)
        if points is not None:
            open_mouth(picture, points, opening=float(self._openings[shown]))
        writer.write(picture)
