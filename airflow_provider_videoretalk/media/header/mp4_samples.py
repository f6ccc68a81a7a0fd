"""Finds where the samples of a track of an MP4 or MOV file are (ISO/IEC 14496-12, 8.7)."""

from __future__ import annotations

import struct

from airflow_provider_videoretalk.media.header.mp4_box import Box

_TABLE = 8
"""Position of the first entry: after version, flags and the number of entries."""


def end_of_samples(trak: Box) -> int:
    """The position in the file after the last sample that a track lists; 0 if it lists none.

    Samples lie in chunks. Only the chunk with the highest position is measured.
    """
    table = trak.first(b"mdia", b"minf", b"stbl")
    if table is None:
        return 0
    positions = _entries(table.body_of(b"co64"), ">Q") or _entries(table.body_of(b"stco"), ">I")
    if not positions:
        return 0
    chunk = max(range(len(positions)), key=lambda number: positions[number][0])
    first, count = _samples_of_chunk(_entries(table.body_of(b"stsc"), ">III"), chunk)
    end: int = positions[chunk][0] + _size_of_samples(table.body_of(b"stsz"), first, count)
    return end


def _samples_of_chunk(runs: list[tuple[int, ...]], chunk: int) -> tuple[int, int]:
    """The number of the first sample of a chunk, and how many samples it has; both numbers count from 0.

    :param runs: number of the first chunk (from 1), samples in each chunk, and a third value
    """
    before = 0
    for number, (first, samples, _) in enumerate(runs):
        end = runs[number + 1][0] if number + 1 < len(runs) else chunk + 2
        if chunk + 1 < end:
            return before + (chunk + 1 - first) * samples, samples
        before += (end - first) * samples
    return 0, 0


def _size_of_samples(stsz: memoryview, first: int, count: int) -> int:
    """Bytes of ``count`` samples from the sample ``first`` on."""
    if len(stsz) < 12 or first < 0:
        return 0
    (each,) = struct.unpack_from(">I", stsz, 4)
    if each:
        return int(each) * count
    sizes = stsz[12 + 4 * first : 12 + 4 * (first + count)]
    return sum(size for (size,) in struct.iter_unpack(">I", sizes[: len(sizes) // 4 * 4]))


def _entries(body: memoryview, form: str) -> list[tuple[int, ...]]:
    """The complete entries of a table; at most as many as it states."""
    if len(body) < _TABLE:
        return []
    (count,) = struct.unpack_from(">I", body, 4)
    size = struct.calcsize(form)
    end = _TABLE + min(count, (len(body) - _TABLE) // size) * size
    return list(struct.iter_unpack(form, body[_TABLE:end]))
