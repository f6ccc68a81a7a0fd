"""Somebody who waits for a task, and a task that somebody waits for."""

from __future__ import annotations

import asyncio
import math
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import Task, TaskStatus
from airflow_provider_videoretalk.waiting.narrator import News, Progress
from airflow_provider_videoretalk.waiting.patience import Patience
from airflow_provider_videoretalk.waiting.schedule import Schedule

Way = Literal["alone", "PENDING", "RUNNING"]
"""How a task is to be asked for: by a query of its own, or rather by the list of a status."""


@dataclass(kw_only=True, eq=False, slots=True)
class Waiter:
    """Somebody who waits. What they are told is told in their own context, which Airflow's logs go by."""

    schedule: Schedule
    news: News
    ended: asyncio.Future[Task]
    context: Context = field(default_factory=copy_context)

    def tell(self, news: Progress | DashScopeError) -> None:
        try:
            self.context.run(self.news, news)
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
    """A task that somebody waits for.

    :param submitted_at: in seconds since the epoch, 0 while that is not known
    :param joined_at: since when somebody waits, by the event loop's time, like the next
    :param asked_at: when a query of its own last told of it
    :param asking: whether such a query is on its way
    :param waiters: also those who were told the end, until they have gone
    :param status: PENDING or RUNNING, ``None`` before it was seen in either
    :param way: ``None`` while it has no turn, being asked for or over
    :param missed: the lists that did not show it since anything was heard of it
    :param suspect: whether it has probably ended
    """

    task_id: str
    submitted_at: float
    joined_at: float
    asked_at: float = -math.inf
    asking: bool = False
    waiters: list[Waiter] = field(default_factory=list)
    status: TaskStatus | None = None
    way: Way | None = None
    missed: frozenset[TaskStatus] = frozenset()
    suspect: bool = False

    @property
    def open_waiters(self) -> list[Waiter]:
        """Those that were not told an end yet."""
        return [waiter for waiter in self.waiters if not waiter.ended.done()]

    @property
    def patience(self) -> Patience:
        """Of the one who came first."""
        return self.waiters[0].schedule.patience
