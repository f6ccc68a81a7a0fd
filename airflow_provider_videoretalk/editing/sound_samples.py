"""Decodes sound to samples. The module is heavy: it loads FFmpeg (PyAV).

Samples are packed: one for each channel, then the next moment. A block of them is an ``array`` of 32-bit floats, or of
16-bit integers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph

if TYPE_CHECKING:
    from av.container import InputContainer

SampleKind = Literal["flt", "s16"]
_TYPECODES: dict[SampleKind, str] = {"flt": "f", "s16": "h"}

_BLOCK = 4096

_PANS = {(2, 1): "mono|c0=0.5*c0+0.5*c1", (1, 2): "stereo|c0=c0|c1=c0"}

# A gap in the time stamps that is not rounding.
_SHORTEST_GAP = Fraction(1, 50)


@dataclass(frozen=True, kw_only=True)
class SoundFormat:
    """
    :param rate: samples per second
    :param channels: 1 or 2
    """

    rate: int
    channels: int

    @property
    def layout(self) -> str:
        return "mono" if self.channels == 1 else "stereo"


def silence(count: int, *, channels: int, kind: SampleKind = "flt") -> Iterator[array[float]]:
    """``count`` samples for each channel."""
    for start in range(0, count, _BLOCK):
        samples: array[float] = array(_TYPECODES[kind])
        samples.frombytes(bytes(samples.itemsize * channels * min(_BLOCK, count - start)))
        yield samples


def decode_frames(container: InputContainer) -> Iterator[AudioFrame]:
    """The frames of the first sound that can be decoded.

    :raises Exception: PyAV's many kinds, for a damaged file
    """
    stream = next(stream for stream in container.streams.audio if stream.codec_context is not None)
    for packet in container.demux(stream):
        yield from packet.decode()


def resampled(
    frames: Iterable[AudioFrame], *, wanted: SoundFormat, kind: SampleKind, begin: Fraction | None = None
) -> Iterator[array[float]]:
    """The samples of frames, in the wanted rate and number of channels.

    :param begin: the time in the file, in seconds, of the first sample. Sound before it is left out. Where the time
        stamps have a gap, and before the first frame, there is silence. ``None`` for the first frame's time, without a
        regard to gaps
    """
    mixer = _Mixer(channels=wanted.channels)
    resampler = AudioResampler(format=kind, layout=wanted.layout, rate=wanted.rate)
    excess = 0
    due = begin
    for frame in frames:
        if due is not None and frame.pts is not None and frame.time_base is not None:
            late = frame.pts * frame.time_base - due
            if late > (_SHORTEST_GAP if due != begin else 0):
                yield from silence(round(late * wanted.rate), channels=wanted.channels, kind=kind)
            elif due == begin:
                excess = round(-late * wanted.rate) * wanted.channels
            due = frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate)
        for piece in resampler.resample(mixer.mix(frame)):
            samples = _samples(piece, kind=kind, channels=wanted.channels)
            left_out = min(excess, len(samples))
            excess -= left_out
            yield samples[left_out:]
    for piece in resampler.resample(None):
        yield _samples(piece, kind=kind, channels=wanted.channels)[excess:]


class _Mixer:
    """Mixes one channel to two, or two to one, at the same loudness. FFmpeg by itself changes it by 3 dB."""

    def __init__(self, *, channels: int) -> None:
        self._channels = channels
        self._graph: Graph | None = None

    def mix(self, frame: AudioFrame) -> AudioFrame:
        pan = _PANS.get((frame.layout.nb_channels, self._channels))
        if pan is None:
            return frame
        if self._graph is None:
            self._graph = Graph()
            source = self._graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format,
                layout=frame.layout,
                time_base=frame.time_base or Fraction(1, frame.sample_rate),
            )
            self._graph.link_nodes(source, self._graph.add("pan", pan), self._graph.add("abuffersink")).configure()
        self._graph.push(frame)
        mixed = self._graph.pull()
        assert isinstance(mixed, AudioFrame)
        return mixed


def _samples(frame: AudioFrame, *, kind: SampleKind, channels: int) -> array[float]:
    samples: array[float] = array(_TYPECODES[kind])
    # Behind its samples, the buffer has what aligns it.
    samples.frombytes(bytes(frame.planes[0])[: frame.samples * channels * samples.itemsize])
    return samples


def in_blocks(parts: Iterable[array[float]], *, channels: int) -> Iterator[array[float]]:
    """The same samples in blocks of one length, of which the last may be shorter."""
    size = _BLOCK * channels
    waiting: array[float] | None = None
    for part in parts:
        waiting = part if waiting is None else waiting + part
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]
    if waiting:
        yield waiting
