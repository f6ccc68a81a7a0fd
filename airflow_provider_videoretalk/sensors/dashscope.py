"""Waits for a DashScope task that something else submitted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_videoretalk.links import WatchLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.task import SubmissionResult, Task, TaskResult
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

# Airflow's own limit on a deferral stands behind the trigger's deadline, for triggers that are lost.
_BACKSTOP_SECONDS = 600.0


class DashScopeTaskSensor(BaseSensorOperator):
    """Waits for a task of any asynchronous DashScope model and returns its result, a
    :class:`~airflow_provider_videoretalk.dashscope.task.TaskResult`.

    Poke, reschedule and deferrable modes give the same result and raise the same errors. A query that fails for a
    passing reason (throttled, server error, network) is asked again. ``timeout`` is the sensor's alone: it cancels
    nothing, and raises ``AirflowSensorTimeout``, the one error that ``soft_fail`` turns into a skip. A task that failed
    is a failure, with ``soft_fail`` too; ``never_fail`` skips on every error. ``silent_fail`` is for poking.

    :param dashscope_task_id: DashScope's id of the task (``task_id`` is Airflow's), or what an operator with
        ``wait_for_completion=False`` returned (templated)
    :param dashscope_conn_id: the connection (templated)
    :param cancel_on_kill: whether to cancel the DashScope task, if it still queues, when somebody ends the deferred
        sensor by hand: for a sensor that is the only one to wait for it
    :param deferrable: wait on the triggerer; Airflow's ``default_deferrable`` by default
    :raises TaskFailedError: the task ended FAILED or CANCELED
    :raises TaskUnknownError: the service knows no such task
    :raises DashScopeError: asking again can't help
    """

    template_fields: Sequence[str] = ("dashscope_task_id", "dashscope_conn_id")
    operator_extra_links = (WatchLink(),)

    def __init__(
        self,
        *,
        dashscope_task_id: str | SubmissionResult,
        dashscope_conn_id: str = "dashscope_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        cancel_on_kill: bool = False,
        poke_interval: timedelta | float = 15.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.dashscope_task_id = dashscope_task_id
        self.dashscope_conn_id = dashscope_conn_id
        self.deferrable = deferrable
        self.cancel_on_kill = cancel_on_kill

    @cached_property
    def hook(self) -> DashScopeHook:
        from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

        return DashScopeHook(self.dashscope_conn_id)

    def poke(self, context: Context) -> PokeReturnValue:
        from airflow_provider_videoretalk.dashscope.errors import DashScopeError
        from airflow_provider_videoretalk.dashscope.task import get_task
        from airflow_provider_videoretalk.waiting.visibility import is_perhaps_invisible

        try:
            task = self.hook.client.send(get_task(self._submission()["task_id"]))
        except DashScopeError as error:
            if not error.retryable:
                raise
            self.log.warning("The query failed, the task is asked for again: %s", error)
            return PokeReturnValue(is_done=False)
        self.log.info("Task %s is %s", task.task_id, task.stage)
        submitted = _moment(self._submission()["submitted_at"])
        ended = task.ended and not is_perhaps_invisible(task, submitted_at=submitted, now=time.time())
        return PokeReturnValue(is_done=ended, xcom_value=self._result(task) if ended else None)

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        with self._skip_if_never_fail():
            found = self.poke(context)
        if not found:
            self._defer()
        return found.xcom_value

    def _defer(self) -> NoReturn:
        from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger
        from airflow_provider_videoretalk.waiting.patience import Patience

        submission = self._submission()
        submitted = _moment(submission["submitted_at"])
        # The sensor can't cancel: it tells how the service itself ends what queues too long.
        patience = Patience(poll_interval=self.poke_interval, deadline=time.time() + self.timeout, service_limit=None)
        self.defer(
            trigger=DashScopeTaskTrigger(
                dashscope_conn_id=self.dashscope_conn_id,
                dashscope_task_id=submission["task_id"],
                submitted_at=submitted,
                request_id=submission["request_id"],
                patience=asdict(patience),
                cancel_on_kill=self.cancel_on_kill,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + _BACKSTOP_SECONDS),
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> TaskResult:
        """Goes on once the trigger's wait has ended."""
        from airflow.providers.common.compat.sdk import AirflowSensorTimeout

        from airflow_provider_videoretalk.dashscope.errors import TaskTimeoutError
        from airflow_provider_videoretalk.waiting.event import task_of

        with self._skip_if_never_fail():
            try:
                return self._result(task_of(event))
            except TaskTimeoutError as error:
                raise AirflowSensorTimeout(str(error)) from error

    @contextmanager
    def _skip_if_never_fail(self) -> Iterator[None]:
        """What Airflow does around ``poke``; around a deferral it sees its own exceptions only."""
        from airflow.providers.common.compat.sdk import AirflowSkipException

        from airflow_provider_videoretalk.dashscope.errors import DashScopeError

        try:
            yield
        except DashScopeError as error:
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise

    def _result(self, task: Task) -> TaskResult:
        from airflow_provider_videoretalk.media.quote import with_cost

        task.raise_for_status()
        return with_cost(task.result(request_id=self._submission()["request_id"]), self._quote())

    def _quote(self) -> Mapping[str, Any]:
        """What the submission, if it is one, tells of the task's cost."""
        return self.dashscope_task_id if isinstance(self.dashscope_task_id, Mapping) else {}

    def _submission(self) -> SubmissionResult:
        """The task to wait for.

        :raises InputError: there is no task id
        """
        from airflow_provider_videoretalk.dashscope.errors import InputError

        given: Any = self.dashscope_task_id
        told = given if isinstance(given, Mapping) else {"task_id": given}
        task_id, request_id = told.get("task_id"), told.get("request_id")
        # A mapping that went through a Jinja template comes as its text.
        if not isinstance(task_id, str) or not task_id.strip() or task_id.startswith("{"):
            raise InputError(
                f"dashscope_task_id is {given!r}, allowed is a task's id or a submission",
                remedy="Pass the output of an operator with wait_for_completion=False, or its id.",
            )
        return {
            "task_id": task_id.strip(),
            "request_id": request_id,
            "status": "PENDING",
            "submitted_at": told.get("submitted_at"),
        }


def _moment(submitted_at: str | None) -> float:
    """In seconds since the epoch; 0 where it is not known."""
    return datetime.fromisoformat(submitted_at).timestamp() if submitted_at else 0.0
