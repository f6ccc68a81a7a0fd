"""Measures the loudness of speech over time, and derives how far the mouth opens."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from airflow_provider_videoretalk.emulator.engine.audio import Samples, read_samples

if TYPE_CHECKING:
    from pathlib import Path

_SAMPLE_RATE = 16000
_SLICES_PER_SECOND = 100
_SLICE = _SAMPLE_RATE // _SLICES_PER_SECOND

_SILENCE = 0.004
_QUIETEST_SPEECH = 0.03
_CLOSING = 0.55
_EMPHASIS = 0.7


@dataclass(frozen=True, kw_only=True, eq=False)
class Loudness:
    """The loudness of an audio file.

    :param slices: root mean square of every 10 ms, shape (n,), 0 to 1
    :param seconds: length of the audio
    """

    slices: Samples
    seconds: Fraction

    def openings(self, *, rate: Fraction, count: int) -> Samples:
        """How far the mouth is open in each of ``count`` frames at ``rate`` frames per second, 0 to 1.

        The scale is relative to the loud passages, so that quiet recordings open the mouth too. Below a minimum it
        stays closed, so that noise does not open it. The mouth opens at once and closes more slowly.
        """
        loud = float(np.percentile(self.slices, 95)) if len(self.slices) else 0.0
        scale = max(loud, _QUIETEST_SPEECH)
        level = np.clip((self.slices - _SILENCE) / (scale - _SILENCE), 0, 1) ** _EMPHASIS
        result = np.zeros(count, np.float32)
        previous = 0.0
        for i in range(count):
            start = int(i / rate * _SLICES_PER_SECOND)
            end = max(start + 1, int((i + 1) / rate * _SLICES_PER_SECOND))
            here = level[start:end]
            wanted = float(here.mean()) if len(here) else 0.0
            previous = wanted if wanted > previous else previous + (wanted - previous) * _CLOSING
            result[i] = previous
        return result


def measure_loudness(path: Path) -> Loudness:
    """Read an audio file once, and keep 100 values per second.

    :raises MediaRefusedError: the service does not accept the audio file, or it cannot be decoded
    """
    levels: list[Samples] = []
    rest = np.zeros(0, np.float32)
    total = 0
    for piece in read_samples(path, sample_rate=_SAMPLE_RATE):
        total += len(piece)
        joined = np.concatenate([rest, piece])
        whole = len(joined) // _SLICE * _SLICE
        levels.append(np.sqrt(np.mean(joined[:whole].reshape(-1, _SLICE) ** 2, axis=1)))
        rest = joined[whole:]
    return Loudness(slices=np.concatenate(levels), seconds=Fraction(total, _SAMPLE_RATE))
