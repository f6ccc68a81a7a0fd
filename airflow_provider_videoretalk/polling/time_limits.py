"""When the wait for a render job ends, and with which error."""

from __future__ import annotations

import math
from datetime import datetime, timezone

from airflow_provider_videoretalk.dashscope.errors import QueueTimeoutError, RenderTimeoutError, TaskTimeoutError
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy

SERVICE_MARGIN = 120.0
"""Seconds before the service's own limit at which the wait for a queued job ends."""

LAST_QUERY_SECONDS = 3.0
"""Seconds after a limit in which a last status query can be answered. After them, the wait ends without an answer."""

_SUBMIT_FEWER = "Submit fewer jobs at once, through a pool of two or three slots"


class TimeLimits:
    """The limits of a poll policy as moments: of the queue until the render begins, then of the render.

    :param submitted_at: in seconds since the epoch, as all moments; 0 if unknown
    """

    def __init__(self, *, task_id: str, poll_policy: PollPolicy, submitted_at: float) -> None:
        self._task_id = task_id
        self._poll_policy = poll_policy
        self._submitted_at = submitted_at

    def moment(self, *, begun_at: float | None) -> float:
        """When the present limit is reached.

        :param begun_at: begin of the render, ``None`` while the job is queued
        """
        return min(
            _or_never(self._poll_policy.deadline), self._of_queue() if begun_at is None else self._of_render(begun_at)
        )

    def check(self, *, now: float, begun_at: float | None) -> None:
        """Returns while the wait for a job whose status is known now may continue.

        :raises QueueTimeoutError: the render did not begin in time
        :raises RenderTimeoutError: the render did not end in time
        :raises TaskTimeoutError: the deadline has passed
        """
        if now >= self.moment(begun_at=begun_at):
            raise self._error(now=now, begun_at=begun_at)

    def check_unanswered(self, *, now: float, begun_at: float | None, known: tuple[str, float | None]) -> None:
        """Returns while the wait for a job whose status is not known now may continue.

        :param known: the last status that the service gave, and when; ``None`` if never
        :raises TaskTimeoutError: as :meth:`check`, with what is not known of the job
        """
        if now < self.moment(begun_at=begun_at):
            return
        error = self._error(now=now, begun_at=begun_at)
        error.message += f", as far as is known: {_last_answer(*known)}"
        error.remedy = (
            "Its status now is not known. It may have begun or ended, and is billed if it succeeds. A retry queries it "
            f"again. {error.remedy}"
        )
        raise error

    def _error(self, *, now: float, begun_at: float | None) -> TaskTimeoutError:
        if now >= _or_never(self._poll_policy.deadline):
            message = f"render job {self._task_id} did not end in the time allowed"
            remedy = "Raise execution_timeout, or a sensor's timeout. A render that has begun continues, and is billed."
            return TaskTimeoutError(message, remedy=remedy)
        return self._queued_too_long(now) if begun_at is None else self._rendered_too_long()

    def _of_queue(self) -> float:
        return min(self._submitted_at + _or_never(self._poll_policy.queue_timeout), self._of_service())

    def _of_service(self) -> float:
        limit = _or_never(self._poll_policy.service_limit)
        return self._submitted_at + limit - SERVICE_MARGIN if self._submitted_at else math.inf

    def _of_render(self, begun_at: float) -> float:
        return begun_at + _or_never(self._poll_policy.render_timeout)

    def _queued_too_long(self, now: float) -> QueueTimeoutError:
        if now >= self._of_service():
            return QueueTimeoutError(
                f"render job {self._task_id} is still queued {now - self._submitted_at:.0f} s after its submit; "
                f"the service drops a job without a result {self._poll_policy.service_limit:g} s after its submit",
                remedy=f"{_SUBMIT_FEWER}.",
            )
        return QueueTimeoutError(
            f"the render of job {self._task_id} did not begin within {self._poll_policy.queue_timeout} s",
            remedy=f"{_SUBMIT_FEWER}, or raise queue_timeout.",
        )

    def _rendered_too_long(self) -> RenderTimeoutError:
        return RenderTimeoutError(
            f"the render of job {self._task_id} did not end within {self._poll_policy.render_timeout} s of its begin",
            remedy="It cannot be stopped, and is billed if it succeeds: wait for it by its id or raise render_timeout.",
        )


def _last_answer(known: str, known_at: float | None) -> str:
    if known_at is None:
        return "no query of its status was answered"
    moment = datetime.fromtimestamp(known_at, tz=timezone.utc)
    return f"no query of its status was answered since {moment:%H:%M:%S} UTC, when it was {known}"


def _or_never(limit: float | None) -> float:
    return math.inf if limit is None else limit
