"""The current state of render jobs and queues, read from DashScope.

Any number of open pages cost one request in some seconds, and none waits long for a service that does not answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from cachetools import TTLCache, cached

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS, Task, TaskStatus, get_task
from airflow_provider_videoretalk.dashscope.task_list import list_tasks
from airflow_provider_videoretalk.ui.service_answer import NoAnswer
from airflow_provider_videoretalk.ui.shared_answers import SharedAnswers, Unanswered

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

T = TypeVar("T")

# No account has more render jobs.
_MOST_JOBS = 1_000_000

_QUESTIONS: SharedAnswers[Any] = SharedAnswers(seconds=3.0)


@dataclass(frozen=True, kw_only=True)
class QueueCounts:
    """How many render jobs of an account are queued and rendered, including jobs from outside Airflow."""

    queued: int
    rendering: int

    @property
    def rounds(self) -> float:
        """How many renders in sequence finish all jobs, if as many run in parallel as now."""
        return (self.queued + self.rendering) / max(self.rendering, 1)


async def fetch_job(conn_id: str, job_id: str) -> Task | NoAnswer:
    """The render job's state, or why it cannot be read from the service within some seconds."""
    answer: Task | NoAnswer | Unanswered = await _QUESTIONS.get(
        ("job", conn_id, job_id), lambda: _send(conn_id, get_task(job_id)), source=conn_id
    )
    return NoAnswer.from_silence(answer, conn_id=conn_id) if isinstance(answer, Unanswered) else answer


async def fetch_queue_counts(conn_id: str) -> QueueCounts | NoAnswer:
    """The length of an account's queue, or why the list of jobs cannot be read within some seconds."""
    answer: QueueCounts | NoAnswer | Unanswered = await _QUESTIONS.get(
        ("queue", conn_id), lambda: _query_queue_counts(conn_id), source=conn_id
    )
    return NoAnswer.from_silence(answer, conn_id=conn_id) if isinstance(answer, Unanswered) else answer


@cached(TTLCache(maxsize=16, ttl=60.0), lock=Lock())
def service_endpoint(conn_id: str) -> Endpoint | None:
    """The endpoint of a connection; ``None`` without a usable connection."""
    try:
        return _hook(conn_id).endpoint
    except Exception:
        return None


def _hook(conn_id: str) -> DashScopeHook:
    # Late: it loads Airflow's providers for HTTP.
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

    return DashScopeHook(conn_id)


def _query_queue_counts(conn_id: str) -> QueueCounts | NoAnswer:
    queued, rendering = _query_count(conn_id, "PENDING"), _query_count(conn_id, "RUNNING")
    if isinstance(queued, NoAnswer) or isinstance(rendering, NoAnswer):
        return queued if isinstance(queued, NoAnswer) else rendering  # type: ignore[return-value]
    return QueueCounts(queued=queued, rendering=rendering)


def _query_count(conn_id: str, status: TaskStatus) -> int | NoAnswer:
    since = datetime.now(timezone.utc) - timedelta(seconds=JOB_SECONDS)
    page = _send(conn_id, list_tasks(status=status, since=since, page_size=1))
    return page if isinstance(page, NoAnswer) else max(0, min(page.total, _MOST_JOBS))


def _send(conn_id: str, request: Request[T]) -> T | NoAnswer:
    """The service's answer. An error that it answers is one, too: it can be asked again at once.

    :raises Exception: it gives no answer, or this process has no usable connection to it
    """
    try:
        return _hook(conn_id).client.send(request)
    except DashScopeError as error:
        if error.status is None:
            raise
        return NoAnswer.from_error(error, conn_id=conn_id)
