"""Reads where the fragments of an MP4 end in the file and in time: from its indexes, or from its last fragment."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from itertools import islice

from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.mp4_box import Box, BoxLocation, load_box, scan_boxes
from airflow_provider_videoretalk.media.header.mp4_fragment import MAX_MOOF_BYTES, FrameDefaults, read_fragment
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError

_MAX_MFRA_BYTES = MEGABYTE
_TAIL_BYTES = 4096
# So often these four letters may be in the bytes of pictures.
_MAX_CANDIDATES = 16
_MFRO = struct.Struct(">I4s4xI")
_SIZE_BITS = 0x7FFFFFFF


@dataclass(frozen=True, kw_only=True)
class IndexedEnd:
    """The end of what an index lists.

    :param position: in the file; fragments that the index does not list begin here or later
    :param begin: of the first fragment, in ticks of the track; ``None`` if the index does not state it
    :param end: of what the index lists; where ``is_complete`` is false, about the begin of the fragment at ``position``
    :param is_complete: whether the index lists all fragments before ``position``, with their length
    """

    position: int
    begin: int | None
    end: int
    is_complete: bool


def end_by_sidx(sidx: Box, *, box_end: int, track: int, timescale: int) -> IndexedEnd | None:
    """The end of the fragments that a segment index lists (ISO/IEC 14496-12, 8.16.3); ``None`` for another track.

    :param box_end: position after the index, where the offsets in it count from
    :raises struct.error: it ends early
    """
    is_64_bit = bool(sidx.body[0]) if sidx.body else False
    number, index_timescale = struct.unpack_from(">II", sidx.body, 4)
    earliest, offset = struct.unpack_from(">QQ" if is_64_bit else ">II", sidx.body, 12)
    table = 28 if is_64_bit else 20
    (entries,) = struct.unpack_from(">2xH", sidx.body, table)
    if number != track or not index_timescale:
        return None
    content = sidx.body[table + 4 : table + 4 + 12 * entries]
    listed = list(struct.iter_unpack(">II4x", content[: len(content) // 12 * 12]))
    size = sum(size & _SIZE_BITS for size, _ in listed)
    end = earliest + sum(ticks for _, ticks in listed)
    return IndexedEnd(
        position=box_end + offset + size,
        begin=earliest * timescale // index_timescale,
        end=end * timescale // index_timescale,
        is_complete=True,
    )


def end_of_sidx(content: bytes, box_end: int) -> int:
    """The position after the last fragment that a segment index lists.

    :param content: of the index, whose box ends at ``box_end``
    :raises struct.error: it ends early
    """
    (track,) = struct.unpack_from(">I", content, 4)
    end = end_by_sidx(Box(type=b"sidx", body=memoryview(content)), box_end=box_end, track=track, timescale=1)
    return end.position if end else 0


def end_by_mfra(ranged: RangedReader, *, track: int) -> IndexedEnd | None:
    """The last fragment with a key frame of ``track``, by the index at the end of the file; ``None`` without one.

    :raises OutOfReachError: the budget does not allow to read it
    :raises struct.error: it ends early
    """
    size = ranged.size
    if size is None or size < _MFRO.size:
        return None
    tail = ranged.read_at(max(0, size - _TAIL_BYTES), _TAIL_BYTES)
    _, box_type, length = _MFRO.unpack(tail[-_MFRO.size :])
    if box_type != b"mfro" or not _MFRO.size <= length <= size:
        return None
    start = size - length
    mfra = load_box(
        ranged, BoxLocation(type=b"mfra", start=start, content=start + 8, end=size), max_bytes=_MAX_MFRA_BYTES
    )
    number = track.to_bytes(4, "big")
    return next((_last_entry(box.body) for box in mfra.all(b"tfra") if box.body[4:8] == number), None)


def end_by_last_fragment(ranged: RangedReader, *, length: int, track: int) -> IndexedEnd | None:
    """A fragment of ``track`` in the last ``length`` bytes, if it tells its time; ``None`` without one.

    :raises OutOfReachError: the budget does not allow to read so many bytes
    """
    size = ranged.size
    if size is None:
        return None
    start = max(0, size - length)
    tail = ranged.read_at(start, size - start)
    for match in islice(re.finditer(b"moof", tail[4:]), _MAX_CANDIDATES):
        position = start + match.start()
        begin = _begin_of(ranged, position, track)
        if begin is not None:
            return IndexedEnd(position=position, begin=None, end=begin, is_complete=False)
    return None


def _begin_of(ranged: RangedReader, position: int, track: int) -> int | None:
    """When the fragment at ``position`` begins; ``None`` if there is no fragment, or it does not tell.

    The bytes of a picture may look like a box. Only a box is followed by boxes up to the end of the file.
    """
    try:
        boxes = scan_boxes(ranged, position)
        location = next(boxes)
        moof = load_box(ranged, location, max_bytes=MAX_MOOF_BYTES)
        parts = read_fragment(moof, start=position, defaults={track: FrameDefaults()})
        begin = next((part.begin for part in parts), None)
        if begin is None or not moof.first(b"mfhd"):
            return None
        following = [location, *boxes]
    except (OutOfReachError, DamagedFileError, struct.error):
        return None
    is_chain = following[-1].end == ranged.size and all(box.type.isalnum() for box in following)
    return begin if is_chain else None


def _last_entry(tfra: memoryview) -> IndexedEnd | None:
    """The last fragment in a table (ISO/IEC 14496-12, 8.8.10)."""
    lengths, entries = struct.unpack_from(">II", tfra, 8)
    is_64_bit = bool(tfra[0])
    stride = (16 if is_64_bit else 8) + sum((lengths >> shift & 0b11) + 1 for shift in (0, 2, 4))
    start = 16 + (entries - 1) * stride
    if not entries or start + stride > len(tfra):
        return None
    time, offset = struct.unpack_from(">QQ" if is_64_bit else ">II", tfra, start)
    return IndexedEnd(position=offset, begin=None, end=time, is_complete=False)
