"""Whether the speech of a text will fit into the time of its segment, by an estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from airflow_provider_videoretalk.batches.speaking_time import typical_seconds


@dataclass(frozen=True, kw_only=True)
class SegmentFit:
    """
    :param seconds: how long the text will take to speak at ``rate``
    :param room: how long it may take
    :param rate: of the speech; 1 is the usual speed
    """

    seconds: float
    room: float
    rate: float

    @property
    def fits(self) -> bool:
        return self.seconds <= self.room


def fit_segment(text: str, *, room: float, rate: float, max_rate: float) -> SegmentFit:
    """How a text fits at the slowest rate at which it fits, from ``rate`` to ``max_rate``.

    :param room: in seconds
    :param max_rate: the rate of a text that does not fit; ``rate`` for no other rate
    """
    needed = typical_seconds(text) / room if room > 0 else math.inf
    # To a hundredth, upwards, so that it fits.
    chosen = rate if not text or needed <= rate else min(max_rate, math.ceil(min(needed, max_rate) * 100) / 100)
    return SegmentFit(seconds=typical_seconds(text, rate=chosen), room=room, rate=chosen)
