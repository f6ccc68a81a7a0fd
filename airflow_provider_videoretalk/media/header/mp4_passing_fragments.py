"""Measures a fragmented MP4 whose bytes pass once: how long it is, and whether it has all that it lists."""

from __future__ import annotations

import struct
from dataclasses import replace

from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.media_facts import MediaFacts
from airflow_provider_videoretalk.media.header.mp4 import main_track, read_tracks
from airflow_provider_videoretalk.media.header.mp4_box import BoxCounter, BoxLocation, parse_box
from airflow_provider_videoretalk.media.header.mp4_fragment import (
    FrameDefaults,
    Timeline,
    frame_defaults,
    read_fragment,
)
from airflow_provider_videoretalk.media.header.mp4_fragment_index import end_of_sidx
from airflow_provider_videoretalk.media.header.mp4_track import Track
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError

_MAX_INDEX_BOXES = 4096
_MAX_FRAGMENT_BOXES = 65_536
_MEASURED = ("duration", "frame rate")


class PassingFragments:
    """Takes the boxes of a file in their order. Keeps sums, so that memory does not grow with the file.

    :ivar found: whether the file has fragments
    :ivar damage: why the file is damaged, as a clause; ``""`` if it is not
    """

    def __init__(self) -> None:
        self.found = False
        self.damage = ""
        self._track: Track | None = None
        self._defaults: dict[int, FrameDefaults] = {}
        self._timeline = Timeline()
        self._unread = ""
        # By which part of the file they are listed.
        self._ends = {"its fragments list frames": 0, "its segment index lists fragments": 0}

    def take(self, box: BoxLocation, content: bytes | None) -> None:
        """Takes a box.

        :param content: ``None`` if it is too large
        """
        self.found = self.found or box.type == b"moof"
        if content is None:
            self._unread = self._unread or f"its {box.type.decode('latin-1')!r} box is too large"
            return
        try:
            if box.type == b"moov" and self._track is None:
                self._take_index(content)
            elif box.type == b"moof":
                self._take_fragment(box.start, content)
            elif box.type == b"sidx":
                self._note_end("its segment index lists fragments", end_of_sidx(content, box.end or 0))
        except OutOfReachError as error:
            self._unread = self._unread or error.message
        except (DamagedFileError, struct.error) as error:
            self.damage = self.damage or (str(error) if isinstance(error, DamagedFileError) else "a box ends early")

    def find_cut(self, size: int) -> str | None:
        """How it shows that the file was cut, as a clause; ``None`` if it has all that it lists."""
        return next((f"{what} up to byte {end:,}" for what, end in self._ends.items() if end > size), None)

    def complete(self, facts: MediaFacts, *, unread: str = "") -> MediaFacts:
        """``facts`` with duration and frame rate by all fragments.

        :param unread: why not all of them were taken
        """
        track, timeline, reason = self._track, self._timeline, unread or self._unread
        if track is None or not track.timescale or reason or timeline.ticks <= 0:
            reason = reason or "its fragments list no frames of its track"
            return replace(facts, seconds=None, fps=None, unchecked=(*_others(facts), *_not_measured(facts, reason)))
        seconds = timeline.ticks / track.timescale
        fps = timeline.frames / seconds if facts.kind == "video" else None
        return replace(facts, seconds=seconds, fps=fps, unchecked=_others(facts))

    @property
    def gap(self) -> float:
        """Seconds of the longest part that no fragment shows."""
        return self._timeline.gap / self._track.timescale if self._track and self._track.timescale else 0.0

    def _take_index(self, content: bytes) -> None:
        moov = parse_box(b"moov", content, counter=BoxCounter(_MAX_INDEX_BOXES))
        track = self._track = main_track(read_tracks(moov))
        self._defaults = {track.number: FrameDefaults()} | frame_defaults(moov)
        if track.ticks:
            self._timeline = Timeline(begin=0, end=track.ticks, next=track.ticks, frames=track.samples)

    def _take_fragment(self, start: int, content: bytes) -> None:
        if self._track is None:
            raise OutOfReachError("its fragments come before its index")
        moof = parse_box(b"moof", content, counter=BoxCounter(_MAX_FRAGMENT_BOXES))
        for part in read_fragment(moof, start=start, defaults=self._defaults):
            self._note_end("its fragments list frames", part.end)
            if part.track == self._track.number:
                self._timeline.add(begin=part.begin, ticks=part.ticks, frames=part.frames)

    def _note_end(self, what: str, end: int) -> None:
        self._ends[what] = max(self._ends[what], end)


def _others(facts: MediaFacts) -> tuple[str, ...]:
    """What is unchecked besides what is measured here."""
    return tuple(note for note in facts.unchecked if note.partition(":")[0] not in _MEASURED)


def _not_measured(facts: MediaFacts, reason: str) -> tuple[str, ...]:
    names = _MEASURED if facts.kind == "video" else _MEASURED[:1]
    return tuple(f"{name}: it consists of fragments, and {reason}" for name in names)
