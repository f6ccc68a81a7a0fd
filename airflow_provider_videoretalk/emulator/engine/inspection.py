"""Measures files and checks them against the limits of ``model_catalog.videoretalk``.

A file that is outside several limits is refused with the code of the first one.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from PIL import Image

from airflow_provider_videoretalk.emulator.engine.audio import decode_audio
from airflow_provider_videoretalk.emulator.engine.container import (
    measure_timeline,
    open_media,
    refuse_damaged_media,
    require_kind,
    video_stream,
)
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.model_catalog.limit import Limit
from airflow_provider_videoretalk.model_catalog.videoretalk import (
    AUDIO_BYTES,
    AUDIO_CONTAINERS,
    AUDIO_SECONDS,
    IMAGE_ASPECT,
    IMAGE_BYTES,
    IMAGE_FORMATS,
    IMAGE_SIDE,
    VIDEO_BYTES,
    VIDEO_CODECS,
    VIDEO_CONTAINERS,
    VIDEO_FPS,
    VIDEO_SECONDS,
    VIDEO_SIDE,
)

if TYPE_CHECKING:
    from pathlib import Path


_MAX_COUNTED_SECONDS = 3600
"""Counting stops after these seconds: a small file can hold many hours, and the limit is far lower."""


@dataclass(frozen=True, kw_only=True)
class VideoProperties:
    """A video that the service accepts. Width and height are those of the display, after the declared rotation."""

    seconds: float
    width: int
    height: int
    fps: float
    codec: str
    container: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class AudioProperties:
    """An audio file that the service accepts."""

    seconds: float
    container: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class ImageProperties:
    """A reference image that the service accepts. Width and height are as stored."""

    width: int
    height: int
    format: str
    size_bytes: int


def inspect_video(path: Path) -> VideoProperties:
    """Measure a video by its packets and its first frame.

    :raises MediaRefusedError: with the code of the limit, or ``InvalidFile.Openerror`` if the file is damaged
    """
    size = _check_size(path, VIDEO_BYTES)
    kind = require_kind(path, allowed=VIDEO_CONTAINERS)
    with open_media(path, allowed=VIDEO_CONTAINERS) as container:
        stream = video_stream(container)
        codec = stream.codec_context.name
        if codec not in VIDEO_CODECS:
            raise MediaRefusedError(
                "InvalidFile.Format",
                f"The video codec {codec} is not supported, supported are {', '.join(VIDEO_CODECS)}.",
            )
        measured = measure_timeline(container, stream)
    width, height = _display_size(path)
    properties = VideoProperties(
        seconds=float(measured.seconds),
        width=width,
        height=height,
        fps=float(measured.rate),
        codec=codec,
        container=kind,
        size_bytes=size,
    )
    _check_limit(VIDEO_SECONDS, properties.seconds)
    _check_limit(VIDEO_FPS, properties.fps)
    _check_limit(VIDEO_SIDE, min(width, height))
    _check_limit(VIDEO_SIDE, max(width, height))
    return properties


def inspect_audio(path: Path) -> AudioProperties:
    """Measure an audio file by decoding it, because headers often contain a wrong length.

    :raises MediaRefusedError: with the code of the limit, or ``InvalidFile.Openerror`` if the file is damaged
    """
    size = _check_size(path, AUDIO_BYTES)
    kind = require_kind(path, allowed=AUDIO_CONTAINERS)
    seconds = Fraction(0)
    for frame in decode_audio(path):
        seconds += Fraction(frame.samples, frame.sample_rate)
        if seconds > _MAX_COUNTED_SECONDS:
            break
    properties = AudioProperties(seconds=float(seconds), container=kind, size_bytes=size)
    _check_limit(AUDIO_SECONDS, properties.seconds)
    return properties


def inspect_image(path: Path) -> ImageProperties:
    """Measure a reference image, and decode it completely to find damage.

    :raises MediaRefusedError: with the code of the limit, or ``InvalidFile.Openerror`` if the file is damaged
    """
    size = _check_size(path, IMAGE_BYTES)
    kind = require_kind(path, allowed=IMAGE_FORMATS)
    with warnings.catch_warnings(), refuse_damaged_media():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(path, formats=[kind])
        except Image.DecompressionBombError as error:
            raise MediaRefusedError(IMAGE_SIDE.code, f"The reference image is too large ({error}).") from error
    with image:
        width, height = image.size
        _check_limit(IMAGE_SIDE, max(width, height))
        _check_limit(IMAGE_ASPECT, max(width, height) / min(width, height))
        with refuse_damaged_media():
            image.load()
    return ImageProperties(width=width, height=height, format=kind, size_bytes=size)


def _check_size(path: Path, limit: Limit) -> int:
    """The size of a file in bytes, checked before anything is read."""
    size = path.stat().st_size
    _check_limit(limit, size)
    return size


def _check_limit(limit: Limit, value: float) -> None:
    if not limit.allows(value):
        raise MediaRefusedError(limit.code, f"The {limit.refusal(value)}.")


def _display_size(path: Path) -> tuple[int, int]:
    """Width and height of the display of the first frame that can be decoded."""
    with open_media(path, allowed=VIDEO_CONTAINERS) as container, refuse_damaged_media():
        for packet in container.demux(video_stream(container)):
            try:
                pictures = packet.decode()
            except av.InvalidDataError:
                continue
            for picture in pictures:
                is_turned = picture.rotation % 180 != 0
                return (picture.height, picture.width) if is_turned else (picture.width, picture.height)
    raise MediaRefusedError("InvalidFile.Openerror", "The video has no picture that can be decoded.")
