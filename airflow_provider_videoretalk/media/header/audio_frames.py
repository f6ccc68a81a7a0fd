"""Counts the frames of MP3 and AAC audio. Each frame has a header that states its length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_videoretalk.media.header.audio_tags import end_of_tags, start_of_audio
from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.ranged_reader import RangedReader
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError

FRAME_HEADER_BYTES = 40
"""Bytes of each frame that a :data:`FrameParser` receives."""

# The service's longest audio, 120 s, has at most 11,250 frames.
_MAX_FRAMES = 100_000
_MAX_GAP_BYTES = 64 * 1024
_MAX_SKIPPED_BYTES = 256 * 1024
# Most bytes after the last frame that are taken for the rest of a frame that was cut off.
_MAX_CUT_OFF_BYTES = 2048
_LYRICS = b"LYRICSBEGIN"
_FRAME_OR_TAG = re.compile(rb"\xff|ID3")
# Frames in a row that are found in other data only by an improbable chance.
_CONVINCING_FRAMES = 4


@dataclass(frozen=True, kw_only=True)
class AudioFrame:
    """One frame.

    :param length: in bytes, header included
    :param samples: of each channel
    :param sample_rate: in Hz
    :param is_index: whether it is an index instead of audio
    """

    length: int
    samples: int
    sample_rate: int
    is_index: bool = False


FrameParser = Callable[[bytes], "AudioFrame | None"]
"""Returns the frame that begins with the bytes; ``None`` for bytes that are not a frame's header."""


@dataclass(frozen=True, kw_only=True)
class CountedAudio:
    """The duration of audio, counted over its frames.

    :param seconds: ``None`` if it is not known
    :param unchecked: why; see :class:`~.media_facts.MediaFacts`
    """

    seconds: float | None
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AudioStart:
    """Where audio begins.

    :param unchecked: see :class:`~.media_facts.MediaFacts`
    """

    position: int
    unchecked: tuple[str, ...] = ()


def find_audio(ranged: RangedReader, parse_frame: FrameParser) -> AudioStart | None:
    """The first frame: after tags, or after other bytes if several frames in a row follow them; ``None`` if none is."""
    start = start_of_audio(ranged)
    if parse_frame(ranged.read_at(start, FRAME_HEADER_BYTES)) is not None:
        return AudioStart(position=start)
    content = ranged.read_at(start, _MAX_GAP_BYTES)
    offset = content.find(b"\xff")
    while offset != -1:
        if _begins_with_frames(content, offset, parse_frame):
            note = f"format: {offset:,} bytes of other data come before the audio, and not every player accepts that"
            return AudioStart(position=start + offset, unchecked=(note,))
        offset = content.find(b"\xff", offset + 1)
    return None


def _begins_with_frames(content: bytes, position: int, parse_frame: FrameParser) -> bool:
    rates = set()
    for _ in range(_CONVINCING_FRAMES):
        frame = parse_frame(content[position : position + FRAME_HEADER_BYTES])
        if frame is None:
            return False
        position += frame.length
        rates.add(frame.sample_rate)
    return len(rates) == 1


def count_audio(ranged: RangedReader, start: int, parse_frame: FrameParser, *, padding: int = 0) -> CountedAudio:
    """The duration of all frames from the one at ``start`` to the end of the file.

    The sample rate may change, as in files that were joined. Tags and other bytes between frames are skipped.

    :param padding: samples of silence that the encoder added and decoders remove
    :raises DamagedFileError: no frame begins at ``start``, or none is complete
    """
    return _FrameCounter(ranged, start, parse_frame).count(padding)


