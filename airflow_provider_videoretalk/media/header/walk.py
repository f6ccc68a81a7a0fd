"""Sound that is a row of frames, each with a header that says how long it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_videoretalk.media.header.damage import DamageError
from airflow_provider_videoretalk.media.ranged import OutOfReachError, Ranged

HEADER_BYTES = 16
"""What a reader of frames is given of each."""

# 120 s of sound, the service's longest, are at most 11,250 frames.
_FRAMES = 100_000
_GAP_BYTES = 64 * 1024
_JUNK_BYTES = 256 * 1024
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame: bytes with its header, samples of each channel, and their rate in Hz."""

    length: int
    samples: int
    rate: int


ReadFrame = Callable[[bytes], "Frame | None"]


class Walk:
    """A count of samples from the frame at ``start`` to the end of the sound.

    Frames of another sample rate than the first one are no sound of this file. What lies between frames is skipped.

    :raises DamageError: there is no frame at ``start``
    """

    def __init__(self, ranged: Ranged, start: int, read_frame: ReadFrame) -> None:
        self._ranged = ranged
        self._read_frame = read_frame
        self._start = self._position = start
        first = read_frame(ranged.at(start, HEADER_BYTES))
        if first is None:
            raise DamageError("it does not begin with a frame of sound")
        self._rate = first.rate
        self._samples = 0
        self._junk = 0
        self._unread = self._go()

    def seconds(self, *, silence: int = 0) -> float:
        """The duration; where the walk did not come to the end, an estimate from the part it saw.

        :param silence: samples that encoders added at the ends, and decoders leave out
        :raises DamageError: there is not one whole frame
        """
        if not self._samples:
            raise DamageError("it has not one whole frame of sound")
        seconds = max(0, self._samples - silence) / self._rate
        if self._unread and self._ranged.size is not None:
            seconds *= (self._ranged.size - self._start) / (self._position - self._start)
        return seconds

    @property
    def unchecked(self) -> tuple[str, ...]:
        """What the duration leaves open."""
        if self._unread:
            return (f"duration: estimated from the first {self._position:,} bytes, since {self._unread}",)
        rest = (self._ranged.size or 0) - self._position
        if rest > _GAP_BYTES and not self._ranged.at(self._position, 16).startswith(_TAGS):
            return (f"duration: counted up to byte {self._position:,}, behind which nothing looks like sound",)
        return ()

    def _go(self) -> str:
        """Walks; returns why it ended before the sound did, or nothing."""
        try:
            for _ in range(_FRAMES):
                frame = self._frame_at(self._position)
                if frame is not None:
                    self._samples, self._position = self._samples + frame.samples, self._position + frame.length
                elif not self._skip():
                    return ""
        except OutOfReachError as error:
            return error.message
        return f"it has more than {_FRAMES:,} frames"

    def _frame_at(self, position: int) -> Frame | None:
        """The frame at ``position``, all of which lies within the file."""
        frame = self._read_frame(self._ranged.at(position, HEADER_BYTES))
        if frame is None or frame.rate != self._rate:
            return None
        size = self._ranged.size
        return frame if size is None or position + frame.length <= size else None

    def _skip(self) -> bool:
        """Goes to the next frame that another one, or the file's end, follows; ``False`` where there is none."""
        gap = self._ranged.at(self._position, _GAP_BYTES) if self._junk < _JUNK_BYTES else b""
        offset = gap.find(b"\xff", 1)
        while offset != -1:
            frame = self._read_frame(gap[offset : offset + HEADER_BYTES])
            if frame is not None and self._holds(self._position + offset, frame):
                self._position, self._junk = self._position + offset, self._junk + offset
                return True
            offset = gap.find(b"\xff", offset + 1)
        return False

    def _holds(self, position: int, frame: Frame) -> bool:
        after = position + frame.length
        return frame.rate == self._rate and (after == self._ranged.size or self._frame_at(after) is not None)
