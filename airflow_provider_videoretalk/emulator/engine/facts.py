"""What a file measures, and whether the service would take it.

Every check follows the table in ``limits``; the first limit missed is the one refused.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from PIL import Image

from airflow_provider_videoretalk.emulator.engine.container import (
    damage_refused,
    opened,
    picture_stream,
    require_kind,
    timeline,
)
from airflow_provider_videoretalk.emulator.engine.refusal import MediaRefusedError
from airflow_provider_videoretalk.emulator.engine.sound import decoded
from airflow_provider_videoretalk.limits import (
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
    Limit,
)

if TYPE_CHECKING:
    from pathlib import Path


_LONG_ENOUGH = 3600
"""Seconds after which counting stops: a small file can hold many hours, and is refused long before that anyway."""


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """A video the service takes. Width and height are as shown, after any rotation the file declares."""

    seconds: float
    width: int
    height: int
    fps: float
    codec: str
    container: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class AudioFacts:
    """A sound the service takes."""

    seconds: float
    container: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """A reference image the service takes. Width and height are as stored."""

    width: int
    height: int
    format: str
    size_bytes: int


def inspect_video(path: Path) -> VideoFacts:
    """Measure a video by its packets and its first picture.

    :raises MediaRefusedError: with the code of the limit it misses, or ``InvalidFile.Openerror`` where it is damaged
    """
    size = _size_within(path, VIDEO_BYTES)
    kind = require_kind(path, allowed=VIDEO_CONTAINERS)
    with opened(path, allowed=VIDEO_CONTAINERS) as container:
        stream = picture_stream(container)
        codec = stream.codec_context.name
        if codec not in VIDEO_CODECS:
            raise MediaRefusedError(
                "InvalidFile.Format",
                f"The video codec {codec} is not supported, supported are {', '.join(VIDEO_CODECS)}.",
            )
        measured = timeline(container, stream)
    width, height = _shown_size(path)
    facts = VideoFacts(
        seconds=float(measured.seconds),
        width=width,
        height=height,
        fps=float(measured.rate),
        codec=codec,
        container=kind,
        size_bytes=size,
    )
    _require(VIDEO_SECONDS, facts.seconds)
    _require(VIDEO_FPS, facts.fps)
    _require(VIDEO_SIDE, min(width, height))
    _require(VIDEO_SIDE, max(width, height))
    return facts


def inspect_audio(path: Path) -> AudioFacts:
    """Measure a sound by decoding it, since headers are often wrong about its length.

    :raises MediaRefusedError: with the code of the limit it misses, or ``InvalidFile.Openerror`` where it is damaged
    """
    size = _size_within(path, AUDIO_BYTES)
    kind = require_kind(path, allowed=AUDIO_CONTAINERS)
    seconds = Fraction(0)
    for frame in decoded(path):
        seconds += Fraction(frame.samples, frame.sample_rate)
        if seconds > _LONG_ENOUGH:
            break
    facts = AudioFacts(seconds=float(seconds), container=kind, size_bytes=size)
    _require(AUDIO_SECONDS, facts.seconds)
    return facts


def inspect_image(path: Path) -> ImageFacts:
    """Measure a reference image; it is decoded whole, so that a damaged one is found here.

    :raises MediaRefusedError: with the code of the limit it misses, or ``InvalidFile.Openerror`` where it is damaged
    """
    size = _size_within(path, IMAGE_BYTES)
    kind = require_kind(path, allowed=IMAGE_FORMATS)
    with warnings.catch_warnings(), damage_refused():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(path, formats=[kind])
        except Image.DecompressionBombError as error:
            raise MediaRefusedError(IMAGE_SIDE.code, f"The reference image is too large ({error}).") from error
    with image:
        width, height = image.size
        _require(IMAGE_SIDE, max(width, height))
        _require(IMAGE_ASPECT, max(width, height) / min(width, height))
        with damage_refused():
            image.load()
    return ImageFacts(width=width, height=height, format=kind, size_bytes=size)


def _size_within(path: Path, limit: Limit) -> int:
    """Check the size before anything is read."""
    size = path.stat().st_size
    _require(limit, size)
    return size


def _require(limit: Limit, value: float) -> None:
    if not limit.allows(value):
        raise MediaRefusedError(limit.code, f"The {limit.refusal(value)}.")


def _shown_size(path: Path) -> tuple[int, int]:
    """Width and height of the first picture that decodes, as it is shown."""
    with opened(path, allowed=VIDEO_CONTAINERS) as container, damage_refused():
        for packet in container.demux(picture_stream(container)):
            try:
                pictures = packet.decode()
            except av.InvalidDataError:
                continue
            for picture in pictures:
                lying = picture.rotation % 180 != 0
                return (picture.height, picture.width) if lying else (picture.width, picture.height)
    raise MediaRefusedError("InvalidFile.Openerror", "The video has no picture that can be decoded.")
