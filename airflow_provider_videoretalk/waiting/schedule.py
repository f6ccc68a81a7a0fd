"""When to ask again how a task stands, and when to give up: decisions only, with the clock passed in."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_videoretalk.dashscope.errors import (
    DashScopeError,
    QueueTimeoutError,
    RenderTimeoutError,
    TaskTimeoutError,
)
from airflow_provider_videoretalk.dashscope.task import Task, TaskStatus

FLOOR = 1.0
"""Fewest seconds between two queries for one task."""

BACKOFF_CEILING = 60.0
"""Most seconds to wait after an error that names no time itself."""

VISIBILITY_GRACE = 60.0
"""Seconds after a submit in which UNKNOWN may mean that the record is not visible yet: nothing is promised there."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often to ask and how long to wait, in seconds; ``None`` for no limit. JSON-safe by ``dataclasses.asdict``.

    :param poll_interval: most seconds between two queries; fewer while the task's state is young
    :param queue_timeout: from the submit until the render begins
    :param render_timeout: from the render's begin until its end
    :param deadline: wall-clock end of all waiting, in seconds since the epoch, so that it outlives a restart
    """

    poll_interval: float = 15.0
    queue_timeout: float | None = None
    render_timeout: float | None = None
    deadline: float | None = None


class Schedule:
    """Tells, after each query for one task, how long to wait for the next.

    :param task_id: for messages
    :param submitted_at: when the task was submitted by the caller's clock, in seconds since the epoch
    """

    def __init__(self, *, task_id: str, patience: Patience, submitted_at: float) -> None:
        self._task_id = task_id
        self._patience = patience
        self._submitted_at = submitted_at
        self._begun_at: float | None = None
        self._status: TaskStatus | None = None
        self._seen = False
        self._changed_at = submitted_at
        self._errors = 0

    def after_news(self, task: Task, *, now: float) -> float | None:
        """Seconds to wait after the service told how the task stands; ``None`` once the task ended.

        :raises TaskTimeoutError: the wait is over
        """
        self._errors = 0
        if task.ended and not self._may_be_invisible(task, now):
            return None
        self._seen = self._seen or not task.ended
        status: TaskStatus = "PENDING" if task.ended else task.status
        if status != self._status:
            self._status, self._changed_at = status, now
        if status == "RUNNING" and self._begun_at is None:
            self._begun_at = self._begin(task, now)
        # Short states are asked after soon, long ones seldom: a quarter of the state's age.
        delay = (now - self._changed_at) / 4
        return self._within_limits(min(max(delay, FLOOR), self._patience.poll_interval), now)

    def after_error(self, error: DashScopeError, *, now: float) -> float:
        """Seconds to wait after a query that failed.

        :raises DashScopeError: ``error`` itself, where asking again can't help
        :raises TaskTimeoutError: the wait is over
        """
        if not error.retryable:
            raise error
        self._errors += 1
        backoff = min(2.0**self._errors, BACKOFF_CEILING)
        return self._within_limits(max(error.retry_after or 0.0, backoff), now)

    def _may_be_invisible(self, task: Task, now: float) -> bool:
        return task.status == "UNKNOWN" and not self._seen and now - self._submitted_at < VISIBILITY_GRACE

    def _begin(self, task: Task, now: float) -> float:
        """The render's begin by the caller's clock: the service's own two times differ by the queueing alone."""
        if task.submitted_at and task.started_at:
            return min(now, self._submitted_at + (task.started_at - task.submitted_at).total_seconds())
        return now

    def _within_limits(self, delay: float, now: float) -> float:
        end, error = self._end()
        if end is None:
            return delay
        if now >= end:
            raise error
        return min(delay, end - now)

    def _end(self) -> tuple[float | None, TaskTimeoutError]:
        """When the present wait is over, and the error that then says so."""
        patience = self._patience
        kind: type[TaskTimeoutError]
        if self._begun_at is None:
            limit, since, kind = patience.queue_timeout, self._submitted_at, QueueTimeoutError
            message = f"task {self._task_id} was not begun within {limit} s"
            remedy = "Submit fewer tasks at once, through a pool of two or three slots, or raise queue_timeout."
        else:
            limit, since, kind = patience.render_timeout, self._begun_at, RenderTimeoutError
            message = f"task {self._task_id} was not finished within {limit} s of its begin"
            remedy = "It can't be stopped, and bills when it succeeds: wait for it by its id, or raise render_timeout."
        end = None if limit is None else since + limit
        if patience.deadline is not None and (end is None or patience.deadline < end):
            message = f"task {self._task_id} was not finished in the time allowed"
            return patience.deadline, TaskTimeoutError(message, remedy="Raise the timeout; the task itself goes on.")
        return end, kind(message, remedy=remedy)
