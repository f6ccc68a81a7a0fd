"""Decides whether a submit is sent now, or is held back because its render job would not end in time.

The service renders the jobs of an account one after another, and drops a job that has no result three hours after its
submit. A job that cannot end within that time would only block the queue.

Workers and triggerers decide by the same rule (:func:`expected_start`). A worker admits only to the first half of the
time, and only while no submit is held back. The :class:`~.admission_queue.AdmissionQueue` of a triggerer admits to the
rest, in order. So workers that decide at the same moment do not fill the queue beyond its limit.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS
from airflow_provider_videoretalk.dashscope.task_list import TaskPage, list_tasks
from airflow_provider_videoretalk.model_catalog.catalog import find_model
from airflow_provider_videoretalk.polling.render_times import RenderTimes
from airflow_provider_videoretalk.submission.admitting_triggerers import AdmittingTriggerers
from airflow_provider_videoretalk.submission.record import Intent
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.client import Client

# Renders vary. A job is submitted if it is expected to end within nine tenths of the time.
_SAFE_SHARE = 0.9

# The share of that time to which a worker admits.
_WORKER_SHARE = 0.5

ADMISSION_SECONDS = 600.0
"""How long a triggerer's admission is valid. A worker that begins later decides again."""

SHORT_QUEUE = 3
"""A queue of this length never holds a submit back: it ends within three hours, however long its renders take."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The jobs of an account.

    :param ahead: jobs that queue or render
    :param parallel: how many of them render at the same time
    :param typical_render: seconds that one of the last renders took; ``None`` if unknown
    """

    ahead: int
    parallel: int = 1
    typical_render: float | None = None

    @property
    def is_short(self) -> bool:
        return self.ahead <= SHORT_QUEUE


@dataclass(frozen=True, kw_only=True)
class JobToSubmit:
    """What the decision has to know of a job.

    :param model: the model's name
    :param limit: seconds after a submit within which its render must begin. The job must also end within three hours
    :param expected_seconds: of output; ``None`` if unknown
    """

    model: str
    limit: float
    expected_seconds: float | None = None


class HeldBackError(Exception):
    """A submit is held back.

    :param job: for a triggerer to admit
    :param expected_start: when its render is expected to begin at the earliest, in seconds since the epoch; ``None`` if
        that is not known
    """

    def __init__(self, message: str, *, job: JobToSubmit, expected_start: float | None) -> None:
        super().__init__(message)
        self.job = job
        self.expected_start = expected_start


@dataclass(frozen=True, kw_only=True)
class ExpectedStart:
    """When the render of a job would begin, in seconds from now.

    :param seconds: the expected time
    :param limit: the latest time with which the job ends in time
    :param typical_render: seconds that one render takes
    """

    seconds: float
    limit: float
    typical_render: float


def queue_requests(model: str) -> Generator[Request[TaskPage], TaskPage, Queue]:
    """Yields the requests that tell the account's queue, and returns it. The driver sends the replies.

    No more than two requests are needed while the queue is short, and three otherwise.
    """
    # Without a time: its zone is not verified, and no job queues or renders for longer than three hours.
    rendering = (yield list_tasks(model=model, status="RUNNING", page_size=1)).total
    waiting = (yield list_tasks(model=model, status="PENDING", page_size=1)).total
    queue = Queue(ahead=rendering + waiting, parallel=rendering)
    if queue.is_short:
        return queue
    ended = yield list_tasks(model=model, status="SUCCEEDED")
    times = RenderTimes()
    for row in ended.rows:
        times.note(row.render_seconds or 0.0, output_seconds=None)
    return Queue(ahead=queue.ahead, parallel=queue.parallel, typical_render=times.expected())


def expected_start(
    job: JobToSubmit, queue: Queue, *, ahead: int, render_times: RenderTimes | None = None
) -> ExpectedStart | None:
    """When the render of a job that is submitted now would begin; ``None`` if the duration of renders is unknown.

    :param ahead: jobs before it, those included that are not in the service's queue yet
    :param render_times: what this process has learned of the account's renders
    """
    own = own_render(job, queue, render_times)
    if own is None:
        return None
    typical = queue.typical_render or (render_times.expected() if render_times else None) or own
    # A job that takes longer than the limit by itself does not end in time later either.
    limit = max(min(job.limit, JOB_SECONDS - own) * _SAFE_SHARE, 0.0)
    return ExpectedStart(seconds=ahead * typical / max(queue.parallel, 1), limit=limit, typical_render=typical)


def own_render(job: JobToSubmit, queue: Queue, render_times: RenderTimes | None) -> float | None:
    """How long the render of a job is expected to take; ``None`` if unknown.

    By what was learned for each second of output, else by the catalog's factor, else as the last renders.
    """
    if job.expected_seconds is not None:
        learned = render_times.expected(job.expected_seconds) if render_times else None
        if learned is not None:
            return learned
        model = find_model(job.model)
        if model is not None:
            return job.expected_seconds * model.render_factor
    return queue.typical_render or (render_times.expected() if render_times else None)


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Decides on a worker, by the account's queue and by the duration of its last renders.

    :param registry: the last submits of this Airflow, which count if the endpoint has no list
    :param triggerers: those that hold submits of the account back
    :param limit: see :class:`JobToSubmit`
    """

    client: Client
    registry: SubmissionRegistry
    triggerers: AdmittingTriggerers
    limit: float

    def check(self, intent: Intent, *, now: float) -> None:
        """Returns if the submit may be sent. Lists keys in Airflow, twice at most. Without a list of the service's, it
        also reads the three newest records.

        :raises HeldBackError: its job would not end in time, or others have to be admitted before it
        """
        job = JobToSubmit(model=intent.model, limit=self.limit, expected_seconds=intent.expected_seconds)
        queue, is_exact = self._queue(intent, now)
        if queue.is_short:
            return
        start = expected_start(job, queue, ahead=queue.ahead)
        if start is None and is_exact:
            return
        has_time = start is not None and start.seconds <= _WORKER_SHARE * start.limit
        if has_time and not self.triggerers.others(now):
            return
        raise HeldBackError(
            held_back_sentence(queue, start, now=now),
            job=job,
            expected_start=None if start is None else now + start.seconds,
        )

    def _queue(self, intent: Intent, now: float) -> tuple[Queue, bool]:
        """The queue by the service's list, or at most what this Airflow submitted; and whether it is by the list."""
        requests = queue_requests(intent.model)
        try:
            request = next(requests)
            while True:
                request = requests.send(self.client.send(request))
        except StopIteration as end:
            queue: Queue = end.value
            return queue, True
        except DashScopeError:
            ahead = self.registry.queued_at_most(intent.account, since=now - JOB_SECONDS, reads=SHORT_QUEUE)
            return Queue(ahead=ahead), False


def held_back_sentence(queue: Queue, start: ExpectedStart | None, *, now: float, held: int | None = None) -> str:
    """Why a submit is held back.

    :param held: submits that are held back before it; ``None`` if that is not known
    """
    others = "" if held is None else f" and {held} submits are held back before this one"
    if start is None:
        return f"{queue.ahead} render jobs may be in the account's queue{others}"
    begin = datetime.fromtimestamp(now + start.seconds, tz=timezone.utc)
    return (
        f"{queue.ahead} render jobs are in the account's queue{others}, at about {start.typical_render:.0f} s each. "
        f"Expected to begin: {begin:%H:%M} UTC, or later"
    )
