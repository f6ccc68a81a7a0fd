"""Waits for a render job: on the triggerer by a deferral, or on this worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.airflow_adapters.task_instance_state import FINAL_STATES, state_of
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.polling.blocking_wait import FIRST_QUERY_SECONDS, query_once, wait_for_job
from airflow_provider_videoretalk.polling.job_end import has_ended
from airflow_provider_videoretalk.polling.progress_log import ProgressLog
from airflow_provider_videoretalk.polling.schedule import Schedule
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob, event_of
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger
from airflow_provider_videoretalk.triggers.single_event import SHORTEST_DEFERRAL

if TYPE_CHECKING:
    from typing import TypeAlias

    from airflow_provider_videoretalk.dashscope.client import Client
    from airflow_provider_videoretalk.dashscope.task import Task, TaskResult
    from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
    from airflow_provider_videoretalk.polling.progress_log import Log
    from airflow_provider_videoretalk.submission.cancel import Cancellation

    Cancel: TypeAlias = Callable[..., Cancellation]

# Airflow's own limit on a deferral cancels no job and gives no reason. It applies only if the trigger is lost.
LOST_TRIGGER_MARGIN = timedelta(minutes=10)

SETTLE_SECONDS = 6.0
"""Seconds after a limit to cancel a job or to learn how it stands. A retry continues what could not be done in them."""

SETTLE_QUERY_SECONDS = 1.5

# Airflow kills a worker's process about five seconds after it asked the process to end.
_STATE_SECONDS = 2.0
_KILL_SECONDS = 2.5


def trigger_of(awaited: AwaitedJob, poll_policy: PollPolicy, *, connection: str) -> DashScopeTaskTrigger:
    """The trigger that waits for a render job."""
    return DashScopeTaskTrigger(
        dashscope_conn_id=connection,
        dashscope_task_id=awaited.task_id,
        submitted_at=awaited.submitted_at,
        request_id=awaited.request_id,
        poll_policy=asdict(poll_policy),
        expected_seconds=awaited.expected_seconds,
        cost_estimate=awaited.cost_estimate,
    )


def event_if_ended(
    client: Client, awaited: AwaitedJob, *, clock: Callable[[], float] = time.time
) -> dict[str, Any] | None:
    """The event that a trigger would fire at once, for a job that has ended; ``None`` for any other job.

    A job that was submitted a moment ago is not queried. An error of the query is left to the wait, which repeats it.

    :param clock: seconds since the epoch
    """
    if clock() - awaited.submitted_at < SHORTEST_DEFERRAL:
        return None
    task = query_once(client, awaited.task_id, seconds=FIRST_QUERY_SECONDS)
    if task is None or not has_ended(task, submitted_at=awaited.submitted_at, now=clock()):
        return None
    return event_of(task, awaited)


@dataclass(frozen=True, kw_only=True)
class LastKnown:
    """What is learned of a job whose limit has passed.

    :param event: the event of its end; ``None`` if it has not ended, as far as is known
    :param cancelled: whether it was queued, and is cancelled now
    :param renders: whether its render has begun, or its result does not appear yet
    :param sentence: the outcome of the cancel
    """

    event: dict[str, Any] | None
    cancelled: bool
    renders: bool
    sentence: str


def settle(client: Client, awaited: AwaitedJob, *, cancel: Cancel, clock: Callable[[], float] = time.time) -> LastKnown:
    """Cancels a job whose limit has passed, if it still queues, and else queries it once more.

    It takes :data:`SETTLE_SECONDS` at most, also if the service does not answer.

    :param cancel: cancels the job; see :class:`WorkerWait`
    """
    cancellation = cancel(awaited, seconds=SETTLE_SECONDS - SETTLE_QUERY_SECONDS)
    task = None if cancellation.done else query_once(client, awaited.task_id, seconds=SETTLE_QUERY_SECONDS)
    ended = task is not None and has_ended(task, submitted_at=awaited.submitted_at, now=clock())
    if task is None or task.status == "UNKNOWN":
        renders = cancellation.begun
    else:
        renders = task.status in ("RUNNING", "SUCCEEDED")
    return LastKnown(
        event=event_of(task, awaited) if ended and task else None,
        cancelled=cancellation.done,
        renders=renders,
        sentence=cancellation.sentence,
    )


@dataclass(frozen=True, kw_only=True)
class WorkerWait:
    """A wait that holds this worker.

    :param awaited: the render job
    :param task_instance: Airflow's, whose state says whether another try will follow
    :param has_record: whether another try would find the job by its record
    :param cancel: cancels the job if it still queues, within ``seconds``; its other keyword arguments are those of
        :func:`~airflow_provider_videoretalk.submission.cancel.cancel`
    """

    client: Client
    awaited: AwaitedJob
    poll_policy: PollPolicy
    task_instance: Any
    has_record: bool
    cancel: Cancel
    log: Log

    def run(self) -> dict[str, Any]:
        """Blocks until the job has ended or its limits are reached; returns the event that a trigger would fire."""
        schedule = Schedule(
            task_id=self.awaited.task_id,
            poll_policy=self.poll_policy,
            submitted_at=self.awaited.submitted_at,
            waiting_since=time.time(),
        )
        outcome: Task | DashScopeError
        try:
            outcome = wait_for_job(self.client, schedule, on_progress=ProgressLog(self.log))
        except DashScopeError as error:
            outcome = error
        return event_of(outcome, self.awaited)

    def on_kill(self) -> None:
        """Cancels the job, unless another try of the task instance will resume it."""
        if self.has_record and _state_within(self.task_instance, seconds=_STATE_SECONDS) not in FINAL_STATES:
            self.log.info("Render job %s is not cancelled: another try will resume it", self.awaited.task_id)
            return
        # Airflow gives a process a few seconds to end, which is enough for one attempt.
        self.cancel(self.awaited, pauses=(), seconds=_KILL_SECONDS)


def log_success(log: Log, result: TaskResult) -> None:
    """Logs how long the job queued and rendered, and what it billed."""
    log.info(
        "Render job %s succeeded: queued %s s, rendered %s s, billed %s s. Its result expires at %s",
        result["task_id"],
        result["queue_seconds"],
        result["render_seconds"],
        result["billed_seconds"],
        result["expires_at"],
    )


def _state_within(task_instance: Any, *, seconds: float) -> str | None:
    """The task instance's state; ``None`` if Airflow does not answer in time.

    Runs in a thread of its own. A signal may have interrupted a call to the supervisor, whose lock a second call from
    the same thread would never get.
    """
    states: list[str | None] = []
    query = threading.Thread(target=lambda: states.append(state_of(task_instance)), daemon=True)
    query.start()
    query.join(seconds)
    return states[0] if states else None
