"""What a header tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["video", "audio", "image"]

PROPERTIES: dict[Kind, dict[str, str]] = {
    "video": {
        "codec": "codec",
        "seconds": "duration",
        "fps": "frame rate",
        "width": "width",
        "height": "height",
    },
    "audio": {"codec": "codec", "seconds": "duration"},
    "image": {"width": "width", "height": "height"},
}
"""The fields of :class:`Facts` that each kind has, and what messages call them."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a header tells; ``None`` where it does not.

    :param kind: by its tracks: an mp4 without pictures is ``audio``
    :param container: ``mp4``, ``mov``, ``m4a``, ``avi``; ``wav``, ``mp3``, ``aac``; ``jpeg``, ``png``, ``bmp`` or
        ``webp``
    :param codec: ``h264``, ``hevc``, or another one by FFmpeg's name or the file's own, in lower case
    :param seconds: duration, of a video that of its pictures
    :param fps: pictures per second, as counted
    :param width: in pixels, of a video as shown, of an image as stored
    :param height: likewise
    :param sound: whether there is any
    :param unchecked: what could not be found out, as ``"what: why"``
    """

    kind: Kind
    container: str
    codec: str | None = None
    seconds: float | None = None
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    sound: bool | None = None
    unchecked: tuple[str, ...] = ()


def unknown(kind: Kind, container: str, *, why: str) -> Facts:
    """Facts of a file of which only its kind is known."""
    return Facts(
        kind=kind, container=container, unchecked=tuple(f"{name}: {why}" for name in PROPERTIES[kind].values())
    )
