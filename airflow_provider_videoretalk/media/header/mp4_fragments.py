"""Measures a fragmented MP4. Its index lists no frames; each fragment (``moof``) lists its own."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.mp4_box import Box, BoxCounter, BoxLocation, load_box, scan_boxes
from airflow_provider_videoretalk.media.header.mp4_fragment import (
    MAX_MOOF_BYTES,
    FrameDefaults,
    Timeline,
    read_fragment,
)
from airflow_provider_videoretalk.media.header.mp4_fragment_index import IndexedEnd, end_by_mfra, end_by_sidx
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError

# The longest video, 120 s, has at most 13,000 fragments of video and sound. Each has about seven boxes.
_MAX_FRAGMENT_BOXES = 200_000
_MAX_SEGMENT_INDEXES = 16
# Kept for the index at the end of the file, and for the fragments after the last one that it lists.
_RESERVED_REQUESTS = 4
_RESERVED_PART = 4
# Reading so many fragments one by one is slower than one request for a small part of the budget.
_FEW_FRAGMENTS = 4
_SMALL_PART = 4
# Fragments after which their number is estimated, and by which factor the estimate may be wrong.
_FRAGMENTS_FOR_ESTIMATE = 8
_ESTIMATE_FACTOR = 2
# An index that cannot be read is treated as if it were not there.
_UNREADABLE = (OutOfReachError, DamagedFileError, struct.error)


@dataclass(frozen=True, kw_only=True)
class FragmentedLength:
    """What is known of the length of a fragmented track.

    :param ticks: ``None`` if it is not known
    :param frames: in ``ticks``; ``None`` unless all fragments were read
    :param unknown_because: why ``frames`` is not known, else ``""``
    """

    ticks: int | None
    frames: int | None
    unknown_because: str = ""


class FragmentReader:
    """Reads the fragments of one track.

    :param track: the track's id
    :param timescale: ticks of the track in a second
    :param defaults: of the track
    """

    def __init__(self, ranged: RangedReader, *, track: int, timescale: int, defaults: FrameDefaults) -> None:
        self._ranged = ranged
        self._track = track
        self._timescale = timescale
        self._defaults = defaults
        self._counter = BoxCounter(_MAX_FRAGMENT_BOXES)
        self._reserved_bytes = ranged.bytes_left // _RESERVED_PART
        self._segment_indexes: list[BoxLocation] = []
        self._has_rest = False

    def measure(self, start: int, *, before: Timeline) -> FragmentedLength:
        """Reads all fragments from ``start`` on, or as many as the budget allows.

        In the second case an index states the length: ``sidx`` before the fragments, or ``mfra`` at the end of the
        file. No index states the number of frames.

        :param before: the time before all fragments; it is changed
        :raises DamagedFileError: the track has no frames, or they have no duration
        """
        try:
            self._read(start, before)
        except OutOfReachError as error:
            ticks = self._ticks_by_index(start, before)
            return FragmentedLength(ticks=ticks, frames=None, unknown_because=self._describe(error, before))
        if not before.frames:
            raise DamagedFileError("it has no frames")
        if before.ticks <= 0:
            raise DamagedFileError("its fragments have no duration")
        return FragmentedLength(ticks=before.ticks, frames=before.frames)

    def _read(self, start: int, timeline: Timeline, *, reserve: bool = True) -> None:
        """Adds all fragments from ``start`` on to ``timeline``.

        :param reserve: whether to leave a part of the budget
        :raises OutOfReachError: the budget does not allow it
        """
        fragments, first = 0, start
        for location in scan_boxes(self._ranged, start):
            if location.type == b"sidx" and len(self._segment_indexes) < _MAX_SEGMENT_INDEXES:
                self._segment_indexes.append(location)
            if location.type != b"moof":
                continue
            fragments, first = fragments + 1, first if fragments else location.start
            if reserve and fragments > 1:
                self._fetch_ahead(location.start, fragments, each=(location.start - first) / (fragments - 1))
            self._add(location, timeline)

    def _fetch_ahead(self, position: int, fragments: int, *, each: float) -> None:
        """Fetches the rest of the file by one request, if that is faster than to skip from fragment to fragment.

        :param fragments: those that were found
        :param each: bytes from one to the next
        :raises OutOfReachError: the budget does not allow either
        """
        ranged = self._ranged
        if ranged.size is None or self._has_rest:
            return
        rest = ranged.size - position
        requests, size = ranged.requests_left - _RESERVED_REQUESTS, ranged.bytes_left
        expected = rest / each
        fits = rest <= size
        if fits and (expected > requests or (expected > _FEW_FRAGMENTS and rest <= size // _SMALL_PART)):
            ranged.read_at(position, rest)
            self._has_rest = True
            return
        is_hopeless = expected > _ESTIMATE_FACTOR * requests and rest > _ESTIMATE_FACTOR * size
        if requests <= 0 or size < self._reserved_bytes or (fragments >= _FRAGMENTS_FOR_ESTIMATE and is_hopeless):
            raise OutOfReachError("it has too many fragments to read all of them")

    def _load(self, location: BoxLocation) -> Box:
        return load_box(self._ranged, location, max_bytes=MAX_MOOF_BYTES, counter=self._counter)

    def _add(self, location: BoxLocation, timeline: Timeline) -> None:
        moof = self._load(location)
        for part in read_fragment(moof, start=location.start, defaults={self._track: self._defaults}):
            timeline.add(begin=part.begin, ticks=part.ticks, frames=part.frames)

    def _ticks_by_index(self, start: int, timeline: Timeline) -> int | None:
        """The length by an index, with the fragments that follow those that it lists; ``None`` without one."""
        for end in self._indexed_ends():
            begin = timeline.begin if end.begin is None else end.begin
            if begin is None or end.position < start:
                continue
            found = Timeline(begin=begin, end=end.end if end.is_complete else begin, next=end.end)
            try:
                self._read(end.position, found, reserve=False)
            except _UNREADABLE:
                continue
            if found.ticks > 0 and (found.frames or end.is_complete):
                return found.ticks
        return None

    def _indexed_ends(self) -> Iterator[IndexedEnd]:
        for location in self._segment_indexes:
            with suppress(*_UNREADABLE):
                box_end = location.end or 0
                sidx = self._load(location)
                end = end_by_sidx(sidx, box_end=box_end, track=self._track, timescale=self._timescale)
                if end is not None:
                    yield end
        with suppress(*_UNREADABLE):
            last = end_by_mfra(self._ranged, track=self._track)
            if last is not None:
                yield last

    def _describe(self, error: OutOfReachError, timeline: Timeline) -> str:
        if timeline.ticks <= 0:
            return error.message
        rate = timeline.frames * self._timescale / timeline.ticks
        return f"{error.message}; the first {timeline.frames:,} frames have {rate:.4g} fps"
