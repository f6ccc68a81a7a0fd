"""How long a fragmented MP4 is: its index names no pictures, each fragment (``moof``) has its own."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_videoretalk.limits import MEGABYTE
from airflow_provider_videoretalk.media.header.box import Box, Place, load, places
from airflow_provider_videoretalk.media.header.damage import DamageError
from airflow_provider_videoretalk.media.ranged import OutOfReachError, Ranged

_MOOF_BYTES = MEGABYTE
_MFRA_BYTES = MEGABYTE
_TAIL_BYTES = 4096
_MFRO = struct.Struct(">I4s4xI")

# ISO/IEC 14496-12, 8.8.7 and 8.8.8: which optional fields are there.
_BASE_OFFSET, _DESCRIPTION, _DURATION = 0x1, 0x2, 0x8
_DATA_OFFSET, _FIRST_FLAGS = 0x1, 0x4
_EACH = (0x100, 0x200, 0x400, 0x800)


@dataclass(frozen=True, kw_only=True)
class Span:
    """The time that one or more fragments show, in ticks of the track, and the pictures that were counted in ``ticks``
    of it.

    :param begin: ``None`` where a fragment does not say when it begins
    """

    begin: int | None
    ticks: int
    samples: int


def measure_fragments(ranged: Ranged, start: int, *, track: int, default: int, before: Span | None = None) -> Span:
    """The time that all fragments show: by the first and the last where an index at the file's end (``mfra``) leads
    there, else by all of them.

    :param start: where to look for the first fragment
    :param track: number of the track
    :param default: ticks of a picture where fragments do not say
    :param before: what comes before all fragments
    :raises OutOfReachError: looking at them all would cost too much
    """
    head = [before] if before else []
    first = before or next(_spans(ranged, start, track, default), None)
    if first is None:
        raise DamageError("it has no pictures")
    last = _last(ranged, track)
    if first.begin is None or last is None or last <= start:
        return _joined([*head, *_spans(ranged, start, track, default)])
    return _joined([first, *_spans(ranged, last, track, default)])


def _joined(spans: list[Span]) -> Span:
    ticks, samples = sum(span.ticks for span in spans), sum(span.samples for span in spans)
    if not ticks:
        raise DamageError("its fragments show nothing")
    begins = [span.begin for span in spans]
    if None in begins:
        return Span(begin=None, ticks=ticks, samples=samples)
    known = [(begin, begin + span.ticks) for begin, span in zip(begins, spans, strict=True) if begin is not None]
    begin, end = min(known)[0], max(end for _, end in known)
    # Of fragments that were skipped the pictures are not known: taken to be as dense as in the others.
    return Span(begin=begin, ticks=end - begin, samples=round(samples * (end - begin) / ticks))


def _spans(ranged: Ranged, start: int, track: int, default: int) -> Iterator[Span]:
    # Half of what is left: the other half is for FFmpeg, which knows further kinds of indexes.
    reserve = ranged.requests_left // 2
    for place in places(ranged, start):
        if ranged.requests_left < reserve:
            raise OutOfReachError("has too many of them to look at each")
        if place.kind == b"moof":
            moof = load(ranged, place, most=_MOOF_BYTES)
            yield from (span for traf in moof.all(b"traf") if (span := _span(traf, track, default)))


def _span(traf: Box, track: int, default: int) -> Span | None:
    """What a fragment has of a track, ``None`` for other tracks."""
    head, time = traf.body_of(b"tfhd"), traf.body_of(b"tfdt")
    flags, number = struct.unpack_from(">II", head)
    if number != track:
        return None
    if flags & _DURATION:
        (default,) = struct.unpack_from(">I", head, 8 + 8 * bool(flags & _BASE_OFFSET) + 4 * bool(flags & _DESCRIPTION))
    runs = [_run(run.body, default) for run in traf.all(b"trun")]
    begin = struct.unpack_from(">Q" if time[0] else ">I", time, 4)[0] if time else None
    return Span(begin=begin, ticks=sum(ticks for ticks, _ in runs), samples=sum(samples for _, samples in runs))


def _run(trun: memoryview, default: int) -> tuple[int, int]:
    """Ticks and pictures of a row of pictures."""
    flags, samples = struct.unpack_from(">II", trun)
    if not flags & _EACH[0]:
        return samples * default, samples
    start = 8 + 4 * bool(flags & _DATA_OFFSET) + 4 * bool(flags & _FIRST_FLAGS)
    stride = 4 * sum(bool(flags & bit) for bit in _EACH)
    table = trun[start : start + samples * stride]
    if len(table) < samples * stride:
        raise DamageError("a fragment names more pictures than it has room for")
    return sum(ticks for (ticks,) in struct.iter_unpack(f">I{stride - 4}x", table)), samples


def _last(ranged: Ranged, track: int) -> int | None:
    """Where the last fragment lies that a picture of ``track`` can be found in, by the index at the file's end."""
    size = ranged.size
    if size is None or size < _MFRO.size:
        return None
    try:
        tail = ranged.at(max(0, size - _TAIL_BYTES), _TAIL_BYTES)
        _, kind, length = _MFRO.unpack(tail[-_MFRO.size :])
        if kind != b"mfro" or not _MFRO.size <= length <= size:
            return None
        start = size - length
        mfra = load(ranged, Place(kind=b"mfra", start=start, content=start + 8, end=size), most=_MFRA_BYTES)
    except OutOfReachError:
        return None
    tables = (box.body for box in mfra.all(b"tfra"))
    return next((_offset(table) for table in tables if table[4:8] == track.to_bytes(4, "big")), None)


def _offset(tfra: memoryview) -> int | None:
    """The place of the last fragment in a table (ISO/IEC 14496-12, 8.8.10)."""
    lengths, entries = struct.unpack_from(">II", tfra, 8)
    wide = bool(tfra[0])
    stride = (16 if wide else 8) + sum((lengths >> shift & 0b11) + 1 for shift in (0, 2, 4))
    start = 16 + (entries - 1) * stride
    if not entries or start + stride > len(tfra):
        return None
    offset: int = struct.unpack_from(">8xQ" if wide else ">4xI", tfra, start)[0]
    return offset
