"""Detects that a file was cut: its header or its index lists more bytes than the file has."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

from airflow_provider_videoretalk.media.header.audio_tags import start_of_audio
from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.mp3 import parse_mp3_frame
from airflow_provider_videoretalk.media.header.mp4_box import BoxLocation, load_box, scan_boxes
from airflow_provider_videoretalk.media.header.mp4_samples import end_of_samples
from airflow_provider_videoretalk.media.header.riff import FIRST_CHUNK, read_chunks
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE

_MAX_INDEX_BYTES = 16 * MEGABYTE
_MAX_PNG_CHUNKS = 100_000

# Streamed WAV and AVI files state sizes near 2 or 4 GiB, because their writer did not know the size.
_UNKNOWN_SIZE = 0x7F00_0000
# Writers that count the header of a chunk as its content state a few bytes too many.
_SLACK_BYTES = 64

_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


def find_cut(ranged: RangedReader, container: str) -> str | None:
    """How it shows that a file was cut, as a clause about the file; ``None`` for a file that is whole.

    ``None`` also for a format that does not state its size: AAC, MP3 without an index, and formats that are only
    recognised.

    :param container: as :func:`~.file_type.detect_file_type` names it
    :raises DamagedFileError: the part that states the size contradicts its format
    :raises OutOfReachError: a part that is needed cannot be read
    """
    find = _FINDERS.get(container)
    try:
        return find(ranged, _size_of(ranged)) if find else None
    except struct.error:
        return "its header ends early"


def _size_of(ranged: RangedReader) -> int:
    ranged.read_at(0, 1)
    return ranged.size or 0


def _find_cut_mp4(ranged: RangedReader, size: int) -> str | None:
    boxes: list[BoxLocation] = []
    with suppress(DamagedFileError):
        boxes.extend(scan_boxes(ranged))
    index = next((box for box in boxes if box.type == b"moov"), None)
    rest = _missing_box(ranged, boxes[-1].end or size if boxes else 0, size)
    if index is None:
        return rest or "it has no index (moov)"
    if any(box.type == b"moof" for box in boxes):
        return rest
    moov = load_box(ranged, index, max_bytes=_MAX_INDEX_BYTES)
    end = max((end_of_samples(trak) for trak in moov.all(b"trak")), default=0)
    # What follows the samples is not needed, whether it is whole or not.
    return f"its index lists frames up to byte {end:,}" if end > size else None


def _missing_box(ranged: RangedReader, position: int, size: int) -> str | None:
    """Whether the box at ``position`` is one that the file does not have whole."""
    header = ranged.read_at(position, 16)
    if not header:
        return None
    stated = int.from_bytes(header[8:16] if header[:4] == b"\0\0\0\1" else header[:4], "big")
    if len(header) >= 8 and position + stated <= size:
        return None
    name = header[4:8].decode("latin-1")
    return f"its {name!r} box ends at byte {position + stated:,}" if len(header) >= 8 else "it ends within a box"


def _find_cut_wav(ranged: RangedReader, size: int) -> str | None:
    data = next((chunk for chunk in read_chunks(ranged, FIRST_CHUNK) if chunk.name == b"data"), None)
    if data is None or data.size >= _UNKNOWN_SIZE or data.end <= size + _SLACK_BYTES:
        return None
    return f"its samples end at byte {data.end:,}"


def _find_cut_riff(ranged: RangedReader, size: int) -> str | None:
    end = int.from_bytes(ranged.read_at(4, 4), "little") + 8
    # The last byte may be padding, which some writers leave out.
    return f"its content ends at byte {end:,}" if size + 1 < end < _UNKNOWN_SIZE else None


def _find_cut_mp3(ranged: RangedReader, size: int) -> str | None:
    start = start_of_audio(ranged)
    first = parse_mp3_frame(ranged.read_at(start, 16))
    frame = ranged.read_at(start, first.length) if first else b""
    index = max(frame.find(b"Xing", 0, 48), frame.find(b"Info", 0, 48))
    if index < 0:
        return None
    flags = int.from_bytes(frame[index + 4 : index + 8], "big")
    position = index + 8 + (4 if flags & 1 else 0)
    # Some writers count the tags before the audio too.
    stated = int.from_bytes(frame[position : position + 4], "big") if flags & 2 else 0
    return f"its index lists {stated:,} bytes" if stated > size else None


def _find_cut_png(ranged: RangedReader, size: int) -> str | None:
    position = 8
    for _ in range(_MAX_PNG_CHUNKS):
        header = ranged.read_at(position, 8)
        position += 12 + int.from_bytes(header[:4], "big")
        if len(header) < 8 or position > size:
            return "it has no end (IEND)"
        if header[4:] == b"IEND":
            return None
    return None


def _find_cut_jpeg(ranged: RangedReader, size: int) -> str | None:
    content = ranged.read_at(0, size)
    # A preview in the header is an image with an end of its own, before the scan of the image itself.
    whole = content.rfind(_END_OF_IMAGE) > content.rfind(_START_OF_SCAN)
    return None if whole else "it has no end of image"


def _find_cut_bmp(ranged: RangedReader, size: int) -> str | None:
    stated = int.from_bytes(ranged.read_at(2, 4), "little")
    return f"its header states {stated:,} bytes" if stated > size else None


_FINDERS: dict[str, Callable[[RangedReader, int], str | None]] = {
    "mp4": _find_cut_mp4,
    "mov": _find_cut_mp4,
    "m4a": _find_cut_mp4,
    "3gp": _find_cut_mp4,
    "avi": _find_cut_riff,
    "webp": _find_cut_riff,
    "wav": _find_cut_wav,
    "mp3": _find_cut_mp3,
    "png": _find_cut_png,
    "jpeg": _find_cut_jpeg,
    "bmp": _find_cut_bmp,
}
