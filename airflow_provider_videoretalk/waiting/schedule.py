"""When to ask again how a task stands, and when to give up: decisions only, with the clock passed in."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import Task, TaskStatus
from airflow_provider_videoretalk.waiting.deadline import Deadline
from airflow_provider_videoretalk.waiting.forecast import Forecast
from airflow_provider_videoretalk.waiting.narrator import Progress
from airflow_provider_videoretalk.waiting.patience import Patience
from airflow_provider_videoretalk.waiting.visibility import is_perhaps_invisible

BACKOFF_CEILING = 60.0
"""Most seconds to wait after an error that names no time itself."""

# A render that is expected to last so long at least is not looked at before this share of it.
_EAGERNESS = 0.9
# Old states are asked after seldom: at this share of their age.
_QUEUE_SHARE = 1 / 4
_RENDER_SHARE = 1 / 16
# What grows with a state's age stays below this share of the most that the user bears.
_SLOW_SHARE = 1 / 5
_JITTER = 0.1

Place = Literal["behind", "next", "open"]
"""What is known of a queued task's place: ``behind`` others that are known, whose begin will tell; ``next`` in line
while one that is known renders; ``open`` where nothing is known that has to happen first.
"""


def while_queued(patience: Patience, *, age: float, place: Place, shortest: float | None) -> float:
    """Seconds until another look at a task that queues.

    :param age: seconds since it is known to queue at this place
    :param shortest: of a render, in seconds
    """
    if place == "behind":
        return patience.bound(patience.max_poll_interval)
    pause = patience.bound(age * _QUEUE_SHARE, share=_SLOW_SHARE)
    if place == "next" and shortest is not None:
        # Whatever begins unseen meanwhile can't end unseen.
        return patience.bound(max(pause, shortest * _EAGERNESS))
    return pause


def while_rendering(patience: Patience, *, overdue: float) -> float:
    """Seconds until another look at a task that renders.

    :param overdue: seconds since its end was first to be expected; negative before
    """
    if overdue < 0:
        return patience.bound(-overdue)
    return patience.bound(overdue * _RENDER_SHARE, share=_SLOW_SHARE)


def after_failures(failures: int) -> float:
    """Seconds until another query after so many in a row failed."""
    return min(2.0**failures, BACKOFF_CEILING)


class Schedule:
    """Tells, after each piece of news of one task, how long to wait for the next.

    :param task_id: for messages
    :param submitted_at: when the task was submitted by the caller's clock, in seconds since the epoch; 0 where that is
        not known
    :param forecast: how long renders take, as far as that was learned
    :param expected_seconds: of output, where they are known
    :param chance: a random number from 0 to 1, by which a pause is shortened a little, so that not all ask at once
    """

    def __init__(
        self,
        *,
        task_id: str,
        patience: Patience,
        submitted_at: float,
        forecast: Forecast | None = None,
        expected_seconds: float | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.patience = patience
        self._task_id = task_id
        self._submitted_at = submitted_at
        self._deadline = Deadline(task_id=task_id, patience=patience, submitted_at=submitted_at)
        self._forecast = forecast or Forecast()
        self._expected_seconds = expected_seconds
        self._chance = chance
        self._state: tuple[TaskStatus, Place] | None = None
        self._since = submitted_at
        self._seen = False
        # A render's begin is known as a span: from the one moment on it may have begun, at the other it had.
        self._may_have_begun = submitted_at
        self._begun_at: float | None = None
        self._failures = 0

    def before_first(self, *, now: float) -> float:
        """Seconds to wait for the first news: none, unless the task is too young to have ended."""
        ripe_at = self._submitted_at + self.patience.bound((self._shortest or 0.0) * _EAGERNESS)
        return max(0.0, min(ripe_at, self._deadline.moment(begun_at=None)) - now)

    def after_news(self, task: Task, *, now: float, place: Place = "open") -> float | None:
        """Seconds to wait after the service told how the task stands; ``None`` once the task ended.

        :raises TaskTimeoutError: the wait is over
        """
        if task.ended and (self._seen or not is_perhaps_invisible(task, submitted_at=self._submitted_at, now=now)):
            return None
        self._seen = self._seen or not task.ended
        if task.status == "RUNNING" and (begun_at := self._dated_begin(task, now)) is not None:
            self._begun_at = self._may_have_begun = begun_at
        return self._after("PENDING" if task.ended else task.status, now, place)

    def after_sight(self, status: TaskStatus, *, now: float, place: Place = "open") -> float:
        """Seconds to wait after a list showed the task in ``status``, PENDING or RUNNING.

        :raises TaskTimeoutError: the wait is over
        """
        self._seen = True
        return self._after(status, now, place)

    def after_moving(self, place: Place, *, now: float) -> float:
        """Seconds to wait where a queued task's place has changed, and nothing was told of itself."""
        self._state, self._since = ("PENDING", place), now
        return while_queued(self.patience, age=0.0, place=place, shortest=self._shortest)

    def after_error(self, error: DashScopeError, *, now: float) -> float:
        """Seconds to wait after a query that failed.

        :raises DashScopeError: ``error`` itself, where asking again can't help
        :raises TaskTimeoutError: the wait is over
        """
        if not error.retryable:
            raise error
        self._failures += 1
        pause = self.patience.bound(after_failures(self._failures))
        return self._until_deadline(max(error.retry_after or 0.0, pause), now)

    def check(self, *, now: float) -> None:
        """Returns while the wait may go on.

        :raises TaskTimeoutError: the wait is over
        """
        self._deadline.check(now=now, begun_at=self._begun_at)

    def progress(
        self, stage: str, *, now: float, ahead: int | None = None, free_at: float = 0.0, slots: int = 1
    ) -> Progress:
        """How far the task has come, for a person to read.

        :param ahead: tasks known to be queued before it
        :param free_at: when the next of them is expected to begin, in seconds since the epoch
        :param slots: how many render at once
        """
        since = self._submitted_at if self._begun_at is None else self._begun_at
        expected = self._expected
        begins_at = None if ahead is None or expected is None else free_at + ahead * expected / max(1, slots)
        return Progress(
            task_id=self._task_id,
            stage=stage,
            now=now,
            since=since or now,
            expected_seconds=expected,
            ahead=ahead,
            begins_at=begins_at,
        )

    @property
    def expected_end(self) -> float | None:
        """When the render is expected to end, in seconds since the epoch; ``None`` where it has not begun."""
        if self._begun_at is None or self._expected is None:
            return None
        return self._begun_at + self._expected

    @property
    def _expected(self) -> float | None:
        return self._forecast.expected(self._expected_seconds)

    @property
    def _shortest(self) -> float | None:
        return self._forecast.shortest(self._expected_seconds)

    def _after(self, status: TaskStatus, now: float, place: Place) -> float:
        self._failures = 0
        if self._state != (status, place):
            self._state, self._since = (status, place), now
        return self._until_deadline(self._queued(place, now) if status == "PENDING" else self._rendering(now), now)

    def _queued(self, place: Place, now: float) -> float:
        self._may_have_begun = now
        pause = while_queued(self.patience, age=now - self._since, place=place, shortest=self._shortest)
        return self.patience.bound(pause * (1 - _JITTER * self._chance()))

    def _rendering(self, now: float) -> float:
        if self._begun_at is None:
            self._begun_at = now
        # From its earliest begin it ripens, from its latest it grows old.
        ripe_at = (self._may_have_begun or now) + (self._shortest or 0.0) * _EAGERNESS
        overdue = now - ripe_at
        return while_rendering(self.patience, overdue=overdue if overdue < 0 else min(overdue, now - self._begun_at))

    def _dated_begin(self, task: Task, now: float) -> float | None:
        """The render's begin by the caller's clock: the service's own two times differ by the queueing alone."""
        if task.started_at is None:
            return None
        if not self._submitted_at:
            return min(now, task.started_at.timestamp())
        if task.submitted_at is None:
            return None
        return min(now, self._submitted_at + (task.started_at - task.submitted_at).total_seconds())

    def _until_deadline(self, pause: float, now: float) -> float:
        self._deadline.check(now=now, begun_at=self._begun_at)
        return min(pause, self._deadline.moment(begun_at=self._begun_at) - now)
