"""The formats of media that are published: what each is, its content type, and the suffixes of its files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

ContentKind = Literal["video", "audio", "image", "json"]


@dataclass(frozen=True, kw_only=True)
class MediaType:
    """One format.

    :param description: for messages, with its article
    :param content_type: of an object, for browsers and players (IANA's registry, where it has one)
    :param suffixes: of files, in lower case
    """

    description: str
    kind: ContentKind
    content_type: str
    suffixes: tuple[str, ...] = ()


def _type(description: str, content_type: str, *suffixes: str, kind: ContentKind | None = None) -> MediaType:
    family: ContentKind = kind or content_type.partition("/")[0]  # type: ignore[assignment]
    return MediaType(description=description, kind=family, content_type=content_type, suffixes=suffixes)


MEDIA_TYPES: Mapping[str, MediaType] = {
    "mp4": _type("an MP4 file", "video/mp4", ".mp4", ".m4v"),
    "mov": _type("a MOV file", "video/quicktime", ".mov"),
    "avi": _type("an AVI file", "video/x-msvideo", ".avi"),
    "matroska": _type("a Matroska or WebM file", "video/x-matroska", ".mkv"),
    # Recognised by its suffix alone: its first bytes are those of Matroska.
    "webm": _type("a WebM file", "video/webm", ".webm"),
    "3gp": _type("a 3GP file", "video/3gpp", ".3gp"),
    "flv": _type("an FLV file", "video/x-flv", ".flv"),
    "asf": _type("a WMV file", "video/x-ms-asf", ".wmv", ".asf"),
    "mpeg": _type("an MPEG file", "video/mpeg", ".mpg", ".mpeg"),
    "m4a": _type("an M4A file", "audio/mp4", ".m4a"),
    "wav": _type("a WAV file", "audio/wav", ".wav"),
    "mp3": _type("an MP3 file", "audio/mpeg", ".mp3"),
    "mpeg-audio": _type("an MPEG audio file", "audio/mpeg", ".mp2"),
    "aac": _type("an AAC file", "audio/aac", ".aac"),
    "ogg": _type("an Ogg file", "audio/ogg", ".ogg", ".opus"),
    "flac": _type("a FLAC file", "audio/flac", ".flac"),
    "amr": _type("an AMR file", "audio/amr", ".amr"),
    # Samples without a header: no program can recognise them.
    "pcm": _type("samples without a header", "application/octet-stream", ".pcm", kind="audio"),
    "jpeg": _type("a JPEG image", "image/jpeg", ".jpg", ".jpeg"),
    "png": _type("a PNG image", "image/png", ".png"),
    "webp": _type("a WebP image", "image/webp", ".webp"),
    "bmp": _type("a BMP image", "image/bmp", ".bmp"),
    "gif": _type("a GIF image", "image/gif", ".gif"),
    "tiff": _type("a TIFF image", "image/tiff", ".tif", ".tiff"),
    "heif": _type("a HEIF image", "image/heif", ".heic", ".heif"),
    "avif": _type("an AVIF image", "image/avif", ".avif"),
    "json": _type("a JSON document", "application/json", ".json", kind="json"),
}
"""By container, as :func:`~airflow_provider_videoretalk.media.header.file_type.detect_file_type` names it."""

_FORMATS = {suffix: name for name, media_type in MEDIA_TYPES.items() for suffix in media_type.suffixes}


def format_of_name(name: str) -> str | None:
    """The key in :data:`MEDIA_TYPES` of a file of this name, by its suffix; ``None`` for another suffix or none."""
    return _FORMATS.get(PurePosixPath(name).suffix.lower())


def media_type_of_name(name: str) -> MediaType | None:
    """The format of a file of this name, by its suffix; ``None`` for another suffix or none."""
    found = format_of_name(name)
    return MEDIA_TYPES[found] if found else None


def kind_of_name(name: str) -> ContentKind | None:
    """What a file of this name should be, by its suffix; ``None`` for another suffix or none."""
    found = media_type_of_name(name)
    return found.kind if found else None


def suffix_of_name(name: str, kinds: Collection[ContentKind]) -> str:
    """The suffix of a name, in lower case; ``""`` unless it belongs to a format of one of ``kinds``."""
    return PurePosixPath(name).suffix.lower() if kind_of_name(name) in kinds else ""


def suffix_of_type(content_type: str) -> str:
    """The usual suffix of a file of this content type; ``""`` for a type without one."""
    found = (one.suffixes[0] for one in MEDIA_TYPES.values() if one.content_type == content_type and one.suffixes)
    return next(found, "")
