"""Reads one fragment (``moof``) of an MP4: the frames of its tracks, and where their bytes end in the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.mp4_box import Box

MAX_MOOF_BYTES = 1024 * 1024

# ISO/IEC 14496-12, 8.8.7 and 8.8.8: flags of optional fields.
_HAS_BASE_OFFSET, _HAS_DESCRIPTION, _HAS_DURATION, _HAS_SIZE = 0x1, 0x2, 0x8, 0x10
_BASE_IS_MOOF = 0x2_0000
_HAS_DATA_OFFSET, _HAS_FIRST_FLAGS = 0x1, 0x4
_HAS_FRAME_TICKS, _HAS_FRAME_SIZE = 0x100, 0x200
_HAS_FIELD_PER_FRAME = (_HAS_FRAME_TICKS, _HAS_FRAME_SIZE, 0x400, 0x800)


@dataclass(kw_only=True)
class Timeline:
    """The time that fragments show, in ticks of the track.

    :param begin: ``None`` before the first fragment is added
    :param next: where the next fragment begins if it does not state it
    :param frames: frames of all fragments
    :param gap: the longest time between two fragments that no frame shows
    """

    begin: int | None = None
    end: int = 0
    next: int = 0
    frames: int = 0
    gap: int = 0

    @property
    def ticks(self) -> int:
        return self.end - (self.begin or 0)

    def add(self, *, begin: int | None, ticks: int, frames: int) -> None:
        """
        :param begin: ``None`` if the fragment does not state it
        """
        start = self.next if begin is None else begin
        if self.begin is not None:
            self.gap = max(self.gap, start - self.end)
        self.begin = start if self.begin is None else min(self.begin, start)
        self.next, self.frames = start + ticks, self.frames + frames
        self.end = max(self.end, self.next)


@dataclass(frozen=True, kw_only=True)
class FrameDefaults:
    """Ticks and bytes of a frame in fragments that do not state them."""

    ticks: int = 0
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class TrackFragment:
    """The part of a fragment that belongs to one track.

    :param begin: in ticks of the track; ``None`` if it does not state it
    :param end: position in the file after the last byte of its frames
    """

    track: int
    begin: int | None
    ticks: int
    frames: int
    end: int


def frame_defaults(moov: Box) -> dict[int, FrameDefaults]:
    """The defaults of all tracks, by the track's id (ISO/IEC 14496-12, 8.8.3)."""
    found = {}
    mvex = moov.first(b"mvex")
    for trex in mvex.all(b"trex") if mvex else ():
        number, ticks, size = struct.unpack_from(">4xI4xII", trex.body)
        found[number] = FrameDefaults(ticks=ticks, size=size)
    return found


def read_fragment(moof: Box, *, start: int, defaults: Mapping[int, FrameDefaults]) -> Iterator[TrackFragment]:
    """The parts of a fragment that belong to the tracks in ``defaults``.

    :param start: position of the fragment in the file
    :raises DamagedFileError: it states more frames than it has
    :raises struct.error: it ends early
    """
    end = start
    for traf in moof.all(b"traf"):
        header, decode_time = traf.body_of(b"tfhd"), traf.body_of(b"tfdt")
        flags, number = struct.unpack_from(">II", header)
        if number not in defaults:
            continue
        base, own = _parse_header(header, flags, defaults[number])
        # Without a base, positions count from the fragment, or from the end of the track before (8.8.7).
        end = base if base is not None else start if flags & _BASE_IS_MOOF else end
        runs = [_parse_run(run.body, own) for run in traf.all(b"trun")]
        origin = last = end
        for run in runs:
            end = (end if run.offset is None else origin + run.offset) + run.size
            last = max(last, end)
        if runs:
            yield TrackFragment(
                track=number,
                begin=struct.unpack_from(">Q" if decode_time[0] else ">I", decode_time, 4)[0] if decode_time else None,
                ticks=sum(run.ticks for run in runs),
                frames=sum(run.frames for run in runs),
                end=last,
            )


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A track run.

    :param offset: of its bytes from the base; ``None`` if they follow those of the run before
    :param size: of its bytes
    """

    ticks: int
    frames: int
    offset: int | None
    size: int


def _parse_header(tfhd: memoryview, flags: int, defaults: FrameDefaults) -> tuple[int | None, FrameDefaults]:
    """The base of positions, ``None`` if it is not stated; and the defaults of the fragment."""
    position, base, ticks, size = 8, None, defaults.ticks, defaults.size
    if flags & _HAS_BASE_OFFSET:
        (base,) = struct.unpack_from(">Q", tfhd, position)
        position += 8
    position += 4 * bool(flags & _HAS_DESCRIPTION)
    if flags & _HAS_DURATION:
        (ticks,) = struct.unpack_from(">I", tfhd, position)
        position += 4
    if flags & _HAS_SIZE:
        (size,) = struct.unpack_from(">I", tfhd, position)
    return base, FrameDefaults(ticks=ticks, size=size)


def _parse_run(trun: memoryview, defaults: FrameDefaults) -> _Run:
    flags, frames = struct.unpack_from(">II", trun)
    offset = struct.unpack_from(">i", trun, 8)[0] if flags & _HAS_DATA_OFFSET else None
    start = 8 + 4 * bool(flags & _HAS_DATA_OFFSET) + 4 * bool(flags & _HAS_FIRST_FLAGS)
    stride = 4 * sum(bool(flags & bit) for bit in _HAS_FIELD_PER_FRAME)
    table = trun[start : start + frames * stride]
    if len(table) < frames * stride:
        raise DamagedFileError("a fragment states more frames than it has")
    ticks, size, column = frames * defaults.ticks, frames * defaults.size, 0
    if flags & _HAS_FRAME_TICKS:
        ticks, column = _sum_column(table, stride, 0), 4
    if flags & _HAS_FRAME_SIZE:
        size = _sum_column(table, stride, column)
    return _Run(ticks=ticks, frames=frames, offset=offset, size=size)


def _sum_column(table: memoryview, stride: int, column: int) -> int:
    """The sum of one field of four bytes over all frames."""
    return sum(value for (value,) in struct.iter_unpack(f">{column}xI{stride - column - 4}x", table))
