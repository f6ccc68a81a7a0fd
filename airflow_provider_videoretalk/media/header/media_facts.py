"""The properties of a media file that its header states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MediaKind = Literal["video", "audio", "image"]

PROPERTY_NAMES: dict[MediaKind, dict[str, str]] = {
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
"""The fields of :class:`MediaFacts` that each kind has, with the names that messages use."""


@dataclass(frozen=True, kw_only=True)
class MediaFacts:
    """The properties that a header states; ``None`` for a property that is not known.

    :param kind: by the tracks: an mp4 file without a video track is ``audio``
    :param container: ``mp4``, ``mov``, ``m4a``, ``avi``; ``wav``, ``mp3``, ``aac``; ``jpeg``, ``png``, ``bmp`` or
        ``webp``
    :param codec: ``h264``, ``hevc``, or another codec by FFmpeg's name or the file's own name, in lower case
    :param seconds: duration; of a video the duration of its video track
    :param fps: frames per second, counted
    :param width: in pixels; of a video as displayed, of an image as stored
    :param height: see ``width``
    :param sound: whether the file has an audio track
    :param unchecked: the properties that could not be determined, each as ``"property: reason"``
    """

    kind: MediaKind
    container: str
    codec: str | None = None
    seconds: float | None = None
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    sound: bool | None = None
    unchecked: tuple[str, ...] = ()


def unknown_facts(kind: MediaKind, container: str, *, reason: str) -> MediaFacts:
    """The facts of a file of which only kind and container are known."""
    return MediaFacts(
        kind=kind, container=container, unchecked=tuple(f"{name}: {reason}" for name in PROPERTY_NAMES[kind].values())
    )
