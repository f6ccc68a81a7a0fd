"""Submits a task and waits for its end: what the operators of all asynchronous models share."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf

from airflow_provider_videoretalk.operators.base import DashScopeOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.dashscope.task import Submission, SubmissionResult, Task, TaskResult
    from airflow_provider_videoretalk.waiting.schedule import Patience

# Airflow's own limit on a deferral cancels nothing and says little: it stands behind the trigger's, for lost triggers.
_BACKSTOP = timedelta(minutes=10)


class DashScopeJobOperator(DashScopeOperator):
    """Submits a task and returns its result, a :class:`~airflow_provider_videoretalk.dashscope.task.TaskResult`.

    A subclass tells what to submit. The submit is sent once: a reply that is lost fails the task without a retry, since
    a task may have been created.

    :param wait_for_completion: ``False`` returns a ``SubmissionResult`` at once, for a
        :class:`~airflow_provider_videoretalk.sensors.dashscope.DashScopeTaskSensor` to wait for
    :param deferrable: wait on the triggerer rather than on a worker; Airflow's ``default_deferrable`` by default
    :param poll_interval: most seconds between two queries
    :param queue_timeout: how long the task may queue; then it is cancelled. The service itself gives up three hours
        after the submit
    :param render_timeout: how long the render may take; it can't be stopped, and bills when it succeeds
    :param dashscope_conn_id: the connection
    :param throttle_timeout: how long to go on submitting while the account is throttled
    :raises DashScopeError: see :mod:`airflow_provider_videoretalk.dashscope.errors`
    """

    def __init__(
        self,
        *,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 15.0,
        queue_timeout: timedelta = timedelta(hours=3),
        render_timeout: timedelta = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.queue_timeout = queue_timeout
        self.render_timeout = render_timeout
        self._waiting_for: str | None = None

    def submission(self) -> Request[Submission]:
        """The request to send, from the rendered fields.

        :raises InputError: a field the service would refuse
        """
        raise NotImplementedError

    def result(self, task: Task, *, request_id: str | None) -> TaskResult:
        """The operator's return value for a task that succeeded."""
        return task.result(request_id=request_id)

    def attempt(self, context: Context, *, refusals: int, since: float) -> TaskResult | SubmissionResult:
        submission = self.send(self.submission(), refusals=refusals, since=since)
        submitted_at = time.time()
        self.log.info("Submitted task %s (request_id %s)", submission.task_id, submission.request_id)
        context["ti"].xcom_push(key="dashscope_task_id", value=submission.task_id)
        if not self.wait_for_completion:
            return submission.result()
        if self.deferrable:
            self._defer(submission, submitted_at)
        return self.execute_complete(context, self._wait(submission, submitted_at))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> TaskResult:
        """Goes on once the wait has ended, here or on the triggerer."""
        from airflow_provider_videoretalk.dashscope.errors import QueueTimeoutError
        from airflow_provider_videoretalk.waiting.cancel import cancel
        from airflow_provider_videoretalk.waiting.event import task_of

        try:
            task = task_of(event)
        except QueueTimeoutError:
            self.log.warning(cancel(self.hook.client, event["dashscope_task_id"]))
            raise
        task.raise_for_status()
        result = self.result(task, request_id=event["request_id"])
        self.log.info(
            "Task %s succeeded: queued %s s, rendered %s s, billed %s s; its result lives until %s",
            result["task_id"],
            result["queue_seconds"],
            result["render_seconds"],
            result["billed_seconds"],
            result["expires_at"],
        )
        return result

    def on_kill(self) -> None:
        """Cancels the task that a worker was waiting for; see the trigger for one that was deferred."""
        if self._waiting_for is not None:
            from airflow_provider_videoretalk.waiting.cancel import cancel

            self.log.warning(cancel(self.hook.client, self._waiting_for))

    def _patience(self) -> Patience:
        from airflow_provider_videoretalk.waiting.schedule import Patience

        return Patience(
            poll_interval=self.poll_interval,
            queue_timeout=self.queue_timeout.total_seconds(),
            render_timeout=self.render_timeout.total_seconds(),
        )

    def _defer(self, submission: Submission, submitted_at: float) -> None:
        from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger

        self.defer(
            trigger=DashScopeTaskTrigger(
                dashscope_conn_id=self.dashscope_conn_id,
                dashscope_task_id=submission.task_id,
                submitted_at=submitted_at,
                request_id=submission.request_id,
                patience=asdict(self._patience()),
            ),
            method_name="execute_complete",
            timeout=self.queue_timeout + self.render_timeout + _BACKSTOP,
        )

    def _wait(self, submission: Submission, submitted_at: float) -> dict[str, Any]:
        """Waits on this worker; returns the event that the trigger would have fired."""
        from airflow_provider_videoretalk.dashscope.errors import DashScopeError
        from airflow_provider_videoretalk.waiting.event import event_of
        from airflow_provider_videoretalk.waiting.schedule import Schedule
        from airflow_provider_videoretalk.waiting.watcher import Narrator, watch

        task_id = submission.task_id
        schedule = Schedule(task_id=task_id, patience=self._patience(), submitted_at=submitted_at)
        outcome: Task | DashScopeError
        self._waiting_for = task_id
        try:
            outcome = watch(self.hook.client, task_id, schedule, news=Narrator(self.log))
        except DashScopeError as error:
            outcome = error
        self._waiting_for = None
        return event_of(outcome, task_id=task_id, request_id=submission.request_id)
