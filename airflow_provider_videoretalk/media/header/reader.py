"""Reads the header of a media file of any supported format."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.media.header.document_type import DOCUMENTS, store_error_code
from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.file_type import HEAD_BYTES, detect_file_type
from airflow_provider_videoretalk.media.header.media_facts import MediaFacts, MediaKind, unknown_facts
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.model_catalog.videoretalk import AUDIO_CONTAINERS, IMAGE_FORMATS, VIDEO_CONTAINERS
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError

_KINDS: dict[str, MediaKind] = {
    "mp4": "video",
    "mov": "video",
    "m4a": "audio",
    "avi": "video",
    "wav": "audio",
    "mp3": "audio",
    "aac": "audio",
    "jpeg": "image",
    "png": "image",
    "bmp": "image",
    "webp": "image",
}

_DOCUMENT_REMEDY = (
    "Check that the file was saved completely, and that the URL leads to the file itself, not to an error or a login."
)
_FORMAT_REMEDY = "Give a media file in one of these formats. The name of the file does not matter."


def read_media_facts(ranged: RangedReader, *, field: str) -> MediaFacts:
    """Reads the header of a file. The format is detected by the content alone.

    :param field: name of the input, for messages
    :raises InputError: the file is damaged, or of a format that is not supported, such as a playlist
    :raises OutOfReachError: not even the format could be read within the budget
    :raises TransportError: the file cannot be fetched
    """
    container = detect_file_type(ranged)
    kind = _KINDS.get(container or "")
    if container is None or kind is None:
        raise _unsupported_format(container, field, head=ranged.read_at(0, HEAD_BYTES))
    try:
        facts = _reader_of(container)(ranged, container)
        _check_plausible(facts)
    except OutOfReachError as error:
        return unknown_facts(kind, container, reason=error.message)
    except (DamagedFileError, struct.error) as error:
        reason = str(error) if isinstance(error, DamagedFileError) else "its header ends early"
        raise InputError(
            f"{field} is a damaged {container} file: {reason}",
            code="InvalidFile.Openerror",
            remedy="Check that the file plays, then export or upload it again.",
        ) from None
    return facts


def _reader_of(container: str) -> Callable[[RangedReader, str], MediaFacts]:
    """The reader of a format, whose module is loaded with the first file of the format."""
    name = "mp4" if container in ("mov", "m4a") else container
    module = importlib.import_module(f"airflow_provider_videoretalk.media.header.{name}")
    read: Callable[[RangedReader, str], MediaFacts] = getattr(module, f"read_{name}")
    return read


def _check_plausible(facts: MediaFacts) -> None:
    if 0 in (facts.width, facts.height):
        raise DamagedFileError("its picture has a width or height of 0 px")
    if facts.width is not None and facts.width < 0:
        raise DamagedFileError("its picture has a negative width")


def _unsupported_format(name: str | None, field: str, *, head: bytes) -> InputError:
    allowed = "; ".join(", ".join(names) for names in (VIDEO_CONTAINERS, AUDIO_CONTAINERS, IMAGE_FORMATS))
    what = f"a {name} file" if name else "of no known media format"
    error_code = store_error_code(head) if name == "xml" else None
    reported = f" with the error code {error_code}" if error_code else ""
    return InputError(
        f"{field} is {DOCUMENTS.get(name or '', what)}{reported}, allowed are {allowed}",
        # The service recognises some formats that it does not accept; it cannot open bytes of an unknown format.
        code="InvalidFile.Format" if name and name not in DOCUMENTS else "InvalidFile.Openerror",
        remedy=_DOCUMENT_REMEDY if name in DOCUMENTS else _FORMAT_REMEDY,
    )
