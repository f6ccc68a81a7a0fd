"""Reads the frames of a presenter's clip in the order in which ``video_extension`` plays them: there and back again.

The module is heavy: it loads FFmpeg (PyAV).
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import av

from airflow_provider_videoretalk.editing.h264_stream import MAX_THREADS
from airflow_provider_videoretalk.editing.media_file import frame_rate, open_media, refuse_damaged_media, video_stream

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

FIELD = "the presenter's clip"
REMEDY = "Give a whole MP4, MOV or AVI file with a picture, such as one that FFmpeg has converted."

# Decoded pictures that are kept for playing backwards.
_WINDOW_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class FrameIndex:
    """What a file's index says of its pictures.

    :param frames: pictures that are shown
    :param rate: pictures per second, on the average
    :param moments: the time stamps of the keyframes, in decoding order
    :param numbers: for each keyframe, how many shown pictures stand before it in the file
    :param has_times: whether the time stamps of pictures can be trusted; those of an AVI are guessed
    """

    frames: int
    rate: Fraction
    moments: tuple[int, ...]
    numbers: tuple[int, ...]
    has_times: bool


def ping_pong_runs(*, start: int, count: int, length: int) -> Iterator[tuple[int, int, int]]:
    """The runs of ``count`` positions from ``start`` on, if ``length`` frames play forwards and backwards in turns.

    The first and the last frame are not repeated: three frames give 0, 1, 2, 1, 0, 1, 2 and so on. The emulator has the
    same order.

    :return: for each run its first frame, the number of frames, and the step: 1, or -1 for backwards
    """
    last = length - 1
    while count:
        if last == 0:
            yield 0, count, 0
            return
        within = start % (2 * last)
        first, step, run = (within, 1, last - within) if within < last else (2 * last - within, -1, 2 * last - within)
        run = min(run, count)
        yield first, run, step
        start, count = start + run, count - run


class PresenterFrames:
    """The pictures of an open clip.

    - A picture that cannot be decoded is replaced by the one before it, so that the numbers of the others stay.
    - Playing backwards decodes a part of the clip, keeps it in memory, and reads it from its end. A clip whose
      keyframes lie far apart is decoded several times.
    """

    def __init__(self, container: InputContainer, path: Path, *, field: str = FIELD) -> None:
        self._container = container
        self._path = path
        self._field = field
        self._stream = video_stream(container, field=field, remedy=REMEDY)
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = MAX_THREADS
        with refuse_damaged_media(path, field=field, remedy=REMEDY):
            self.index = read_index(container, self._stream)

    @property
    def pixel_aspect(self) -> Fraction | None:
        return self._stream.sample_aspect_ratio

    def play(self, *, start: int, count: int) -> Iterator[VideoFrame]:
        """``count`` pictures of the endless sequence, from position ``start`` on."""
        for first, run, step in ping_pong_runs(start=start, count=count, length=self.index.frames):
            if step > 0:
                yield from self._between(first, first + run)
            elif step < 0:
                yield from self._backwards(first - run + 1, first + 1)
            else:
                yield from (picture for picture in self._between(0, 1) for _ in range(run))

    def _backwards(self, first: int, end: int) -> Iterator[VideoFrame]:
        """The pictures ``end - 1`` to ``first``."""
        starts = self.index.numbers
        context = self._stream.codec_context
        # An unknown format is taken for the largest of those in use: 4:4:4 in ten bits.
        bits = context.format.padded_bits_per_pixel if context.format is not None else 48
        size = context.width * context.height * bits // 8
        window = max(1, _WINDOW_BYTES // size)
        while end > first:
            earliest = max(first, end - window)
            # A window that begins at a keyframe decodes nothing that it does not show.
            keyframe = bisect_right(starts, earliest - 1)
            begin = starts[keyframe] if keyframe < len(starts) and starts[keyframe] < end else earliest
            pictures = list(self._between(begin, end))
            while pictures:
                yield pictures.pop()
            end = begin

    def _between(self, first: int, end: int) -> Iterator[VideoFrame]:
        """The pictures ``first`` to ``end - 1``."""
        previous: VideoFrame | None = None
        due = first
        with refuse_damaged_media(self._path, field=self._field, remedy=REMEDY):
            for number, picture in self._decoded_from(first):
                if number < due:
                    previous = picture
                    continue
                for _ in range(min(number, end) - due):
                    yield previous or picture
                if number >= end:
                    return
                yield picture
                previous, due = picture, number + 1
                if due == end:
                    return
            if previous is None:
                raise ValueError("none of its pictures can be decoded")
            for _ in range(end - due):
                yield previous

    def _decoded_from(self, first: int) -> Iterator[tuple[int, VideoFrame]]:
        """Numbers and pictures, from ``first`` or an earlier one on.

        A keyframe may be followed by pictures that are shown before it and need the pictures before it. If ``first`` is
        one of them, decoding begins at an earlier keyframe.
        """
        for keyframe in range(bisect_right(self.index.numbers, first) - 1, 0, -1):
            decoded = self._decoded_from_keyframe(keyframe)
            begun = next(decoded, None)
            if begun is not None and begun[0] <= first:
                yield from chain([begun], decoded)
                return
        yield from self._decoded_from_keyframe(0)

    def _decoded_from_keyframe(self, keyframe: int) -> Iterator[tuple[int, VideoFrame]]:
        index = self.index
        self._container.seek(index.moments[keyframe], stream=self._stream, backward=True)
        waiting: list[int] = []
        number: int | None = None
        for packet in self._container.demux(self._stream):
            if number is None:
                # The demuxer may have gone to another keyframe.
                begun = bisect_right(index.moments, _moment(packet)) - 1 if packet.size else -1
                if begun < 0 or index.moments[begun] != _moment(packet):
                    return
                number = index.numbers[begun] - 1
            if packet.size and not packet.is_discard:
                heapq.heappush(
                    waiting, _moment(packet) if packet.pts is None or not self.index.has_times else packet.pts
                )
            for picture in _decode(packet):
                number += _passed(waiting, until=picture.pts if index.has_times else None)
                yield number, picture


def _passed(waiting: list[int], *, until: int | None) -> int:
    """Removes the times of a picture, and of those before it that could not be decoded. Returns how many these are."""
    passed = 1
    shown = heapq.heappop(waiting)
    while until is not None and shown < until and waiting:
        shown = heapq.heappop(waiting)
        passed += 1
    return passed


def read_index(container: InputContainer, stream: VideoStream) -> FrameIndex:
    """Reads the index at the file's beginning or end; without one, or with an unreliable one, all packets."""
    has_times = container.format.name.startswith("mov")
    entries = stream.index_entries if has_times and stream.frames else ()
    packets: Iterator[tuple[int, bool, bool]] = (
        ((entry.timestamp, entry.is_keyframe, entry.is_discard) for entry in entries)
        if len(entries)
        else _packets(container, stream)
    )
    frames = 0
    moments: list[int] = []
    numbers: list[int] = []
    shown: list[int] = []
    for moment, is_keyframe, is_discarded in packets:
        if is_keyframe or not moments:
            moments.append(moment)
            numbers.append(frames)
        if not is_discarded:
            shown = [shown[0] if shown else moment, moment]
            frames += 1
    if not frames:
        raise ValueError("it has no pictures")
    seconds = (shown[1] - shown[0]) * (stream.time_base or 0) if frames > 1 else Fraction(0)
    rate = frame_rate(frames=frames - 1, seconds=Fraction(seconds), declared=stream.average_rate)
    return FrameIndex(frames=frames, rate=rate, moments=tuple(moments), numbers=tuple(numbers), has_times=has_times)


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[tuple[int, bool, bool]]:
    for packet in container.demux(stream):
        if packet.size:
            yield _moment(packet), packet.is_keyframe, packet.is_discard


def _moment(packet: Packet[VideoStream]) -> int:
    """The time stamp in decoding order."""
    moment = packet.dts if packet.dts is not None else packet.pts
    if moment is None:
        raise ValueError("its pictures have no time stamps")
    return moment


def _decode(packet: Packet[VideoStream]) -> list[VideoFrame]:
    try:
        return list(packet.decode())
    except av.InvalidDataError:
        return []


@contextmanager
def open_frames(path: Path, *, field: str = FIELD) -> Iterator[PresenterFrames]:
    """
    :param field: what the file is, for messages
    :raises InputError: the clip cannot be read, or has no picture
    """
    with open_media(path, field=field, remedy=REMEDY) as container:
        yield PresenterFrames(container, path, field=field)
