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
from airflow_provider_videoretalk.media.header.mp4_fragment_index import (
    IndexedEnd,
    end_by_last_fragment,
    end_by_mfra,
    end_by_sidx,
)
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError

# The longest video, 120 s, has at most 13,000 fragments of video and sound. Each has about seven boxes.
_MAX_FRAGMENT_BOXES = 200_000
_MAX_SEGMENT_INDEXES = 16
# Kept for the index at the end of the file, and for the fragments after the last one that it lists.
_RESERVED_REQUESTS = 4
_RESERVED_PART = 4
# Reading so many fragments one by one is slower than an index, or than one request for a small part of the budget.
_FEW_FRAGMENTS = 4
_SMALL_PART = 4
# By which factor the number of fragments may be more than the first ones let expect.
_ESTIMATE_FACTOR = 2
# So many times the bytes of a fragment have the last one, where all are about as long as the first ones.
_LAST_FRAGMENTS = 1.5
_TOO_MANY = "it has too many fragments to read all of them"
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
    """Measures the fragments of one track.

    :param start: position in the file from which on fragments are read
    :param track: the track's id
    :param timescale: ticks of the track in a second
    :param defaults: of the track
    :param before: the time before all fragments; those that are read are added to it
    """

    def __init__(
        self,
        ranged: RangedReader,
        *,
        start: int,
        track: int,
        timescale: int,
        defaults: FrameDefaults,
        before: Timeline,
    ) -> None:
        self._ranged = ranged
        self._start = start
        self._track = track
        self._timescale = timescale
        self._defaults = defaults
        self._timeline = before
        self._counter = BoxCounter(_MAX_FRAGMENT_BOXES)
        self._reserved_bytes = ranged.bytes_left // _RESERVED_PART
        self._segment_indexes: list[BoxLocation] = []
        self._has_rest = self._has_asked = False

    def measure(self) -> FragmentedLength:
        """Reads all fragments, if they are few or nothing else states the length.

        An index does: ``sidx`` before the fragments, or ``mfra`` at the end of the file. Where the fragments are more
        than the budget allows to read, the last one does. None of these states the number of frames.

        :raises DamagedFileError: the track has no frames, or they have no duration
        """
        try:
            ticks = self._read()
        except OutOfReachError as error:
            ticks = None if self._has_asked else self._ticks_by_index()
            return FragmentedLength(ticks=ticks, frames=None, unknown_because=self._describe(error.message))
        if ticks is not None:
            return FragmentedLength(ticks=ticks, frames=None, unknown_because=self._describe(_TOO_MANY))
        if not self._timeline.frames:
            raise DamagedFileError("it has no frames")
        if self._timeline.ticks <= 0:
            raise DamagedFileError("its fragments have no duration")
        return FragmentedLength(ticks=self._timeline.ticks, frames=self._timeline.frames)

    def _read(self) -> int | None:
        """Adds the fragments to the timeline.

        :returns: the length, if it was found before all of them were added; else ``None``
        :raises OutOfReachError: the budget does not allow to add all of them
        """
        first = self._start
        for read, location in enumerate(self._locate(self._start)):
            first = first if read else location.start
            if read and not self._has_rest:
                ticks = self._look_ahead(location.start, read=read, each=(location.start - first) / read)
                if ticks is not None:
                    return ticks
            self._add(location, self._timeline)
        return None

    def _locate(self, start: int) -> Iterator[BoxLocation]:
        """The fragments from ``start`` on. Notes the indexes among them."""
        for location in scan_boxes(self._ranged, start):
            if location.type == b"sidx" and len(self._segment_indexes) < _MAX_SEGMENT_INDEXES:
                self._segment_indexes.append(location)
            if location.type == b"moof":
                yield location

    def _look_ahead(self, position: int, *, read: int, each: float) -> int | None:
        """Finds a faster way than to skip from fragment to fragment: one request for the rest of the file, or an index.

        :param position: of the first fragment that is not read
        :param read: fragments that are read
        :param each: bytes from one to the next
        :returns: the length, if it was found
        :raises OutOfReachError: it was not, and the budget does not allow to read the rest
        """
        ranged = self._ranged
        if ranged.size is None:
            return None
        rest = ranged.size - position
        fragments, requests, size = rest / each, ranged.requests_left - _RESERVED_REQUESTS, ranged.bytes_left
        if rest <= size and (fragments > requests or (fragments > _FEW_FRAGMENTS and rest <= size // _SMALL_PART)):
            ranged.read_at(position, rest)
            self._has_rest = True
            return None
        is_scarce = requests <= 0 or size < self._reserved_bytes
        if self._has_asked or not (is_scarce or (read >= _FEW_FRAGMENTS and fragments > _FEW_FRAGMENTS)):
            return None
        is_too_much = is_scarce or fragments > requests
        ticks = self._ticks_by_index(last_bytes=int(_LAST_FRAGMENTS * each) if is_too_much else 0)
        if ticks is None and (is_scarce or fragments > _ESTIMATE_FACTOR * requests):
            raise OutOfReachError(_TOO_MANY)
        return ticks

    def _load(self, location: BoxLocation) -> Box:
        return load_box(self._ranged, location, max_bytes=MAX_MOOF_BYTES, counter=self._counter)

    def _add(self, location: BoxLocation, timeline: Timeline) -> None:
        moof = self._load(location)
        for part in read_fragment(moof, start=location.start, defaults={self._track: self._defaults}):
            timeline.add(begin=part.begin, ticks=part.ticks, frames=part.frames)

    def _ticks_by_index(self, *, last_bytes: int = 0) -> int | None:
        """The length by an index, with the fragments that follow those that it lists; ``None`` without one.

        :param last_bytes: where there is no index, so many bytes at the end of the file are searched for a fragment
        """
        self._has_asked = True
        for end in self._indexed_ends(last_bytes):
            begin = self._timeline.begin if end.begin is None else end.begin
            if begin is None or end.position < self._start:
                continue
            found = Timeline(begin=begin, end=end.end if end.is_complete else begin, next=end.end)
            try:
                for location in self._locate(end.position):
                    self._add(location, found)
            except _UNREADABLE:
                continue
            if found.ticks > 0 and (found.frames or end.is_complete):
                return found.ticks
        return None

    def _indexed_ends(self, last_bytes: int) -> Iterator[IndexedEnd]:
        for location in tuple(self._segment_indexes):
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
        if last_bytes:
            with suppress(*_UNREADABLE):
                last = end_by_last_fragment(self._ranged, length=last_bytes, track=self._track)
                if last is not None:
                    yield last

    def _describe(self, reason: str) -> str:
        frames, ticks = self._timeline.frames, self._timeline.ticks
        if ticks <= 0:
            return reason
        return f"{reason}; the first {frames:,} frames have {frames * self._timescale / ticks:.4g} fps"
