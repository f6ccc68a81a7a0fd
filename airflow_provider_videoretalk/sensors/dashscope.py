"""Waits for a render job that another task or another system submitted."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException, conf
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_videoretalk.airflow_adapters import job_metrics
from airflow_provider_videoretalk.airflow_adapters.error_note import error_noted, notes_error
from airflow_provider_videoretalk.airflow_adapters.job_history_writer import note_end
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError, TaskTimeoutError
from airflow_provider_videoretalk.dashscope.reply_values import number
from airflow_provider_videoretalk.dashscope.task import MAX_BILLED_SECONDS
from airflow_provider_videoretalk.dashscope.task_output import OnFailedSubtask, check_on_failed_subtask
from airflow_provider_videoretalk.inputs.priced_result import with_cost
from airflow_provider_videoretalk.links import WatchLink
from airflow_provider_videoretalk.polling.blocking_wait import FIRST_QUERY_SECONDS, query_once
from airflow_provider_videoretalk.polling.job_end import has_ended, raise_for_end
from airflow_provider_videoretalk.polling.poll_policy import MAX_SECONDS, PollPolicy
from airflow_provider_videoretalk.polling.schedule import Schedule
from airflow_provider_videoretalk.polling.trigger_event import task_of
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.task import SubmissionResult, Task, TaskResult
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

# Airflow's own limit on a deferral. It applies only if the trigger is lost: the trigger's deadline comes first.
_LOST_TRIGGER_SECONDS = 600.0

# Between two queries of one poke, also if poke_interval is 0.
_SHORTEST_PAUSE = 0.1


class DashScopeTaskSensor(BaseSensorOperator):
    """Waits for a render job of any asynchronous DashScope model and returns its result, a
    :class:`~airflow_provider_videoretalk.dashscope.task.WholeTaskResult`.

    The modes ``poke``, ``reschedule`` and deferrable give the same result and raise the same errors:

    - A query that fails is repeated. If all queries are refused (400, 401, 403, 404) or answered with UNKNOWN for ten
      minutes, the sensor fails. ``reschedule`` stays on its worker meanwhile.
    - ``timeout`` holds also if the service does not answer, and after it the job is queried once more. It cancels no
      job. It raises ``AirflowSensorTimeout``, the only error that ``soft_fail`` turns into a
      skip.
    - A failed job fails the sensor, also with ``soft_fail``. ``never_fail`` skips on every error.
    - ``silent_fail`` applies to ``poke`` only.

    ``poke_interval`` is the sensor's own, in all modes. In deferrable mode the connection's ``poll_interval`` is a
    lower bound for it, and the connection's ``max_poll_interval`` applies.

    :param dashscope_task_id: The service's id of the job, or the return value of an operator with
        ``wait_for_completion=False``. ``task_id`` is Airflow's. (templated)
    :param dashscope_conn_id: The Airflow connection of type ``dashscope``. (templated)
    :param poke_interval: Time between two queries for the job, as a timedelta or in seconds.
    :param cancel_on_kill: Whether to cancel the job, if it still queues, when a person ends the deferred sensor. Set it
        only if nothing else waits for the job.
    :param deferrable: Wait on the triggerer. Defaults to Airflow's ``[operators] default_deferrable``.
    :param on_failed_subtask: What to do if the job has succeeded, but some of its subtasks failed. ``fail`` fails the
        sensor. ``keep`` returns the result, whose ``subtasks`` tell which failed.
    :raises TaskFailedError: the job ended FAILED or CANCELED
    :raises TaskUnknownError: the service does not know the job
    :raises InputError: ``dashscope_task_id`` contains no id
    :raises DashScopeError: a further query cannot help
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
        on_failed_subtask: OnFailedSubtask = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        check_on_failed_subtask(on_failed_subtask)
        self.dashscope_task_id = dashscope_task_id
        self.dashscope_conn_id = dashscope_conn_id
        self.deferrable = deferrable
        self.cancel_on_kill = cancel_on_kill
        self.on_failed_subtask = on_failed_subtask
        self._ends_at = math.inf

    @cached_property
    def hook(self) -> DashScopeHook:
        """The hook of :attr:`dashscope_conn_id`."""
        # Loads requests.
        from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

        return DashScopeHook(self.dashscope_conn_id)

    def poke(self, context: Context) -> PokeReturnValue:
        while True:
            try:
                found = self._query(context)
            except TaskTimeoutError as error:
                raise AirflowSensorTimeout(str(error)) from error
            if isinstance(found, PokeReturnValue):
                return found
            # A rescheduled sensor would not remember for how long it was refused. After the limit, no pause is left.
            is_remembered = self.mode == "poke" or not self._schedule.is_refused
            if is_remembered and time.time() < self._schedule.limit:
                return PokeReturnValue(is_done=False)
            time.sleep(min(found, max(self.poke_interval, _SHORTEST_PAUSE)))

    def _query(self, context: Context) -> PokeReturnValue | float:
        """The result of a job that has ended, else the seconds to wait.

        :raises TaskTimeoutError: ``timeout`` is over
        :raises DashScopeError: the job failed, or every query was refused for ten minutes
        """
        try:
            task = self.hook.client.send(self._schedule.query(now=time.time()))
        except DashScopeError as error:
            pause = self._schedule.after_error(error, now=time.time())
            self.log.warning("The query failed and will be repeated: %s", error)
            return pause
        self.log.info("Render job %s is %s", task.task_id, task.stage)
        left = self._schedule.after_query(task, now=time.time())
        if left is None:
            return PokeReturnValue(is_done=True, xcom_value=self._result(task, context))
        return left

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        with error_noted(context):
            return super().resume_execution(next_method, next_kwargs, context)

    @notes_error
    def execute(self, context: Context) -> Any:
        first = context["ti"].get_first_reschedule_date(context) if self.reschedule and not self.deferrable else None
        started = time.time() if first is None else first.timestamp()
        self._ends_at = started + min(self.timeout, MAX_SECONDS)
        if not self.deferrable:
            return super().execute(context)
        with self._skip_if_never_fail():
            submission, poll_policy = self._submission(), self._poll_policy()
            # An error of this query is left to the trigger, which repeats it.
            task = query_once(self.hook.client, submission["task_id"], seconds=FIRST_QUERY_SECONDS)
            submitted_at = _timestamp(submission["submitted_at"])
            if task is not None and has_ended(task, submitted_at=submitted_at, now=time.time()):
                return self._result(task, context)
        return self._defer(poll_policy)

    def _get_next_poke_interval(self, *args: Any, **kwargs: Any) -> float:
        # The last poke is at the end of the timeout, however long the interval is.
        interval = super()._get_next_poke_interval(*args, **kwargs)
        return min(interval, max(0.0, self._schedule.limit - time.time()))

    @cached_property
    def _schedule(self) -> Schedule:
        submission = self._submission()
        return Schedule(
            task_id=submission["task_id"],
            poll_policy=self._poll_policy(),
            submitted_at=_timestamp(submission["submitted_at"]),
            waiting_since=time.time(),
        )

    def _defer(self, poll_policy: PollPolicy) -> NoReturn:
        submission = self._submission()
        self.defer(
            trigger=DashScopeTaskTrigger(
                dashscope_conn_id=self.dashscope_conn_id,
                dashscope_task_id=submission["task_id"],
                submitted_at=_timestamp(submission["submitted_at"]),
                request_id=submission["request_id"],
                poll_policy=asdict(poll_policy),
                cancel_on_kill=self.cancel_on_kill,
                expected_seconds=self._expected_seconds(),
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=min(self.timeout, MAX_SECONDS) + _LOST_TRIGGER_SECONDS),
        )

    def _poll_policy(self) -> PollPolicy:
        settings = self.hook.settings
        return PollPolicy(
            poll_interval=max(self.poke_interval, settings.poll_interval or 0.0),
            max_poll_interval=settings.narrow().max_poll_interval,
            deadline=self._ends_at,
            # The sensor does not cancel a job that queues too long. It reports how the service ends the job.
            service_limit=None,
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> TaskResult:
        """Returns the result, or raises the error, of the wait that ``event`` describes."""
        with self._skip_if_never_fail():
            try:
                return self._result(task_of(event), context)
            except TaskTimeoutError as error:
                raise AirflowSensorTimeout(str(error)) from error

    @contextmanager
    def _skip_if_never_fail(self) -> Iterator[None]:
        """Applies ``never_fail`` to a deferrable sensor. Airflow itself does so around ``poke`` only."""
        try:
            yield
        except DashScopeError as error:
            if self.never_fail:
                raise AirflowSkipException("Skipped, because never_fail is True.") from error
            raise

    def _result(self, task: Task, context: Context) -> TaskResult:
        """The result of a job that has ended, after its end is written to the job history."""
        note_end(task, price=self._cost_estimate().get("price"), context=context)
        tags = job_metrics.job_tags(connection_id=self.dashscope_conn_id)
        job_metrics.count_end(task, tags=tags)
        submission = self._submission()
        raise_for_end(task, submitted_at=_timestamp(submission["submitted_at"]), now=time.time())
        if self.on_failed_subtask == "fail":
            task.raise_for_subtasks()
        result = with_cost(task.whole_result(request_id=submission["request_id"]), self._cost_estimate())
        job_metrics.count_result(result, tags=tags)
        return result

    def _expected_seconds(self) -> float | None:
        """Seconds of output, if the submission knows them: the same as those of the operator that submitted."""
        return number(self._cost_estimate().get("expected_seconds"), high=MAX_BILLED_SECONDS) or None

    def _cost_estimate(self) -> Mapping[str, Any]:
        return self.dashscope_task_id if isinstance(self.dashscope_task_id, Mapping) else {}

    def _submission(self) -> SubmissionResult:
        """The job to wait for.

        :raises InputError: ``dashscope_task_id`` contains no id
        """
        given: Any = self.dashscope_task_id
        submission = given if isinstance(given, Mapping) else {"task_id": given}
        task_id = submission.get("task_id")
        # A Jinja template renders a mapping as text that begins with a brace, and a missing value as None.
        if not isinstance(task_id, str) or task_id.strip() in ("", "None") or task_id.startswith("{"):
            raise InputError(
                f"dashscope_task_id is {given!r}, allowed is the id of a render job or a submission",
                remedy="Pass the output of an operator with wait_for_completion=False, or its task_id.",
            )
        return {
            "task_id": task_id.strip(),
            "request_id": submission.get("request_id"),
            "status": "PENDING",
            "submitted_at": submission.get("submitted_at"),
        }


def _timestamp(submitted_at: str | None) -> float:
    """In seconds since the epoch; 0 if unknown."""
    return datetime.fromisoformat(submitted_at).timestamp() if submitted_at else 0.0
