"""Queries one render job on this thread: until it has ended, or within a given time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, TransportError
from airflow_provider_videoretalk.dashscope.task import Task, get_task
from airflow_provider_videoretalk.polling.progress_log import OnProgress
from airflow_provider_videoretalk.polling.schedule import Schedule

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.client import Client
    from airflow_provider_videoretalk.dashscope.request import Request

T = TypeVar("T")

FIRST_QUERY_SECONDS = 10.0
"""Seconds for the query before a deferral. The trigger repeats it."""


def wait_for_job(
    client: Client,
    schedule: Schedule,
    *,
    on_progress: OnProgress,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Task:
    """Blocks until the job has ended, or until a limit. No query holds this thread beyond the limit and a last query.

    :raises TaskTimeoutError: a limit of the schedule was reached
    :raises DashScopeError: a further query cannot help
    """
    while True:
        try:
            task = client.send(schedule.query(now=clock()))
        except DashScopeError as error:
            on_progress(error)
            delay = schedule.after_error(error, now=clock())
        else:
            now = clock()
            pause = schedule.after_query(task, now=now)
            on_progress(schedule.progress(task.stage, now=now))
            if pause is None:
                return task
            delay = pause
        sleep(delay)


def query_once(client: Client, task_id: str, *, seconds: float) -> Task | None:
    """The status of a job; ``None`` if no usable answer arrives in time."""
    try:
        return client.send(replace(get_task(task_id), total_timeout=seconds))
    except DashScopeError:
        return None


class BoundedClient:
    """A client whose requests all end within a time.

    :param seconds: for all requests and pauses together
    """

    def __init__(
        self,
        client: Client,
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._ends_at = clock() + seconds

    def send(self, request: Request[T]) -> T:
        """See :meth:`~airflow_provider_videoretalk.dashscope.client.Client.send`.

        :raises TransportError: there is no time left
        """
        left = self._ends_at - self._clock()
        if left <= 0:
            raise TransportError("the endpoint did not answer in the time that was left", retryable=False)
        return self._client.send(replace(request, total_timeout=min(request.total_timeout, left)))

    def sleep(self, seconds: float) -> None:
        """Sleeps for as long as asked, or until the end."""
        self._sleep(max(0.0, min(seconds, self._ends_at - self._clock())))
