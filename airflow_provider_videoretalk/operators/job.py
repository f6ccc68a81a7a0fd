"""Submits a render job and waits for its end: the base of the operators of all asynchronous models."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException, conf

from airflow_provider_videoretalk.airflow_adapters import job_metrics, metrics
from airflow_provider_videoretalk.airflow_adapters.tracing import add_job_spans, step_span
from airflow_provider_videoretalk.dashscope.errors import (
    DashScopeError,
    InputError,
    OutcomeUnknownError,
    TaskTimeoutError,
    ThrottledError,
)
from airflow_provider_videoretalk.operators.job_lineage import JobLineage
from airflow_provider_videoretalk.operators.job_submission import (
    admission_of,
    intent_of,
    job_of,
    open_ledger,
)
from airflow_provider_videoretalk.operators.job_wait import log_success, trigger_of
from airflow_provider_videoretalk.operators.job_wait_operator import JobWaitOperator
from airflow_provider_videoretalk.operators.template_values import as_optional_seconds, as_seconds
from airflow_provider_videoretalk.operators.wait_requirements import check_can_wait
from airflow_provider_videoretalk.outbound.signed_url import without_signatures
from airflow_provider_videoretalk.polling.job_end import raise_for_end
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob, awaited_of, task_of
from airflow_provider_videoretalk.submission.admission import ADMISSION_SECONDS, HeldBackError
from airflow_provider_videoretalk.submission.fault_points import fault_point
from airflow_provider_videoretalk.submission.resume import ResumePolicy
from airflow_provider_videoretalk.submission.spend_event import UNKNOWN_JOB
from airflow_provider_videoretalk.submission.submitter import Submitter, WaitUntilError
from airflow_provider_videoretalk.triggers.admission import AdmissionTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.client import Client
    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.dashscope.task import Submission, SubmissionResult, Task, TaskResult
    from airflow_provider_videoretalk.submission.record import Intent, Record
    from airflow_provider_videoretalk.submission.resume import OnChangedInput

# The map index from which on a pool of three slots would have held a task instance back. It alone logs the warning.
_BEYOND_A_POOL = 3


class DashScopeJobOperator(JobLineage, JobWaitOperator):
    """Submits a render job, waits for its end, and returns its result, a
    :class:`~airflow_provider_videoretalk.dashscope.task.TaskResult`.

    A subclass defines the request. The submit is recorded in Airflow's task state store (Airflow 3.3 or newer). A retry
    or a restart finds the record, and waits for the running job or uses the result of the finished one. It submits a
    failed job again only if the job's error is retryable.

    :param wait_for_completion: If False, returns a
        :class:`~airflow_provider_videoretalk.dashscope.task.SubmissionResult` right after the submit, for a
        :class:`~airflow_provider_videoretalk.sensors.dashscope.DashScopeTaskSensor` to wait for.
    :param deferrable: Wait on the triggerer instead of on a worker. Defaults to Airflow's
        ``[operators] default_deferrable``.
    :param poll_interval: Least time between two queries for the job, as a timedelta or in seconds, like all times
        below. Defaults to the connection's ``poll_interval``, or 4 s. An operator may only raise a value that the
        connection sets.
    :param max_poll_interval: Most time between two queries, used while other jobs are ahead in the queue. Defaults to
        the connection's ``max_poll_interval``, or 5 min. An operator may only raise a value that the connection sets.
    :param queue_timeout: How long the job may queue before it is cancelled. The service itself drops a job that has no
        result three hours after the submit.
    :param render_timeout: How long the render may take. A render cannot be stopped, and bills when it succeeds.
    :param durable: If False, keeps no record: every try submits a new job.
    :param resume: What to do about the job of an earlier try, as a
        :class:`~airflow_provider_videoretalk.submission.resume.ResumePolicy`. By default, a clear resumes a job that
        queues or renders, changed inputs are submitted, and a submit whose reply was lost fails the task.
    :param hold_back: Defer a submit whose job would not begin within ``queue_timeout``, or not end within the service's
        three hours. The estimate uses the account's queue and the last render times. Submits are held back in the
        order of their arrival, and wait on the triggerer. Defaults to the connection's ``hold_back``, or True. An
        operator may not turn it off if the connection turns it on.
    :param dashscope_conn_id: The Airflow connection of type ``dashscope``.
    :param throttle_timeout: How long to go on submitting while the account is throttled. Defaults to the connection's
        ``throttle_timeout``, or one hour. An operator may only shorten a value that the connection sets.
    :raises DashScopeError: see :mod:`airflow_provider_videoretalk.dashscope.errors`
    """

    on_changed_input: ClassVar[OnChangedInput] = "submit"
    """What a policy that does not say it does about inputs that changed."""

    # What a triggerer said of the submit: "held_since", and "admitted_at" once it is admitted.
    _admission_note: Mapping[str, float] = MappingProxyType({})

    def __init__(
        self,
        *,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: timedelta | float | None = None,
        max_poll_interval: timedelta | float | None = None,
        queue_timeout: timedelta | float = timedelta(hours=3),
        render_timeout: timedelta | float = timedelta(hours=1),
        durable: bool = True,
        resume: ResumePolicy | None = None,
        hold_back: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(resume, ResumePolicy | None):
            raise InputError(
                f"resume is of type {type(resume).__name__}, allowed is a ResumePolicy",
                remedy="Import it from airflow_provider_videoretalk.submission.resume.",
            )
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = as_optional_seconds("poll_interval", poll_interval)
        self.max_poll_interval = as_optional_seconds("max_poll_interval", max_poll_interval)
        self.queue_timeout = as_seconds("queue_timeout", queue_timeout)
        self.render_timeout = as_seconds("render_timeout", render_timeout)
        self.durable = durable
        policy = resume or ResumePolicy()
        self.resume = replace(policy, on_changed_input=policy.on_changed_input or self.on_changed_input)
        self.hold_back = hold_back

    @property
    def own_settings(self) -> dict[str, Any]:
        return {
            **super().own_settings,
            "poll_interval": self.poll_interval,
            "max_poll_interval": self.max_poll_interval,
            "hold_back": self.hold_back,
        }

    # What a subclass defines.

    def submission(self) -> Request[Submission]:
        """The request to send, made from the rendered fields.

        :raises InputError: the service would refuse a field
        """
        raise NotImplementedError

    def identity(self) -> Mapping[str, Any]:
        """JSON-safe values that are equal for two submits of the same inputs, and different otherwise.

        :raises InputError: the service would refuse a field
        :raises TransportError: an input cannot be read now
        """
        request = self.submission()
        return {"path": request.path, "body": without_signatures(request.body)}

    def input_locations(self) -> Mapping[str, Any]:
        """Like :meth:`identity`, but with the inputs' locations instead of their contents. Reads no input.

        :raises InputError: the service would refuse a field
        """
        return self.identity()

    def prepare(self, intent: Intent) -> Intent:
        """Checks the inputs right before a submit; returns the intent with expected length and cost.

        :raises InputError: the inputs must not be submitted
        """
        return intent

    def submission_result(self, awaited: AwaitedJob) -> SubmissionResult:
        """The operator's return value if it does not wait for the job."""
        return {
            "task_id": awaited.task_id,
            "request_id": awaited.request_id,
            "status": "PENDING",
            "submitted_at": datetime.fromtimestamp(awaited.submitted_at, tz=timezone.utc).isoformat(),
        }

    def task_result(self, task: Task, awaited: AwaitedJob) -> TaskResult:
        """The operator's return value for a job that succeeded."""
        return task.result(request_id=awaited.request_id)

    # Submitting.

    def execute_again(self, context: Context, event: dict[str, Any]) -> Any:
        self._admission_note = {name: event[name] for name in ("held_since", "admitted_at") if name in event}
        return super().execute_again(context, event)

    @property
    def kept_note(self) -> dict[str, Any]:
        return dict(self._admission_note)

    def attempt(self, context: Context, *, refusals: int, since: float) -> TaskResult | SubmissionResult:
        if context["ti"].map_index == _BEYOND_A_POOL and self.pool == "default_pool":
            self.log.warning(
                "Many clips are mapped without a pool of their own. All are submitted at once, and each may queue for "
                "up to three hours. Give the task a pool of 2 or 3 slots that counts deferred tasks."
            )
        with step_span("submit", connection_id=self.dashscope_conn_id, model=str(self.model)):
            record = self._submit_or_resume(context, refusals=refusals, since=since)
        self._publish_links(context["ti"], record)
        if record.result is not None:
            self._finished = record.result
            return record.result
        awaited = job_of(record)
        if not self.wait_for_completion:
            return self.submission_result(awaited)
        return self._await(context, awaited)

    def _submit_or_resume(self, context: Context, *, refusals: int, since: float) -> Record:
        """The record of a render job that this try or an earlier one submitted.

        :raises AirflowFailException: the outcome of a submit is unknown, and a retry could not find it out
        """
        intent = intent_of(self, context, account_id=self.hook.endpoint.account_id)
        try:
            return self._submitter(context, intent).submit_or_resume(self, intent)
        except OutcomeUnknownError as error:
            self.record_spend("in_doubt", UNKNOWN_JOB, "This task fails. The error says what to do.")
            raise AirflowFailException(str(error)) from error
        except ThrottledError as error:
            self.retry_throttled(error, refusals=refusals, since=since)
        except WaitUntilError as error:
            self.log.info("The outcome of a submit is not known yet: %s. Checking again later", error)
            self.run_again_at(error.moment, refusals=refusals, since=since)
        except HeldBackError as error:
            self._hold_back(context, error)

    def _hold_back(self, context: Context, error: HeldBackError) -> NoReturn:
        """Defers until a triggerer admits the submit."""
        self.log.info("Held back, nothing is submitted: %s", error)
        if "held_since" not in self._admission_note:
            metrics.count("held_back", tags=self.metric_tags)
        if error.expected_start is not None:
            context["ti"].xcom_push(key="dashscope_expected_start", value=error.expected_start)
        self.defer(
            trigger=AdmissionTrigger(
                dashscope_conn_id=self.dashscope_conn_id,
                model=error.job.model,
                held_since=self._admission_note.get("held_since", time.time()),
                limit=error.job.limit,
                expected_seconds=error.job.expected_seconds,
                deadline=self._deadline(context),
            ),
            method_name="execute_again",
        )

    def _submitter(self, context: Context, intent: Intent) -> Submitter:
        is_admitted = time.time() - self._admission_note.get("admitted_at", -math.inf) < ADMISSION_SECONDS
        hold_back, deadline = self.account_settings.hold_back and not is_admitted, self._deadline(context)
        ledger = open_ledger(context, durable=self.durable, log=self.log)
        admission = admission_of(self.hook.client, ledger, intent, queue_timeout=self.queue_timeout)
        return Submitter(
            client_for=self._client_for,
            ledger=ledger,
            policy=self.resume,
            record_spend=self.record_spend,
            check_can_wait=partial(self._check_can_wait, context),
            admission=admission if hold_back else None,
            deadline=math.inf if deadline is None else deadline,
        )

    def _client_for(self, connection_id: str) -> Client:
        """The client for a connection: this operator's, or that of an earlier try."""
        if connection_id == self.dashscope_conn_id:
            return self.hook.client
        # Loads requests.
        from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

        return DashScopeHook(connection_id).client

    def _check_can_wait(self, context: Context, intent: Intent) -> None:
        """
        :raises InputError: a value of this operator would widen a limit of the connection
        :raises ConfigurationError: this process could not wait for the job, or the endpoint cannot be queried
        :raises DashScopeError: the endpoint does not answer a query now
        """
        self.hook.settings.check(**self.own_settings)
        awaited = AwaitedJob(task_id="", expected_seconds=intent.expected_seconds, cost_estimate=intent.cost_estimate)
        poll_policy = self._poll_policy(context)
        trigger = partial(trigger_of, awaited, poll_policy, connection=self.dashscope_conn_id)
        check_can_wait(trigger if self.wait_for_completion and self.deferrable else None)
        self.hook.check_task_route()

    def _publish_links(self, ti: Any, record: Record) -> None:
        """Pushes the job's id and the links. Airflow pushes links only when a task defers or ends."""
        ti.xcom_push(key="dashscope_task_id", value=record.task_id)
        for link in self.operator_extra_links:
            ti.xcom_push(key=link.xcom_key, value=link.get_link(self, ti_key=ti))

    # Waiting.

    def execute_complete(self, context: Context, event: dict[str, Any]) -> TaskResult:
        """Returns the result, or raises the error, of the wait that ``event`` describes."""
        fault_point("after_event")
        ledger = open_ledger(context, durable=self.durable, log=self.log)
        try:
            awaited = awaited_of(event)
            task = task_of(event)
        except TaskTimeoutError as error:
            return self._after_limit(context, awaited, error)
        except DashScopeError as error:
            # The wait has ended, and the job goes on. With its record, a retry resumes it. Without, it pays again.
            error.retryable = ledger.durable
            raise
        job_metrics.count_end(task, tags=self.metric_tags)
        try:
            raise_for_end(task, submitted_at=awaited.submitted_at, now=time.time(), may_ask_again=ledger.durable)
        except DashScopeError:
            ledger.record_end(awaited.task_id, reply=task)
            raise
        result = self.task_result(task, awaited)
        ledger.record_result(result)
        job_metrics.count_result(result, tags=self.metric_tags)
        add_job_spans(result, submitted_at=awaited.submitted_at, connection_id=self.dashscope_conn_id)
        self._finished = result
        fault_point("after_result")
        log_success(self.log, result)
        return result
