"""When a wait for a task is over, and what is then to be said."""

from __future__ import annotations

import math

from airflow_provider_videoretalk.dashscope.errors import QueueTimeoutError, RenderTimeoutError, TaskTimeoutError
from airflow_provider_videoretalk.waiting.patience import Patience

SERVICE_MARGIN = 120.0
"""Seconds before the service's own limit at which a task that still queues is given up."""

_SUBMIT_FEWER = "Submit fewer tasks at once, through a pool of two or three slots"


class Deadline:
    """The limits of a patience, as moments: of the queue until the render has begun, then of the render.

    :param submitted_at: in seconds since the epoch, like all moments; 0 where that is not known
    """

    def __init__(self, *, task_id: str, patience: Patience, submitted_at: float) -> None:
        self._task_id = task_id
        self._patience = patience
        self._submitted_at = submitted_at

    def moment(self, *, begun_at: float | None) -> float:
        """The end of the present wait.

        :param begun_at: the render's begin, ``None`` while the task queues
        """
        return min(
            _or_never(self._patience.deadline), self._of_queue() if begun_at is None else self._of_render(begun_at)
        )

    def check(self, *, now: float, begun_at: float | None) -> None:
        """Returns while the wait may go on.

        :raises QueueTimeoutError: the render should have begun
        :raises RenderTimeoutError: the render should have ended
        :raises TaskTimeoutError: the deadline for all has passed
        """
        if now < self.moment(begun_at=begun_at):
            return
        if now >= _or_never(self._patience.deadline):
            message = f"task {self._task_id} was not finished in the time allowed"
            remedy = "Raise execution_timeout, or a sensor's timeout. A task that renders goes on, and bills."
            raise TaskTimeoutError(message, remedy=remedy)
        raise self._queued_too_long(now) if begun_at is None else self._rendered_too_long()

    def _of_queue(self) -> float:
        return min(self._submitted_at + _or_never(self._patience.queue_timeout), self._of_service())

    def _of_service(self) -> float:
        limit = _or_never(self._patience.service_limit)
        return self._submitted_at + limit - SERVICE_MARGIN if self._submitted_at else math.inf

    def _of_render(self, begun_at: float) -> float:
        return begun_at + _or_never(self._patience.render_timeout)

    def _queued_too_long(self, now: float) -> QueueTimeoutError:
        if now >= self._of_service():
            return QueueTimeoutError(
                f"task {self._task_id} still queues {now - self._submitted_at:.0f} s after its submit; the service "
                f"drops what has no result {self._patience.service_limit:g} s after its submit",
                remedy=f"{_SUBMIT_FEWER}.",
            )
        return QueueTimeoutError(
            f"task {self._task_id} was not begun within {self._patience.queue_timeout} s",
            remedy=f"{_SUBMIT_FEWER}, or raise queue_timeout.",
        )

    def _rendered_too_long(self) -> RenderTimeoutError:
        return RenderTimeoutError(
            f"task {self._task_id} was not finished within {self._patience.render_timeout} s of its begin",
            remedy="It can't be stopped, and bills when it succeeds: wait for it by its id, or raise render_timeout.",
        )


def _or_never(limit: float | None) -> float:
    return math.inf if limit is None else limit
