"""The lip replacement: a video and a speech become a video that speaks."""

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

from airflow_provider_videoretalk.emulator.engine.container import (
    Timeline,
    damage_refused,
    opened,
    picture_stream,
    require_kind,
    timeline,
)
from airflow_provider_videoretalk.emulator.engine.face import FaceFinder
from airflow_provider_videoretalk.emulator.engine.frames import Picture, PictureStore, pictures_of, there_and_back
from airflow_provider_videoretalk.emulator.engine.loudness import Loudness, measure_loudness
from airflow_provider_videoretalk.emulator.engine.mouth import open_mouth
from airflow_provider_videoretalk.emulator.engine.mp4 import SOUND_RATE, Mp4Writer
from airflow_provider_videoretalk.emulator.engine.refusal import MediaRefusedError
from airflow_provider_videoretalk.emulator.engine.sound import samples_of
from airflow_provider_videoretalk.emulator.engine.track import LOOK_EVERY, FaceTrack
from airflow_provider_videoretalk.limits import FACE_THRESHOLD, IMAGE_FORMATS, VIDEO_CONTAINERS, VIDEO_FPS

if TYPE_CHECKING:
    from collections.abc import Iterator

_SMALLEST_FACE = 8
_SMALLEST_FACE_PIXELS = 48

# A last picture that would show less than this part of its time is not worth adding; it is mostly rounding.
_SLIVER = Fraction(1, 20)


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What was written.

    :param face_found: whether a face was found at all; without one only the sound was replaced
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
    query_face_threshold: int = 170,
) -> Rendered:
    """Let the person in a video speak an audio file.

    The mouth opens with the loudness of the speech; picture size and rate stay the same, save that odd sides lose a
    line. The result ends with the shorter of the two, except that ``video_extension`` plays a shorter video backwards
    and forwards in turns until the speech ends. Without a face in the picture only the sound is replaced.

    Of several faces the largest in the first picture that has any speaks, and goes on speaking where it moves. A
    reference image must show one face, and then the video must show one too; but the two are not compared, because no
    installable package brings the network that tells people apart. So ``query_face_threshold`` is checked and unused.

    :param output: an MP4 file; it appears only when it is complete
    :raises MediaRefusedError: ``InvalidFile.Openerror`` or ``.Format`` for files that cannot be read,
        ``InvalidFile.Content`` for a reference image without exactly one face, ``InvalidFile.FaceNotMatch`` for a video
        without any, ``InvalidFile.FPS`` for one that is hardly moving or faster than anything made to be watched,
        ``InvalidParameter`` for a threshold outside its range
    """
    if not FACE_THRESHOLD.allows(query_face_threshold):
        raise MediaRefusedError(FACE_THRESHOLD.code, f"The {FACE_THRESHOLD.refusal(query_face_threshold)}.")
    if ref_image is not None:
        _require_one_face(ref_image)
    loudness = measure_loudness(audio)
    with opened(video, allowed=VIDEO_CONTAINERS) as container:
        measured = timeline(container, picture_stream(container))
    if not VIDEO_FPS.allows(float(measured.rate)):
        raise MediaRefusedError(VIDEO_FPS.code, f"The {VIDEO_FPS.refusal(float(measured.rate))}.")
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".retalk-") as folder:
        draft = Path(folder, "draft.mp4")
        job = _Job(video=video, audio=audio, loudness=loudness, measured=measured, extend=video_extension)
        rendered = job.render(draft)
        if ref_image is not None and not rendered.face_found:
            raise MediaRefusedError("InvalidFile.FaceNotMatch", "The face of the reference image is not in the video.")
        draft.replace(output)
    return rendered


def _require_one_face(path: Path) -> None:
    kind = require_kind(path, allowed=IMAGE_FORMATS)
    with damage_refused(), Image.open(path, formats=[kind]) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    faces = len(FaceFinder(smallest=_smallest_face(*upright.size)).find(upright))
    if faces != 1:
        found = "no face" if not faces else f"{faces} faces"
        raise MediaRefusedError(
            "InvalidFile.Content", f"The reference image must show exactly one face, it shows {found}."
        )


def _smallest_face(width: int, height: int) -> int:
    return max(_SMALLEST_FACE_PIXELS, min(width, height) // _SMALLEST_FACE)


class _Job:
    """One video being made; holds no more than a handful of pictures at any time."""

    def __init__(self, *, video: Path, audio: Path, loudness: Loudness, measured: Timeline, extend: bool) -> None:
        self._video = video
        self._audio = audio
        self._rate = measured.rate
        spoken = max(1, math.ceil(loudness.seconds * measured.rate - _SLIVER))
        self._extend = extend and spoken > measured.frames
        self._total = spoken if extend else min(spoken, measured.frames)
        self._openings = loudness.openings(rate=measured.rate, count=self._total)

    def render(self, path: Path) -> Rendered:
        with ExitStack() as stack:
            pictures = stack.enter_context(closing(pictures_of(self._video)))
            sound = stack.enter_context(closing(samples_of(self._audio, sample_rate=SOUND_RATE)))
            first = next(pictures, None)
            if first is None:
                raise MediaRefusedError("InvalidFile.Openerror", "The video has no picture that can be decoded.")
            height, width = first.shape[:2]
            track = FaceTrack(FaceFinder(smallest=_smallest_face(width, height)))
            writer = stack.enter_context(Mp4Writer(path, width=width, height=height, rate=self._rate, sound=sound))
            store = stack.enter_context(PictureStore()) if self._extend else None
            for position, picture in enumerate(self._forwards(first, pictures, track, store)):
                self._emit(writer, picture, track, shown=position, source=position)
            if store is not None:
                for shown in range(writer.pictures, self._total):
                    source = there_and_back(shown, length=len(store))
                    self._emit(writer, store[source], track, shown=shown, source=source)
            frames = writer.pictures
        return Rendered(
            seconds=float(frames / self._rate),
            width=width,
            height=height,
            fps=float(self._rate),
            face_found=track.found,
        )

    def _forwards(
        self, first: Picture, pictures: Iterator[Picture], track: FaceTrack, store: PictureStore | None
    ) -> Iterator[Picture]:
        """The video's own pictures, each held back until the face has been looked for behind it as well."""
        waiting: deque[Picture] = deque([first])
        track.look(0, first)
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
            track.look(position, picture)
            if position % LOOK_EVERY == 0:
                while waiting:
                    yield waiting.popleft()
            waiting.append(picture)
        yield from waiting

    def _emit(self, writer: Mp4Writer, picture: Picture, track: FaceTrack, *, shown: int, source: int) -> None:
        points = track.points(source)
        if points is not None:
            open_mouth(picture, points, opening=float(self._openings[shown]))
        writer.write(picture)
