"""Waits on the triggerer for a render job to end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

from airflow_provider_videoretalk.airflow_adapters.job_history_writer import note_cancelled
from airflow_provider_videoretalk.airflow_adapters.job_metrics import job_tags, record_spend
from airflow_provider_videoretalk.airflow_adapters.metric_buffer import BUFFER
from airflow_provider_videoretalk.airflow_adapters.task_instance_state import FINAL_STATES, state_of
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.polling.poll_policy import MAX_SECONDS, PollPolicy
from airflow_provider_videoretalk.polling.progress_log import ProgressLog
from airflow_provider_videoretalk.polling.schedule import Schedule
from airflow_provider_videoretalk.polling.stored_json import read_dataclass
from airflow_provider_videoretalk.polling.time_limits import LAST_QUERY_SECONDS
from airflow_provider_videoretalk.polling.trigger_event import VERSION, AwaitedJob, check_version, event_of
from airflow_provider_videoretalk.submission.cancel import cancel_async
from airflow_provider_videoretalk.submission.fault_points import fault_point
from airflow_provider_videoretalk.triggers.client import client_of, prepare, task_instance_of
from airflow_provider_videoretalk.triggers.single_event import SingleEventTrigger

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
    from airflow_provider_videoretalk.dashscope.task import Task
    from airflow_provider_videoretalk.submission.cancel import Cancellation

# Airflow cancels on_kill after about a second. Tasks in this set are shielded from that and run to their end.
_RUNNING_CANCELS: set[asyncio.Task[None]] = set()


class DashScopeTaskTrigger(SingleEventTrigger):
    """Fires once: when a render job has ended, when a limit is reached, or when further queries cannot help.

    All triggers on an event loop that use the same account share one poller. Airflow stores the arguments in its
    database; they name a connection and a job, and none of them is secret. Arguments that this release does not know
    are ignored. :func:`airflow_provider_videoretalk.polling.trigger_event.task_of` reads the event's payload.

    :param dashscope_conn_id: The Airflow connection of type ``dashscope``.
    :param dashscope_task_id: The service's id of the job. Airflow itself sets a trigger's ``task_id``.
    :param submitted_at: When the job was submitted, in seconds since the epoch; 0 if unknown.
    :param request_id: Request id of the submit, passed on to the event.
    :param cancel_on_kill: Whether to cancel the job, if it still queues, when a person ends the task instance.
    :param poll_policy: The fields of :class:`~airflow_provider_videoretalk.polling.poll_policy.PollPolicy`.
    :param expected_seconds: Expected seconds of output; None if unknown.
    :param cost_estimate: JSON-safe values, passed on to the event.
    :param version: The version of these arguments. If it is not 1, the event has a
        :class:`~airflow_provider_videoretalk.dashscope.errors.StateReadError`, which fails the task.
    """

    def __init__(
        self,
        *,
        dashscope_conn_id: str,
        dashscope_task_id: str,
        submitted_at: float = 0.0,
        request_id: str | None = None,
        poll_policy: dict[str, Any] | None = None,
        cancel_on_kill: bool = True,
        expected_seconds: float | None = None,
        cost_estimate: Mapping[str, Any] | None = None,
        version: int = VERSION,
        **_: Any,
    ) -> None:
        # Reads nothing: most exceptions here would end the triggerer's loop. wait() reads and checks the arguments.
        super().__init__()
        self.dashscope_conn_id = dashscope_conn_id
        self.dashscope_task_id = dashscope_task_id
        self.submitted_at = submitted_at
        self.request_id = request_id
        self.poll_policy = {} if poll_policy is None else poll_policy
        self.cancel_on_kill = cancel_on_kill
        self.expected_seconds = expected_seconds
        self.cost_estimate = {} if cost_estimate is None else cost_estimate
        self.version = version

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {
            "version": self.version,
            "dashscope_conn_id": self.dashscope_conn_id,
            "dashscope_task_id": self.dashscope_task_id,
            "submitted_at": self.submitted_at,
            "request_id": self.request_id,
            "poll_policy": self.poll_policy,
            "cancel_on_kill": self.cancel_on_kill,
        }
        if self.expected_seconds is not None:
            arguments["expected_seconds"] = self.expected_seconds
        if self.cost_estimate:
            arguments["cost_estimate"] = self.cost_estimate
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def wait(self) -> dict[str, Any]:
        await prepare()
        fault_point("in_trigger")
        awaited = AwaitedJob(task_id=str(self.dashscope_task_id))
        outcome: Task | DashScopeError
        try:
            awaited, poll_policy = self.read_arguments()
            outcome = await self._wait_for_job(awaited, poll_policy)
        except DashScopeError as error:
            outcome = error
        return event_of(outcome, awaited)

    async def on_kill(self) -> None:
        """Cancels the job if it still queues, unless another try of the task instance will resume it."""
        if not self.cancel_on_kill:
            return
        cancel = asyncio.create_task(self._cancel())
        _RUNNING_CANCELS.add(cancel)
        cancel.add_done_callback(_RUNNING_CANCELS.discard)
        await asyncio.shield(cancel)

    def read_arguments(self) -> tuple[AwaitedJob, PollPolicy]:
        """The job to wait for, and how, from the stored arguments.

        :raises StateReadError: another release wrote them, or they are damaged
        """
        check_version(self.version)
        job = {
            "task_id": self.dashscope_task_id,
            "request_id": self.request_id,
            "submitted_at": self.submitted_at,
            "expected_seconds": self.expected_seconds,
            "cost_estimate": self.cost_estimate,
        }
        return (
            read_dataclass(AwaitedJob, job, name="trigger's job"),
            read_dataclass(PollPolicy, self.poll_policy, name="trigger's poll_policy"),
        )

    async def _wait_for_job(self, awaited: AwaitedJob, poll_policy: PollPolicy) -> Task:
        # They load aiohttp.
        from airflow_provider_videoretalk.polling.account import shared_poller
        from airflow_provider_videoretalk.submission.admission_queue import job_of_account

        endpoint = await self._endpoint(awaited, poll_policy)
        async with shared_poller(endpoint) as poller:
            tags = job_tags(connection_id=self.dashscope_conn_id)
            with (
                job_of_account(endpoint, task_instance=task_instance_of(self)),
                BUFFER.one_more("waiting", tags=tags),
            ):
                return await poller.wait(
                    task_id=awaited.task_id,
                    submitted_at=awaited.submitted_at,
                    poll_policy=poll_policy,
                    on_progress=ProgressLog(self.log),
                    expected_seconds=awaited.expected_seconds,
                )

    async def _endpoint(self, awaited: AwaitedJob, poll_policy: PollPolicy) -> Endpoint:
        """That of the connection. One that cannot be read is read again, but not beyond the limit of the wait."""
        limits = Schedule(task_id=awaited.task_id, poll_policy=poll_policy, submitted_at=awaited.submitted_at)
        left = min(max(0.0, limits.limit - time.time()), MAX_SECONDS)
        try:
            reading = client_of(self.dashscope_conn_id, log=self.log)
            return (await asyncio.wait_for(reading, timeout=left + LAST_QUERY_SECONDS)).endpoint
        except asyncio.TimeoutError:
            limits.check(now=time.time() + LAST_QUERY_SECONDS)
            raise

    async def _cancel(self) -> None:
        state = await self._task_instance_state()
        if state not in FINAL_STATES:
            # Airflow also kills a trigger that moved to another triggerer, or whose task was cleared.
            self.log.info(
                "Render job %s is not cancelled: the state of the task instance is %s", self.dashscope_task_id, state
            )
            return
        async with await client_of(self.dashscope_conn_id, log=self.log) as client:
            cancellation = await cancel_async(client, self.dashscope_task_id, expected_seconds=self.expected_seconds)
        if cancellation.needless:
            # A triggerer that stood still did not see the end, for which another one has resumed the task.
            self.log.info("%s There was nothing to cancel.", cancellation.sentence)
        else:
            # On a thread: the first metric of a process would block the event loop.
            await asyncio.to_thread(self._record_cancel, cancellation)
        if cancellation.done:
            await sync_to_async(note_cancelled)(self.dashscope_task_id)

    def _record_cancel(self, cancellation: Cancellation) -> None:
        tags = job_tags(connection_id=self.dashscope_conn_id)
        record_spend(self.log, "cancel", self.dashscope_task_id, cancellation.sentence, tags=tags)
        if cancellation.done:
            record_spend(self.log, "cancelled", self.dashscope_task_id, "It is not billed.", tags=tags)

    async def _task_instance_state(self) -> str | None:
        return await sync_to_async(state_of)(self.task_instance) if self.task_instance else None
