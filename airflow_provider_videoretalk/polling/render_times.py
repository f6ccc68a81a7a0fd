"""How long a render takes, learned from renders that ended."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS, Task

# Of many renders that begin together, the short ones end first. A short memory would underestimate the others.
_MEMORY = 1000
_RARE = 1 / 100


class RenderTimes:
    """Estimates a render by the last ones, per second of output where that is known. Times in seconds.

    :param memory: number of renders that count
    """

    def __init__(self, *, memory: int = _MEMORY) -> None:
        self._renders, self._paces = _Sample(memory), _Sample(memory)

    def learn(self, task: Task) -> None:
        """Adds a job that ended. Only one that succeeded, and has times, counts."""
        if task.status != "SUCCEEDED" or task.started_at is None or task.finished_at is None:
            return
        self.note((task.finished_at - task.started_at).total_seconds(), output_seconds=task.billed_seconds)

    def note(self, seconds: float, *, output_seconds: float | None) -> None:
        """Adds the time of a render, with the length of its video if known."""
        if not 0 < seconds <= JOB_SECONDS:
            return
        self._renders.add(seconds)
        if output_seconds:
            self._paces.add(seconds / output_seconds)

    def expected(self, output_seconds: float | None = None) -> float | None:
        """The median time of a render; ``None`` without any data.

        :param output_seconds: length of its video
        """
        if output_seconds and self._paces:
            return self._paces.middle * output_seconds
        return self._renders.middle if self._renders else None

    def shortest(self, output_seconds: float | None = None) -> float | None:
        """A time that 99 of 100 renders exceed; ``None`` without any data."""
        if output_seconds and self._paces:
            return self._paces.least * output_seconds
        return self._renders.least if self._renders else None

    def longest(self, output_seconds: float | None = None) -> float | None:
        """A time that one of 100 renders exceeds; ``None`` without any data."""
        if output_seconds and self._paces:
            return self._paces.most * output_seconds
        return self._renders.most if self._renders else None


class _Sample:
    """The last values, sorted."""

    def __init__(self, memory: int) -> None:
        self._last: deque[float] = deque()
        self._sorted: list[float] = []
        self._memory = memory

    def add(self, value: float) -> None:
        if len(self._last) == self._memory:
            del self._sorted[bisect_left(self._sorted, self._last.popleft())]
        self._last.append(value)
        insort(self._sorted, value)

    @property
    def middle(self) -> float:
        return self._sorted[len(self._sorted) // 2]

    @property
    def least(self) -> float:
        """A value that the next one rarely stays below: lower with few values, and with values that differ."""
        count = len(self._sorted)
        least = self._sorted[int(count * _RARE)]
        return max(0.0, least * count**2 / (count**2 + 1) - (self._sorted[-1] - least) / count)

    @property
    def most(self) -> float:
        """A value that the next one rarely exceeds: higher with few values, and with values that differ."""
        count = len(self._sorted)
        most = self._sorted[-1 - int(count * _RARE)]
        return most * (count**2 + 1) / count**2 + (most - self._sorted[0]) / count

    def __len__(self) -> int:
        return len(self._sorted)
