"""Submits a task and waits for its end: what the operators of all asynchronous models share."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import conf

from airflow_provider_videoretalk.operators.base import DashScopeOperator
from airflow_provider_videoretalk.operators.values import as_seconds, check_word
from airflow_provider_videoretalk.task_state import OVER, state_of
from airflow_provider_videoretalk.waiting.steps import reached

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.dashscope.task import Submission, SubmissionResult, Task, TaskResult
    from airflow_provider_videoretalk.waiting.audit import SpendEvent
    from airflow_provider_videoretalk.waiting.cancel import Cancellation
    from airflow_provider_videoretalk.waiting.event import Awaited
    from airflow_provider_videoretalk.waiting.ledger import Ledger, OnChangedInput, OnClear, OnUnknownSubmit
    from airflow_provider_videoretalk.waiting.patience import Patience
    from airflow_provider_videoretalk.waiting.record import Intent, Record
    from airflow_provider_videoretalk.waiting.submitter import Submitter

# Airflow's own limit on a deferral cancels nothing and says little: it stands behind the trigger's, for lost triggers.
_BACKSTOP = timedelta(minutes=10)

# Told once for all instances of a mapped task: by the first that could have been held back by a pool.
_BEYOND_A_POOL = 3

# Airflow kills a worker's process about five seconds after it asked it to end.
_STATE_SECONDS = 3.0


class DashScopeJobOperator(DashScopeOperator):
    """Submits a task and returns its result, a :class:`~airflow_provider_videoretalk.dashscope.task.TaskResult`.

    A subclass tells what to submit. What was submitted is written to Airflow's task state store (Airflow 3.3): a
    retry or a restart finds the running task and waits for it, or uses the result of a finished one. One that failed
    is submitted anew only where its error says that this can help.

    :param wait_for_completion: ``False`` returns a ``SubmissionResult`` at once, for a
        :class:`~airflow_provider_videoretalk.sensors.dashscope.DashScopeTaskSensor` to wait for
    :param deferrable: wait on the triggerer rather than on a worker; Airflow's ``default_deferrable`` by default
    :param poll_interval: least time between two queries for the task; a timedelta, or seconds, like those below
    :param max_poll_interval: most time between two queries, as while others are ahead of it in the queue
    :param queue_timeout: how long the task may queue; then it is cancelled. The service itself gives up three hours
        after the submit
    :param render_timeout: how long the render may take; it can't be stopped, and bills when it succeeds
    :param durable: ``False`` keeps no record: every try submits
    :param on_clear: what a person's clear means for what an earlier life submitted: ``adopt_unfinished`` goes on with
        what still queues or renders, and makes anew what had ended; ``reuse`` uses a finished one too; ``fresh`` makes
        all anew, and cancels the old one if it still queues
    :param on_changed_input: what to do when inputs differ from those an earlier try submitted: ``submit`` the new ones,
        and cancel the old task if it still queues, or ``fail``
    :param on_unknown_submit: what to do when a submit was sent and its reply lost: ``fail``, for a person to look;
        ``reconcile``, to look for the task in the service's list (exact only with an account of its own); or
        ``resubmit``, which may pay twice
    :param reconcile_after: how long after a submit the list is believed to show it; a timedelta, or seconds
    :param hold_back: defer a submit whose task would not begin within ``queue_timeout``, or not end within the
        service's three hours, by the account's queue and the last renders' length; first come, first served
    :param dashscope_conn_id: the connection
    :param throttle_timeout: how long to go on submitting while the account is throttled
    :raises DashScopeError: see :mod:`airflow_provider_videoretalk.dashscope.errors`
    """

    model: str

    def __init__(
        self,
        *,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: timedelta | float = 4.0,
        max_poll_interval: timedelta | float = timedelta(minutes=5),
        queue_timeout: timedelta | float = timedelta(hours=3),
        render_timeout: timedelta | float = timedelta(hours=1),
        durable: bool = True,
        on_clear: OnClear = "adopt_unfinished",
        on_changed_input: OnChangedInput = "submit",
        on_unknown_submit: OnUnknownSubmit = "fail",
        reconcile_after: timedelta | float = timedelta(minutes=1),
        hold_back: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_word("on_clear", on_clear, ("adopt_unfinished", "reuse", "fresh"))
        check_word("on_changed_input", on_changed_input, ("submit", "fail"))
        check_word("on_unknown_submit", on_unknown_submit, ("fail", "reconcile", "resubmit"))
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = as_seconds("poll_interval", poll_interval)
        self.max_poll_interval = as_seconds("max_poll_interval", max_poll_interval)
        self.queue_timeout = as_seconds("queue_timeout", queue_timeout)
        self.render_timeout = as_seconds("render_timeout", render_timeout)
        self.durable = durable
        self.on_clear = on_clear
        self.on_changed_input = on_changed_input
        self.on_unknown_submit = on_unknown_submit
        self.reconcile_after = as_seconds("reconcile_after", reconcile_after)
        self.hold_back = hold_back
        self._waiting_for: Awaited | None = None
        self._task_instance: Any = None
        self._recorded = False

    def submission(self) -> Request[Submission]:
        """The request to send, from the rendered fields.

        :raises InputError: a field the service would refuse
        """
        raise NotImplementedError

    def identity(self) -> Mapping[str, Any]:
        """What tells the rendered fields from those of another submit; JSON-safe.

        :raises InputError: a field the service would refuse
        :raises TransportError: it can't be found out now
        """
        from airflow_provider_videoretalk.dashscope.url import without_signatures

        request = self.submission()
        return {"path": request.path, "body": without_signatures(request.body)}

    def place(self) -> Mapping[str, Any]:
        """The same of where inputs lie, which needs no look at them; JSON-safe.

        :raises InputError: a field the service would refuse
        """
        return self.identity()

    def appraise(self, intent: Intent) -> Intent:
        """The intent with what is expected of it, once it is known that it may be submitted.

        :raises InputError: it may not
        """
        return intent

    def receipt(self, awaited: Awaited) -> SubmissionResult:
        """The operator's return value for a task that it does not wait for."""
        return {
            "task_id": awaited.task_id,
            "request_id": awaited.request_id,
            "status": "PENDING",
            "submitted_at": datetime.fromtimestamp(awaited.submitted_at, tz=timezone.utc).isoformat(),
        }

    def result(self, task: Task, awaited: Awaited) -> TaskResult:
        """The operator's return value for a task that succeeded."""
        return task.result(request_id=awaited.request_id)

    def attempt(self, context: Context, *, refusals: int, since: float) -> TaskResult | SubmissionResult:
        if context["ti"].map_index == _BEYOND_A_POOL and self.pool == "default_pool":
            self.log.warning(
                "Many clips are mapped without a pool of their own: all are submitted at once and queue in the "
                "account, where each may stay three hours. Give the task a pool of 2 or 3 slots that counts deferred "
                "tasks."
            )
        record = self._record(context, refusals=refusals, since=since)
        self._show(context["ti"], record)
        if record.result is not None:
            return record.result
        awaited = _awaited(record)
        if not self.wait_for_completion:
            return self.receipt(awaited)
        return self._await(context, awaited, queue_limited=True)

    def _show(self, ti: Any, record: Record) -> None:
        """Tells the pages what is waited for. Airflow itself pushes links when a task defers or ends, and a worker that
        waits does neither.
        """
        ti.xcom_push(key="dashscope_task_id", value=record.task_id)
        for link in self.operator_extra_links:
            ti.xcom_push(key=link.xcom_key, value=link.get_link(self, ti_key=ti))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> TaskResult:
        """Goes on once the wait has ended, here or on the triggerer."""
        from airflow_provider_videoretalk.dashscope.errors import DashScopeError, QueueTimeoutError, TaskTimeoutError
        from airflow_provider_videoretalk.waiting.event import awaited_of, task_of

        reached("after_event")
        awaited, ledger = awaited_of(event), self._ledger(context)
        try:
            task = task_of(event)
        except TaskTimeoutError as error:
            cancellation = self._cancel(awaited)
            if cancellation.done:
                ledger.over(awaited.task_id)
            elif cancellation.begun and isinstance(error, QueueTimeoutError):
                # It began in the meantime, and will bill: what is paid is waited for, within the render's own limit.
                return self._await(context, awaited, queue_limited=False)
            raise
        try:
            task.raise_for_status()
        except DashScopeError:
            ledger.over(awaited.task_id)
            raise
        result = self.result(task, awaited)
        ledger.finished(result)
        reached("after_result")
        self.log.info(
            "Task %s succeeded: queued %s s, rendered %s s, billed %s s; its result lives until %s",
            result["task_id"],
            result["queue_seconds"],
            result["render_seconds"],
            result["billed_seconds"],
            result["expires_at"],
        )
        return result

    def audit(self, event: SpendEvent, task_id: str, reason: str) -> None:
        """Counts and logs a step that touches money."""
        from airflow_provider_videoretalk.audit import note_spend

        note_spend(self.log, event, task_id, reason)

    def on_kill(self) -> None:
        """Cancels the task that a worker waits for, unless another try will come back for it.

        See the trigger for a task that is deferred.
        """
        if self._waiting_for is None or self._task_instance is None:
            return
        if self._recorded and _state_within(self._task_instance, seconds=_STATE_SECONDS) not in OVER:
            self.log.info("DashScope task %s is left alone: another try will find it", self._waiting_for.task_id)
            return
        # Airflow gives a process a few seconds to end: there is time for one attempt.
        self._cancel(self._waiting_for, pauses=())

    def _cancel(self, awaited: Awaited, **attempts: Any) -> Cancellation:
        """What became of the attempt to end a task that nobody waits for any longer."""
        from airflow_provider_videoretalk.waiting.cancel import cancel

        cancellation = cancel(self.hook.client, awaited.task_id, expected_seconds=awaited.expected_seconds, **attempts)
        self.audit("cancel", awaited.task_id, cancellation.sentence)
        return cancellation

    def _record(self, context: Context, *, refusals: int, since: float) -> Record:
        """The record of a task that was submitted, by this try or an earlier one.

        :raises AirflowFailException: a submit's outcome is unknown; a retry can't know more, and must not guess
        """
        from airflow.providers.common.compat.sdk import AirflowFailException

        from airflow_provider_videoretalk.dashscope.errors import OutcomeUnknownError, ThrottledError
        from airflow_provider_videoretalk.waiting.admission import HeldBackError
        from airflow_provider_videoretalk.waiting.recovery import NotYetError

        intent = self._intent(context)
        try:
            return self._submitter(context).ensure(self, intent)
        except OutcomeUnknownError as error:
            raise AirflowFailException(str(error)) from error
        except ThrottledError as error:
            self.send_later(error, refusals=refusals, since=since)
        except NotYetError as error:
            self.log.info("A submit's outcome is not known yet; going on later")
            self.come_back(error.moment, refusals=refusals, since=since)
        except HeldBackError as error:
            self.log.info("Held back, nothing is submitted: %s", error)
            context["ti"].xcom_push(key="dashscope_expected_start", value=error.expected_start)
            # Whoever is held back has not begun to be refused.
            self.come_back(error.moment, refusals=0, since=error.moment)

    def _intent(self, context: Context) -> Intent:
        from airflow_provider_videoretalk.waiting.record import Generation, Intent, fingerprint_of

        ti = context["ti"]
        return Intent(
            owner=f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}",
            connection=self.dashscope_conn_id,
            fingerprint=self._fingerprint(),
            place=fingerprint_of(self.place()),
            model=self.model,
            generation=Generation(max_tries=ti.max_tries, clear_number=getattr(context["dag_run"], "clear_number", 0)),
        )

    def _fingerprint(self) -> str | None:
        from airflow_provider_videoretalk.dashscope.errors import TransportError
        from airflow_provider_videoretalk.waiting.record import fingerprint_of

        try:
            return fingerprint_of(self.identity())
        except TransportError as error:
            self.log.warning("Whether the inputs are those of an earlier try can't be told now: %s", error)
            return None

    def _submitter(self, context: Context) -> Submitter:
        from airflow_provider_videoretalk.waiting.admission import Admission
        from airflow_provider_videoretalk.waiting.lookup import Lookup
        from airflow_provider_videoretalk.waiting.recovery import Recovery
        from airflow_provider_videoretalk.waiting.submitter import Submitter
        from airflow_provider_videoretalk.waiting.waitlist import Waitlist

        ledger = self._ledger(context)
        self._task_instance, self._recorded = context["ti"], ledger.durable
        recovery = Recovery(
            client=self.hook.client,
            ledger=ledger,
            audit=self.audit,
            on_clear=self.on_clear,
            on_changed_input=self.on_changed_input,
            on_unknown_submit=self.on_unknown_submit,
            lookup=Lookup(model=self.model, patience=self.reconcile_after),
        )
        admission = Admission(
            client=self.hook.client,
            register=ledger.register,
            waitlist=Waitlist(ledger.register.store, self.dashscope_conn_id),
            model=self.model,
            limit=self.queue_timeout,
        )
        deadline = self._deadline(context)
        return Submitter(
            recovery=recovery,
            admission=admission if self.hold_back else None,
            deadline=math.inf if deadline is None else deadline,
        )

    def _ledger(self, context: Context) -> Ledger:
        from airflow_provider_videoretalk.variable_store import VariableStore
        from airflow_provider_videoretalk.waiting.ledger import Ledger
        from airflow_provider_videoretalk.waiting.register import Register
        from airflow_provider_videoretalk.waiting.store import VolatileStore

        store = context.get("task_state_store") if self.durable else None
        if store is None:
            self.log.info("A retry submits anew: durable is off, or Airflow is older than 3.3 and keeps no task state")
            return Ledger(VolatileStore(), Register(VolatileStore()))
        return Ledger(store, Register(VariableStore()))

    def _patience(self, context: Context, *, queue_limited: bool) -> Patience:
        from airflow_provider_videoretalk.limits import TASK_SECONDS
        from airflow_provider_videoretalk.waiting.patience import Patience

        return Patience(
            deadline=self._deadline(context),
            poll_interval=self.poll_interval,
            max_poll_interval=self.max_poll_interval,
            queue_timeout=self.queue_timeout if queue_limited else None,
            service_limit=TASK_SECONDS if queue_limited else None,
            render_timeout=self.render_timeout,
        )

    def _deadline(self, context: Context) -> float | None:
        """When ``execution_timeout`` is over: Airflow itself does not hold a deferred task to it."""
        began = getattr(context["ti"], "start_date", None)
        if self.execution_timeout is None or began is None or not self.deferrable:
            return None
        return float((began + self.execution_timeout).timestamp())

    def _await(self, context: Context, awaited: Awaited, *, queue_limited: bool) -> TaskResult:
        patience = self._patience(context, queue_limited=queue_limited)
        if self.deferrable:
            self._defer(awaited, patience)
        return self.execute_complete(context, self._wait(awaited, patience))

    def _defer(self, awaited: Awaited, patience: Patience) -> NoReturn:
        from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger

        self.defer(
            trigger=DashScopeTaskTrigger(
                dashscope_conn_id=self.dashscope_conn_id,
                dashscope_task_id=awaited.task_id,
                submitted_at=awaited.submitted_at,
                request_id=awaited.request_id,
                patience=asdict(patience),
                expected_seconds=awaited.expected_seconds,
                quote=awaited.quote,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.queue_timeout + self.render_timeout) + _BACKSTOP,
        )

    def _wait(self, awaited: Awaited, patience: Patience) -> dict[str, Any]:
        """Waits on this worker; returns the event that the trigger would have fired."""
        from airflow.providers.common.compat.sdk import AirflowTaskTimeout

        from airflow_provider_videoretalk.dashscope.errors import DashScopeError
        from airflow_provider_videoretalk.waiting.event import event_of
        from airflow_provider_videoretalk.waiting.narrator import Narrator
        from airflow_provider_videoretalk.waiting.schedule import Schedule
        from airflow_provider_videoretalk.waiting.watch import watch

        schedule = Schedule(
            task_id=awaited.task_id,
            patience=patience,
            submitted_at=awaited.submitted_at,
            expected_seconds=awaited.expected_seconds,
        )
        outcome: Task | DashScopeError
        self._waiting_for = awaited
        try:
            outcome = watch(self.hook.client, awaited.task_id, schedule, news=Narrator(self.log))
        except DashScopeError as error:
            outcome = error
        except AirflowTaskTimeout:
            # Airflow calls on_kill next, which is to leave it alone.
            self._waiting_for = None
            self._cancel(awaited)
            raise
        self._waiting_for = None
        return event_of(outcome, awaited)


def _awaited(record: Record) -> Awaited:
    from airflow_provider_videoretalk.waiting.event import Awaited

    return Awaited(
        task_id=str(record.task_id),
        request_id=record.request_id,
        submitted_at=record.submitted_at or record.intended_at,
        expected_seconds=record.intent.expected_seconds,
        quote=record.intent.quote,
    )


def _state_within(task_instance: Any, *, seconds: float) -> str | None:
    """The task instance's state, ``None`` where it can't be had in time.

    Asked for in a thread of its own: a signal may have interrupted a call to the supervisor, whose lock a second call
    from the same thread would wait for for ever.
    """
    states: list[str | None] = []
    asking = threading.Thread(target=lambda: states.append(state_of(task_instance)), daemon=True)
    asking.start()
    asking.join(seconds)
    return states[0] if states else None
