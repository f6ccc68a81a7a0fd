"""A render job that callers wait for, a caller, and keys in the order of a time."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.progress_log import OnProgress, Progress
from airflow_provider_videoretalk.polling.schedule import Schedule

Listed = Literal["PENDING", "RUNNING"]
"""The statuses whose lists are read."""

NEITHER: frozenset[Listed] = frozenset()
"""No status. One object for all jobs: Python would make one of 216 bytes for each."""

Way = Literal["alone", "PENDING", "RUNNING", "failing"]
"""How a job is asked for: ``alone`` by a query of its own; by the list of a status, or singly if that is cheaper.

``failing`` is a query of its own whose last one failed. Such queries take a part of the rate only.
"""


@dataclass(kw_only=True, eq=False, slots=True)
class Waiter:
    """A caller that waits. Its callback runs in its own context, which decides where Airflow's logs go."""

    schedule: Schedule
    on_progress: OnProgress
    ended: asyncio.Future[Task]
    context: Context = field(default_factory=copy_context)

    def report(self, news: Progress | DashScopeError) -> None:
        try:
            self.context.run(self.on_progress, news)
        except Exception as error:
            self.fail(error)

    def succeed(self, task: Task) -> None:
        if not self.ended.done():
            self.ended.set_result(task)

    def fail(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)


@dataclass(kw_only=True, eq=False, slots=True)
class Watched:
    """A render job that callers wait for.

    :param submitted_at: in seconds since the epoch, 0 if unknown
    :param proven_at: when a query of its own was last answered, or it joined, in the event loop's time
    :param answered_at: when a query of its own was last answered
    :param asking: whether such a query is in flight
    :param waiters: including those that know the end, until they leave
    :param status: PENDING or RUNNING, ``None`` before it was seen in either
    :param way: ``None`` while it has no turn, being asked for or over
    :param missed: the lists that did not show it since anything was heard of it
    :param suspect: whether it has probably ended
    :param doubted: whether it is asked for to learn whether the list is up to date
    :param wrong_absences: how often it went on although the list did not show it, since the list last showed it
    :param failing: whether its last query failed, and no list has shown it since
    """

    task_id: str
    submitted_at: float
    proven_at: float
    answered_at: float = -math.inf
    asking: bool = False
    waiters: list[Waiter] = field(default_factory=list)
    status: Listed | None = None
    way: Way | None = None
    missed: frozenset[Listed] = NEITHER
    suspect: bool = False
    doubted: bool = False
    wrong_absences: int = 0
    failing: bool = False

    @property
    def open_waiters(self) -> list[Waiter]:
        """Those that do not know the end yet."""
        return [waiter for waiter in self.waiters if not waiter.ended.done()]

    @property
    def poll_policy(self) -> PollPolicy:
        """The policy of the first caller."""
        return self.waiters[0].schedule.poll_policy


class Agenda:
    """Keys by time. A sorted list, not a heap: it tells ranks and counts, and forgets at once."""

    def __init__(self) -> None:
        self._order: list[tuple[float, str]] = []
        self._times: dict[str, float] = {}

    def put(self, key: str, time: float) -> None:
        """Adds a key, or moves it."""
        self.drop(key)
        self._times[key] = time
        insort(self._order, (time, key))

    def drop(self, key: str) -> None:
        """Forgets a key, if it is there."""
        time = self._times.pop(key, None)
        if time is not None:
            del self._order[bisect_left(self._order, (time, key))]

    @property
    def first(self) -> tuple[float, str]:
        """The earliest time and its key; an infinite time if there is none."""
        return self._order[0] if self._order else (math.inf, "")

    def count(self, *, until: float) -> int:
        """How many keys have a time up to this one."""
        return bisect_right(self._order, until, key=lambda entry: entry[0])

    def rank(self, key: str) -> int | None:
        """How many keys come before this one; ``None`` if it is not there."""
        return bisect_left(self._order, (self._times[key], key)) if key in self._times else None

    def time(self, key: str) -> float:
        """The time of a key, which must be there."""
        return self._times[key]

    def __iter__(self) -> Iterator[str]:
        """The keys in order. Nothing may change meanwhile."""
        return (key for _, key in self._order)

    def __len__(self) -> int:
        return len(self._order)
