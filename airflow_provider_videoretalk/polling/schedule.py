"""Decides when to query a render job again, and when to stop. It does no I/O; the caller passes the time."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.request import TOTAL_TIMEOUT, Request
from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS, Task, TaskStatus, get_task
from airflow_provider_videoretalk.polling.job_end import GRACE, has_ended, lacks_result
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.progress_log import Progress
from airflow_provider_videoretalk.polling.render_times import RenderTimes
from airflow_provider_videoretalk.polling.time_limits import LAST_QUERY_SECONDS, TimeLimits

BACKOFF_CEILING = 60.0
"""Maximum of seconds to wait after an error, whatever Retry-After it has."""

REFUSAL_SECONDS = 600.0
"""Seconds for which queries must be refused (400, 401, 403, 404) or answered with UNKNOWN to end the wait.

A gateway that is restarted, a key that is replaced or a replica that lags behind refuses for a while, and the paid job
goes on meanwhile.
"""

_LAST_PAUSE = 1.0
"""Seconds between two queries after a limit was reached."""

# A query in the last moment before a limit would be cut off unanswered. It may end a little later.
_SHORTEST_QUERY = 1.0

# The begin and the end of a render are known to about so many seconds: a reply takes time, and clocks differ.
_CLOCK_SECONDS = 1.0

# The longer a status lasts, the rarer it is queried: at this share of its age.
_QUEUE_SHARE = 1 / 4
_RENDER_SHARE = 1 / 16
# A pause that grows with the age of a status stays below this share of max_poll_interval.
_SLOW_SHARE = 1 / 5
_JITTER = 0.1


def while_queued(poll_policy: PollPolicy, *, age: float) -> float:
    """Seconds until the next query of a queued job.

    :param age: seconds since it is known to queue
    """
    return poll_policy.bound(age * _QUEUE_SHARE, share=_SLOW_SHARE)


def while_rendering(poll_policy: PollPolicy, *, overdue: float, spread: float, cost: float = 1.0) -> float:
    """Seconds until the next query of a rendering job.

    :param overdue: seconds since its earliest expected end; negative before
    :param spread: seconds from its earliest expected end to its latest
    :param cost: what a look costs this job, in requests. By a page of the list it costs many jobs one request together,
        and so it comes the sooner
    """
    if overdue < 0:
        # All that end in the first interval are seen by one query.
        return poll_policy.bound(min(poll_policy.poll_interval, spread + _CLOCK_SECONDS) - overdue)
    return poll_policy.bound(overdue * _RENDER_SHARE * cost, share=_SLOW_SHARE)


def after_failures(failures: int) -> float:
    """Seconds until the next query after so many failures in a row."""
    return min(2.0**failures, BACKOFF_CEILING)


class Schedule:
    """Says, after each observation of one job, how long to wait for the next query.

    :param task_id: id of the job, for messages
    :param submitted_at: when the job was submitted by the caller's clock, in seconds since the epoch; 0 if unknown
    :param waiting_since: since when the caller waits; a limit that passed before leaves time for one query
    :param render_times: observed render times
    :param expected_seconds: length of the output, if known
    :param chance: returns a random number from 0 to 1; it shortens pauses a little, so that queries spread
    """

    def __init__(
        self,
        *,
        task_id: str,
        poll_policy: PollPolicy,
        submitted_at: float,
        waiting_since: float = 0.0,
        render_times: RenderTimes | None = None,
        expected_seconds: float | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.poll_policy = poll_policy
        self._task_id = task_id
        self._submitted_at = submitted_at
        self._waiting_since = waiting_since
        self._limits = TimeLimits(task_id=task_id, poll_policy=poll_policy, submitted_at=submitted_at)
        self._render_times = render_times or RenderTimes()
        self._expected_seconds = expected_seconds
        self._chance = chance
        self._status: TaskStatus | None = None
        self._since: float
        # The begin of the render is known as a span: its earliest moment, and when it was first seen to have begun.
        self._may_have_begun = submitted_at
        self._begun_at: float | None = poll_policy.begun_by
        self._failures = 0
        self._known: tuple[str, float | None] = ("", None)
        # When the job was first seen to have succeeded without a result.
        self._succeeded_at: float | None = None
        # Since when no query was answered with a status: each was refused, or the job UNKNOWN.
        self._refused_at: float | None = None

    def before_first(self, *, now: float) -> float:
        """Seconds until the first query: 0, unless the job cannot have ended yet."""
        pause = while_rendering(self.poll_policy, overdue=-self._shortest, spread=self._spread)
        return max(0.0, min(self._submitted_at + pause, self.limit) - now)

    def query(self, *, now: float) -> Request[Task]:
        """A query that does not outlast the present limit. After the limit, it is the last one."""
        seconds = self.next_check(now=now) - now
        return replace(get_task(self._task_id), total_timeout=min(TOTAL_TIMEOUT, max(seconds, _SHORTEST_QUERY)))

    def after_query(self, task: Task, *, now: float) -> float | None:
        """Seconds to wait after a status query; ``None`` once the job has ended.

        :raises TaskTimeoutError: a limit was reached
        """
        if self._has_ended(task, now):
            return None
        if task.status == "UNKNOWN":
            self._failures += 1
            return self._until_limit(self.poll_policy.bound(after_failures(self._failures)), now)
        self._refused_at = None
        self._known = (task.stage, now)
        if lacks_result(task):
            return self._until_limit(self.poll_policy.poll_interval, now)
        if task.status == "RUNNING" and (begun_at := self._dated_begin(task, now)) is not None:
            self._begun_at = self._may_have_begun = begun_at
        return self._after(task.status, now)

    def after_list(self, status: TaskStatus, *, now: float, cost: float = 1.0) -> float:
        """Seconds to wait after a list showed the job in ``status``, PENDING or RUNNING.

        :param cost: this job's part of the reading, in requests
        :raises TaskTimeoutError: a limit was reached
        """
        self._known = (status, now)
        return self._after(status, now, cost=cost)

    def after_error(self, error: DashScopeError, *, now: float) -> float:
        """Seconds to wait after a query that failed.

        :raises DashScopeError: the kind of ``error``, which has lasted for :data:`REFUSAL_SECONDS`
        :raises TaskTimeoutError: a limit was reached
        """
        if not error.retryable and self._is_permanent(now):
            raise self._refusal(error)
        self._failures += 1
        pause = self.poll_policy.bound(after_failures(self._failures))
        return self._until_limit(max(min(error.retry_after or 0.0, BACKOFF_CEILING), pause), now)

    def check(self, *, now: float) -> None:
        """Returns while the wait may continue without an answer.

        :raises TaskTimeoutError: a limit was reached, and no last query was answered
        """
        if now >= self._last_check:
            self._limits.check_unanswered(now=now, begun_at=self._begun_at, known=self._known)

    @property
    def limit(self) -> float:
        """When the present limit is reached, in seconds since the epoch. The begin of the render moves it."""
        return self._limits.moment(begun_at=self._begun_at)

    def next_check(self, *, now: float) -> float:
        """When :meth:`check` has to be called if nothing is heard: at the limit, and after a last query."""
        return self.limit if now < self.limit else self._last_check

    @property
    def _last_check(self) -> float:
        return max(self.limit, self._waiting_since) + LAST_QUERY_SECONDS

    @property
    def is_refused(self) -> bool:
        """Whether the last queries were refused, or answered with UNKNOWN."""
        return self._refused_at is not None

    def progress(
        self, stage: str, *, now: float, ahead: int | None = None, free_at: float = 0.0, slots: int = 1
    ) -> Progress:
        """The progress of the job, for logs.

        :param ahead: jobs known to be queued before it
        :param free_at: when the next of them is expected to begin, in seconds since the epoch
        :param slots: how many jobs render at once
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
        """When the render is expected to end, in seconds since the epoch; ``None`` before it begins."""
        if self._begun_at is None or self._expected is None:
            return None
        return self._begun_at + self._expected

    def _is_permanent(self, now: float) -> bool:
        """Whether there was no status for so long that there will be none."""
        self._refused_at = now if self._refused_at is None else self._refused_at
        return now - self._refused_at >= REFUSAL_SECONDS

    def _refusal(self, error: DashScopeError) -> DashScopeError:
        """The error of a wait that ends because of refused queries. The job goes on, so a retry can help."""
        goes_on = "The render job may go on, and is billed if it succeeds. A retry waits for it."
        return type(error)(
            f"every status query of render job {self._task_id} was refused for {REFUSAL_SECONDS:.0f} s: "
            f"{error.message}",
            code=error.code,
            request_id=error.request_id,
            status=error.status,
            retryable=True,
            remedy=f"{error.remedy} {goes_on}".strip(),
        )

    def _has_ended(self, task: Task, now: float) -> bool:
        if lacks_result(task):
            # The reply need not be dated.
            self._succeeded_at = now if self._succeeded_at is None else self._succeeded_at
            return now - self._succeeded_at >= GRACE
        if has_ended(task, submitted_at=self._submitted_at, now=now):
            return True
        return task.status == "UNKNOWN" and self._is_permanent(now)

    @property
    def _expected(self) -> float | None:
        return self._render_times.expected(self._expected_seconds)

    @property
    def _shortest(self) -> float:
        return self._render_times.shortest(self._expected_seconds) or 0.0

    @property
    def _spread(self) -> float:
        """Seconds between the shortest and the longest render to expect."""
        longest = self._render_times.longest(self._expected_seconds)
        return math.inf if longest is None else longest - self._shortest

    def _after(self, status: TaskStatus, now: float, *, cost: float = 1.0) -> float:
        self._failures = 0
        if self._status != status:
            self._status, self._since = status, now
        pause = self._queued(now) if status == "PENDING" else self._rendering(now, cost=cost)
        self._limits.check(now=now, begun_at=self._begun_at)
        return min(pause, self.limit - now)

    def _queued(self, now: float) -> float:
        self._may_have_begun = now
        pause = while_queued(self.poll_policy, age=now - self._since)
        return self.poll_policy.bound(pause * (1 - _JITTER * self._chance()))

    def _rendering(self, now: float, *, cost: float) -> float:
        if self._begun_at is None:
            self._begun_at = now
        # The earliest end counts from the earliest begin, the latest end and the age from the latest.
        earliest_begin = self._may_have_begun or now
        overdue = now - earliest_begin - self._shortest
        spread = self._begun_at - earliest_begin + self._spread
        overdue = min(overdue, now - self._begun_at)
        return while_rendering(self.poll_policy, overdue=overdue, spread=spread, cost=cost)

    def _dated_begin(self, task: Task, now: float) -> float | None:
        """Begin of the render by the caller's clock: the service's two times differ by the time in the queue."""
        if task.started_at is None:
            return None
        if not self._submitted_at:
            return min(now, max(now - JOB_SECONDS, task.started_at.timestamp()))
        if task.submitted_at is None:
            return None
        queued = max(0.0, (task.started_at - task.submitted_at).total_seconds())
        return min(now, self._submitted_at + queued)

    def _until_limit(self, pause: float, now: float) -> float:
        """``pause``, but not beyond the next check."""
        self.check(now=now)
        if now < self.limit:
            return min(pause, self.limit - now)
        return min(_LAST_PAUSE, self._last_check - now)
