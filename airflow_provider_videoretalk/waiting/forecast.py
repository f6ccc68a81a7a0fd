"""How long a render takes, learned from those that ended."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from functools import lru_cache

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.task import Task

# Of many that begin at once the short ones end first: a memory of the last few alone would expect too much of the next.
_MEMORY = 1000
_RARE = 1 / 100


class Forecast:
    """Expects of a render what the last ones showed, by the second of output where that is known. Times in seconds.

    :param memory: how many renders it remembers
    """

    def __init__(self, *, memory: int = _MEMORY) -> None:
        self._renders, self._paces = _Sample(memory), _Sample(memory)

    def learn(self, task: Task) -> None:
        """Takes in a task that ended; only one that succeeded, and whose times the service tells, says anything."""
        if task.status != "SUCCEEDED" or task.started_at is None or task.finished_at is None:
            return
        self.note((task.finished_at - task.started_at).total_seconds(), output_seconds=task.billed_seconds)

    def note(self, seconds: float, *, output_seconds: float | None) -> None:
        """Takes in how long a render took, and how long its video is, where that is known."""
        if seconds <= 0:
            return
        self._renders.add(seconds)
        if output_seconds:
            self._paces.add(seconds / output_seconds)

    def expected(self, output_seconds: float | None = None) -> float | None:
        """What a render probably takes; ``None`` when nothing is known.

        :param output_seconds: length of the video it makes
        """
        if output_seconds and self._paces:
            return self._paces.middle * output_seconds
        return self._renders.middle if self._renders else None

    def shortest(self, output_seconds: float | None = None) -> float | None:
        """What a render hardly ever stays below; ``None`` when nothing is known."""
        if output_seconds and self._paces:
            return self._paces.least * output_seconds
        return self._renders.least if self._renders else None


class _Sample:
    """The last values, in order."""

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
        """What the next value is hardly below: the fewer are known, the lower."""
        count = len(self._sorted)
        return self._sorted[int(count * _RARE)] * count / (count + 1)

    def __len__(self) -> int:
        return len(self._sorted)


@lru_cache(maxsize=64)
def forecast_of(endpoint: Endpoint) -> Forecast:
    """What this process has learned of an endpoint, on whatever event loop or thread."""
    return Forecast()