class _FrameCounter:
    def __init__(self, ranged: RangedReader, start: int, parse_frame: FrameParser) -> None:
        self._ranged = ranged
        self._parse_frame = parse_frame
        self._start = self._position = start
        first = parse_frame(ranged.read_at(start, FRAME_HEADER_BYTES))
        if first is None:
            raise DamagedFileError("it does not begin with an audio frame")
        self._first_rate = self._rate = first.sample_rate
        # By sample rate.
        self._samples: Counter[int] = Counter()
        self._skipped = 0

    def count(self, padding: int) -> CountedAudio:
        stopped_because = self._count()
        if not any(self._samples.values()):
            raise DamagedFileError("it has no complete audio frame")
        self._samples[self._first_rate] -= min(padding, self._samples[self._first_rate])
        seconds = sum(samples / rate for rate, samples in self._samples.items())
        counted = f"counted {seconds:.1f} s up to byte {self._position:,}"
        if stopped_because:
            estimate = self._estimate(seconds)
            return CountedAudio(seconds=None, unchecked=(f"duration: {estimate}{counted}, because {stopped_because}",))
        if self._has_unknown_rest():
            note = f"duration: {counted}; no audio frames were found after it"
            return CountedAudio(seconds=None, unchecked=(note,))
        return CountedAudio(seconds=seconds)

    def _estimate(self, seconds: float) -> str:
        size, done = self._ranged.size, self._position - self._start
        return f"about {seconds * (size - self._start) / done:.1f} s; " if size and done else ""

    def _count(self) -> str:
        """Counts all frames; returns why it stopped before the end of the audio, else ``""``."""
        try:
            for _ in range(_MAX_FRAMES):
                frame = self._frame_at(self._position)
                if frame is not None:
                    self._rate = frame.sample_rate
                    self._samples[frame.sample_rate] += 0 if frame.is_index else frame.samples
                    self._position += frame.length
                elif not self._skip_tags() and not self._skip_to_next_frame():
                    return ""
        except OutOfReachError as error:
            return error.message
        return f"it has more than {_MAX_FRAMES:,} frames"

    def _frame_at(self, position: int) -> AudioFrame | None:
        """The frame at ``position``; ``None`` if there is none or it exceeds the file.

        A frame with another sample rate must be confirmed by what follows it.
        """
        frame = self._complete_frame(position)
        if frame is None or frame.sample_rate == self._rate:
            return frame
        return frame if self._is_confirmed(position, frame) else None

    def _complete_frame(self, position: int) -> AudioFrame | None:
        frame = self._parse_frame(self._ranged.read_at(position, FRAME_HEADER_BYTES))
        size = self._ranged.size
        return frame if frame and (size is None or position + frame.length <= size) else None

    def _is_confirmed(self, position: int, frame: AudioFrame) -> bool:
        """Whether the end of the file or another frame of the same sample rate follows a frame."""
        after = position + frame.length
        following = self._complete_frame(after)
        is_last = after == self._ranged.size
        return is_last or (following is not None and following.sample_rate == frame.sample_rate)

    def _skip_tags(self) -> bool:
        """Moves behind the tags at the position; ``False`` if there is none."""
        end = end_of_tags(self._ranged, self._position)
        has_tags, self._position = end > self._position, end
        return has_tags

    def _skip_to_next_frame(self) -> bool:
        """Moves to the next frame that is confirmed, or to the next ID3 tag; ``False`` if there is none."""
        gap = self._ranged.read_at(self._position, _MAX_GAP_BYTES) if self._skipped < _MAX_SKIPPED_BYTES else b""
        for found in _FRAME_OR_TAG.finditer(gap, 1):
            position = self._position + found.start()
            if self._begins_frame_or_tag(position, gap[found.start() : found.start() + FRAME_HEADER_BYTES]):
                self._skipped += found.start()
                self._position = position
                return True
        return False

    def _begins_frame_or_tag(self, position: int, header: bytes) -> bool:
        if header.startswith(b"ID3"):
            size = self._ranged.size
            return position < end_of_tags(self._ranged, position) <= (position if size is None else size)
        frame = self._parse_frame(header)
        return frame is not None and self._is_confirmed(position, frame)

    def _has_unknown_rest(self) -> bool:
        """Whether other bytes than lyrics and padding follow the last frame: they may be audio of another kind."""
        rest = self._ranged.read_at(self._position, _MAX_GAP_BYTES)
        size = self._ranged.size
        is_whole = size is None or self._position + len(rest) >= size
        if rest.startswith(_LYRICS):
            return False
        return not is_whole or len(rest.strip(b"\x00")) > _MAX_CUT_OFF_BYTES
