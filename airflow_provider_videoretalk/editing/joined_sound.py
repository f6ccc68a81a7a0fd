"""The sound of joined pieces, as one stream. The module is heavy: it loads FFmpeg (PyAV)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING

from av.audio.frame import AudioFrame

from airflow_provider_videoretalk.editing.media_file import open_media, refuse_damaged_media
from airflow_provider_videoretalk.editing.piece import REMEDY, Piece
from airflow_provider_videoretalk.editing.sound_samples import (
    SoundFormat,
    decode_frames,
    in_blocks,
    resampled,
    silence,
)
from airflow_provider_videoretalk.editing.sound_seams import without_clicks

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet

_AAC_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_BITS_PER_CHANNEL = 128_000


def sound_format(pieces: Sequence[Piece]) -> SoundFormat | None:
    """The format of the first piece that has sound; ``None`` if none has. A rate that AAC lacks becomes 48 kHz."""
    first = next((piece.sound for piece in pieces if piece.sound is not None), None)
    if first is None or first.rate in _AAC_RATES:
        return first
    return SoundFormat(rate=max(_AAC_RATES), channels=first.channels)


class JoinedSound:
    """Decodes the sound of all pieces, places it at their first pictures, and encodes it once.

    :param frames: for each piece, how many pictures it shows
    :param rate: pictures per second
    """

    def __init__(
        self,
        output: OutputContainer,
        pieces: Sequence[Piece],
        *,
        wanted: SoundFormat,
        frames: Sequence[int],
        rate: Fraction,
    ) -> None:
        self._wanted = wanted
        self._written = 0
        self._stream = output.add_stream("aac", rate=wanted.rate, layout=wanted.layout)
        self._stream.codec_context.bit_rate = _BITS_PER_CHANNEL * wanted.channels
        # Each piece begins at the sample nearest to its first picture, so that nothing adds up.
        starts = [round(shown / rate * wanted.rate) for shown in accumulate(frames, initial=0)]
        self._blocks = without_clicks(self._stretches(pieces, starts), rate=wanted.rate, channels=wanted.channels)

    def packets_until(self, moment: Fraction | None) -> Iterator[Packet[AudioStream]]:
        """The packets of the sound before a moment in seconds; ``None`` for all that is left."""
        while moment is None or self._written < moment * self._wanted.rate:
            block = next(self._blocks, None)
            if block is None:
                break
            if block:
                yield from self._encode(block)
        if moment is None:
            yield from self._stream.encode(None)

    def _encode(self, samples: array[float]) -> Iterator[Packet[AudioStream]]:
        frame = AudioFrame("flt", self._wanted.layout, len(samples) // self._wanted.channels, align=1)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate, frame.pts, frame.time_base = self._wanted.rate, self._written, Fraction(1, self._wanted.rate)
        self._written += frame.samples
        yield from self._stream.encode(frame)

    def _stretches(self, pieces: Sequence[Piece], starts: Sequence[int]) -> Iterator[Iterator[array[float]]]:
        for piece, start, end in zip(pieces, starts[:-1], starts[1:], strict=True):
            heard = _First(self._samples(piece), count=(end - start) * self._wanted.channels)
            yield in_blocks(heard.samples(), channels=self._wanted.channels)
            yield silence(heard.missing // self._wanted.channels, channels=self._wanted.channels)

    def _samples(self, piece: Piece) -> Iterator[array[float]]:
        if piece.sound is None:
            return
        with (
            open_media(piece.path, field=piece.field, remedy=REMEDY) as container,
            refuse_damaged_media(piece.path, field=piece.field, remedy=REMEDY),
        ):
            yield from resampled(decode_frames(container), wanted=self._wanted, kind="flt", begin=piece.begin)


class _First:
    """The first ``count`` samples.

    :ivar missing: by how many there are fewer, once all are read
    """

    def __init__(self, source: Iterator[array[float]], *, count: int) -> None:
        self.missing = count
        self._source = source

    def samples(self) -> Iterator[array[float]]:
        for part in self._source:
            given = part[: self.missing]
            self.missing -= len(given)
            if given:
                yield given
            if not self.missing:
                return
