"""Waits for a submitted render job within the limits of an operator, and settles what becomes of it after a limit."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, cast

from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_videoretalk.airflow_adapters.job_history_writer import note_cancelled
from airflow_provider_videoretalk.airflow_adapters.job_metrics import job_tags, record_spend
from airflow_provider_videoretalk.airflow_adapters.tracing import step_span
from airflow_provider_videoretalk.dashscope.errors import QueueTimeoutError, TaskTimeoutError
from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS
from airflow_provider_videoretalk.operators import job_wait
from airflow_provider_videoretalk.operators.base import DashScopeOperator
from airflow_provider_videoretalk.operators.job_submission import open_ledger, record_store_of
from airflow_provider_videoretalk.operators.job_wait import LOST_TRIGGER_MARGIN, WorkerWait, settle, trigger_of
from airflow_provider_videoretalk.polling.blocking_wait import BoundedClient
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.submission.cancel import cancel

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.airflow_adapters.metrics import Tags
    from airflow_provider_videoretalk.dashscope.client import Client
    from airflow_provider_videoretalk.dashscope.task import TaskResult
    from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob
    from airflow_provider_videoretalk.submission.cancel import Cancellation
    from airflow_provider_videoretalk.submission.spend_event import SpendEvent

# Seconds before each further attempt to cancel. They leave time to confirm it within SETTLE_SECONDS.
_CANCEL_PAUSES = (0.5, 1.0, 2.0)


class JobWaitOperator(DashScopeOperator):
    """The waiting half of :class:`~airflow_provider_videoretalk.operators.job.DashScopeJobOperator`, which sets the
    attributes.
    """

    model: str
    deferrable: bool
    durable: bool
    queue_timeout: float
    render_timeout: float
    _worker_wait: WorkerWait | None = None

    def execute_complete(self, context: Context, event: dict[str, Any]) -> TaskResult:
        """Returns the result, or raises the error, of the wait that ``event`` describes."""
        raise NotImplementedError

    def _await(self, context: Context, awaited: AwaitedJob, *, begun_by: float | None = None) -> TaskResult:
        """
        :param begun_by: when the render is known to have begun, in seconds since the epoch; then the queue has no limit
        """
        poll_policy = self._poll_policy(context, begun_by=begun_by)
        if self.deferrable:
            ended = job_wait.event_if_ended(self.hook.client, awaited)
            return self.execute_complete(context, ended) if ended else self._defer(awaited, poll_policy)
        self._worker_wait = WorkerWait(
            client=self.hook.client,
            awaited=awaited,
            poll_policy=poll_policy,
            task_instance=context["ti"],
            has_record=record_store_of(context, durable=self.durable) is not None,
            cancel=self._cancel,
            log=self.log,
        )
        timed_out: AirflowTaskTimeout | None = None
        try:
            with step_span("wait", job_id=awaited.task_id):
                event = self._worker_wait.run()
        except AirflowTaskTimeout as error:
            timed_out = error
        finally:
            # Airflow calls on_kill after execution_timeout too, when the wait is over.
            self._worker_wait = None
        if timed_out is not None:
            return self._after_limit(context, awaited, timed_out)
        return self.execute_complete(context, event)

    def _defer(self, awaited: AwaitedJob, poll_policy: PollPolicy) -> NoReturn:
        self.defer(
            trigger=trigger_of(awaited, poll_policy, connection=self.dashscope_conn_id),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.queue_timeout + self.render_timeout) + LOST_TRIGGER_MARGIN,
        )

    def _poll_policy(self, context: Context, *, begun_by: float | None = None) -> PollPolicy:
        return PollPolicy(
            deadline=self._deadline(context),
            poll_interval=self.account_settings.poll_interval,
            max_poll_interval=self.account_settings.max_poll_interval,
            queue_timeout=self.queue_timeout if begun_by is None else None,
            service_limit=JOB_SECONDS if begun_by is None else None,
            render_timeout=self.render_timeout,
            begun_by=begun_by,
        )

    def _deadline(self, context: Context) -> float | None:
        """The end of ``execution_timeout`` for a deferrable task, which Airflow enforces on workers only."""
        started = getattr(context["ti"], "start_date", None)
        if self.execution_timeout is None or started is None or not self.deferrable:
            return None
        return float((started + self.execution_timeout).timestamp())

    def _after_limit(
        self, context: Context, awaited: AwaitedJob, error: TaskTimeoutError | AirflowTaskTimeout
    ) -> TaskResult:
        """What is learned last decides. A result is used, a render that has begun is waited for within its own limit,
        and a queued job is cancelled.

        :raises TaskTimeoutError: ``error``, with the outcome of the cancel
        :raises AirflowTaskTimeout: ``error``
        """
        last = settle(self.hook.client, awaited, cancel=self._cancel)
        if last.event is not None:
            return self.execute_complete(context, last.event)
        if last.cancelled:
            open_ledger(context, durable=self.durable, log=self.log).record_end(awaited.task_id)
        elif last.renders and isinstance(error, QueueTimeoutError):
            return self._await(context, awaited, begun_by=time.time())
        if isinstance(error, TaskTimeoutError):
            error.remedy = f"{last.sentence} {error.remedy}".strip()
        raise error

    def on_kill(self) -> None:
        """Cancels the job that this worker waits for, unless another try will resume it.

        For a deferred task, :meth:`DashScopeTaskTrigger.on_kill` does this.
        """
        if self._worker_wait is not None:
            self._worker_wait.on_kill()

    def _cancel(self, awaited: AwaitedJob, *, seconds: float, **options: Any) -> Cancellation:
        client = BoundedClient(self.hook.client, seconds=seconds)
        cancellation = cancel(
            cast("Client", client),
            awaited.task_id,
            expected_seconds=awaited.expected_seconds,
            sleep=client.sleep,
            **{"pauses": _CANCEL_PAUSES} | options,
        )
        if cancellation.needless:
            self.log.info("%s There was nothing to cancel.", cancellation.sentence)
        else:
            self.record_spend("cancel", awaited.task_id, cancellation.sentence)
        if cancellation.done:
            self.record_spend("cancelled", awaited.task_id, "It is not billed.")
            note_cancelled(awaited.task_id)
        return cancellation

    def record_spend(self, event: SpendEvent, task_id: str, reason: str) -> None:
        """Counts and logs an event that spends, saves or loses money."""
        record_spend(self.log, event, task_id, reason, tags=self.metric_tags)

    @property
    def metric_tags(self) -> Tags:
        """The tags of this operator's render job in Airflow's metrics."""
        return job_tags(connection_id=self.dashscope_conn_id, model=str(self.model))
