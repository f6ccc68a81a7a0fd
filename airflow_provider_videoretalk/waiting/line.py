"""What is known of the queue: who of those waited for is queued, in which order, and who renders."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_videoretalk.dashscope.task import TaskStatus
from airflow_provider_videoretalk.waiting.agenda import Agenda
from airflow_provider_videoretalk.waiting.schedule import Place

# Submits are dated by the clocks of several machines.
_SKEW = 10.0
_MISTRUST = 1800.0
# After so many begins in a row that each followed an end, no other is looked for.
_HABIT = 5


class Line:
    """Tasks in the order of their submits, which is believed to be the order of their renders until it is seen not to.

    The service documents that tasks queue, not in which order they begin. Moments are seconds since the epoch.
    """

    def __init__(self) -> None:
        self._queued = Agenda()
        self._rendering: set[str] = set()
        self._called: set[str] = set()
        self._latest_begun = 0.0
        self._habit = 0
        self._mistrusted_until = 0.0

    @property
    def rendering(self) -> int:
        """How many render."""
        return len(self._rendering)

    @property
    def head(self) -> str | None:
        """Who is first in line."""
        first = self._queued.first
        return first[1] if first else None

    def __iter__(self) -> Iterator[str]:
        """Who is queued, in order."""
        return iter(self._queued)

    def __len__(self) -> int:
        """How many are queued."""
        return len(self._queued)

    def place(self, key: str, *, now: float) -> Place:
        """What is known of a task's place; ``open`` for one that is not in line."""
        if key not in self._queued or now < self._mistrusted_until:
            return "open"
        if not self._rendering:
            return "behind" if self._queued.rank(key) else "open"
        return "behind" if self._queued.rank(key) or self._habit >= _HABIT else "next"

    def ahead(self, key: str) -> int | None:
        """How many are queued before it; ``None`` for one that is not in line."""
        return self._queued.rank(key) if key in self._queued else None

    def seen(self, key: str, status: TaskStatus, *, submitted_at: float, now: float) -> bool:
        """Takes in how a task stands. Tells whether that shows that the order does not hold, which was not known.

        :param submitted_at: 0 where that is not known; such a task has no place in line
        """
        if status == "RUNNING":
            self._begun(key, submitted_at)
            return False
        self._rendering.discard(key)
        self._called.discard(key)
        if not submitted_at:
            return False
        self._queued.put(key, submitted_at)
        if submitted_at + _SKEW >= self._latest_begun:
            return False
        trusted = now >= self._mistrusted_until
        self._mistrusted_until = now + _MISTRUST
        return trusted

    def called(self, key: str) -> bool:
        """Whether :meth:`call` named this task, and nothing was heard of it since."""
        return key in self._called

    def call(self) -> str | None:
        """Who should begin now that a place has become free: the first in line that was not called yet."""
        key = next((key for key in self._queued if key not in self._called), None)
        if key is not None:
            self._called.add(key)
        return key

    def join(self, key: str, *, submitted_at: float) -> None:
        """Takes in a task of which no more is known: that it is queued is likely."""
        self._queued.put(key, submitted_at)

    def leave(self, key: str) -> None:
        """Forgets a task that ended, or that nobody waits for any longer."""
        self._queued.drop(key)
        self._rendering.discard(key)
        self._called.discard(key)

    def _begun(self, key: str, submitted_at: float) -> None:
        if key in self._queued:
            self._habit = self._habit + 1 if key in self._called else 0
        self._queued.drop(key)
        self._called.discard(key)
        self._rendering.add(key)
        self._latest_begun = max(self._latest_begun, submitted_at)
