"""Ensures that one render job exists for an intent: resumes the job of an earlier try, or submits a new one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, OutcomeUnknownError, TaskTimeoutError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Submission, Task, get_task
from airflow_provider_videoretalk.dashscope.task_list import list_tasks
from airflow_provider_videoretalk.submission.admission import Admission
from airflow_provider_videoretalk.submission.cancel import Cancellation, cancel
from airflow_provider_videoretalk.submission.fault_points import fault_point
from airflow_provider_videoretalk.submission.ledger import Ledger
from airflow_provider_videoretalk.submission.lost_submit import find_lost_submit
from airflow_provider_videoretalk.submission.lost_submit_candidates import jobs_in_question
from airflow_provider_videoretalk.submission.record import Intent, Record
from airflow_provider_videoretalk.submission.resume import (
    CancelThenSubmit,
    Fail,
    FindLostSubmit,
    QueryJob,
    Resume,
    ResumePolicy,
    ReturnResult,
    Submit,
    WaitUntil,
    decide_resume,
)
from airflow_provider_videoretalk.submission.spend_event import UNKNOWN_JOB, RecordSpend
from airflow_provider_videoretalk.submission.unknown_outcome import DoubtError, outcome_unknown, submit_of

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.client import Client

_NOT_AGAIN = "It is not submitted again."

# Seconds between a submit of unknown outcome and the next attempt.
_PAUSE = 5.0

# Seconds between two attempts to find the job of a submit of unknown outcome.
_SEARCH_PAUSE = 60.0


class WaitUntilError(Exception):
    """The outcome of a submit is unknown. The next decision is at ``moment``, in seconds since the epoch."""

    def __init__(self, moment: float, reason: str = "the service may not show its render job yet") -> None:
        super().__init__(reason)
        self.moment = moment


class NewJob(Protocol):
    """The render job to submit, if there is none yet."""

    def prepare(self, intent: Intent) -> Intent:
        """Adds to the intent what is expected of the job.

        :raises InputError: the job must not be submitted
        """

    def submission(self) -> Request[Submission]:
        """The request. Its signed URLs are valid from now on.

        :raises DashScopeError: there is no valid request, or none now
        """


@dataclass(frozen=True, kw_only=True)
class Submitter:
    """
    :param client_for: the client for an Airflow connection id; an earlier try may have used another connection
    :param policy: decides about the record of an earlier try
    :param check_can_wait: raises ConfigurationError if this process could not wait for the job
    :param admission: decides whether a new job would end in time; ``None`` submits always
    :param deadline: from when on nothing is submitted or decided, in seconds since the epoch
    :param clock: seconds since the epoch
    """

    client_for: Callable[[str], Client]
    ledger: Ledger
    policy: ResumePolicy
    record_spend: RecordSpend
    check_can_wait: Callable[[Intent], None]
    admission: Admission | None
    deadline: float = math.inf
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep

    def submit_or_resume(self, job: NewJob, intent: Intent) -> Record:
        """The record of a job that exists: the job of an earlier try, or one that is submitted now.

        Only a new submit looks at its inputs. A paid job is not lost because an input has been deleted since.

        :raises WaitUntilError: the outcome of a submit is unknown and will be looked for later
        :raises HeldBackError: a job submitted now would not end in time
        :raises TaskTimeoutError: the deadline has passed
        :raises StateReadError: an earlier try left a record that cannot be read; nothing is submitted
        :raises OutcomeUnknownError: the outcome of a submit is unknown, and the policy forbids to guess
        :raises ChangedInputError: inputs or connection have changed, and the policy is to fail
        :raises DashScopeError: the earlier job failed and a new one would fail too; or see the client
        """
        try:
            if not self._resume(intent):
                self._submit(job, intent)
        except WaitUntilError as later:
            self._check_deadline()
            later.moment = min(later.moment, self.deadline)
            raise
        return self.ledger.required

    def _resume(self, intent: Intent) -> bool:
        """Whether the job of an earlier try is resumed."""
        queried: Task | DashScopeError | None = None
        self.ledger.load(intent)
        while True:
            decision = decide_resume(self.ledger.record, intent, self.policy, now=self.clock(), queried=queried)
            if isinstance(decision, QueryJob):
                queried = self._query(self.ledger.required, intent)
            elif isinstance(decision, FindLostSubmit):
                if not self._find_lost_submit(intent):
                    return False
                if self.ledger.required.intent.has_same_account(intent):
                    self.record_spend("duplicate_prevented", str(self.ledger.required.task_id), _NOT_AGAIN)
                    return True
            elif isinstance(decision, Resume | ReturnResult):
                self.ledger.record_resumed(intent)
                for event, reason in decision.spend:
                    self.record_spend(event, str(self.ledger.required.task_id), reason)
                return True
            elif isinstance(decision, WaitUntil):
                raise WaitUntilError(decision.moment)
            elif isinstance(decision, CancelThenSubmit):
                self._cancel(self.ledger.required, intent, decision.reason)
                return False
            else:
                self._record_loss(decision)
                if isinstance(decision, Fail):
                    raise self._failure(decision.error, intent)
                return False

    def _client_of(self, record: Record, intent: Intent) -> Client:
        """A client for the account of a record: that of the current try if it has the same account."""
        same = record.intent.has_same_account(intent)
        return self.client_for(intent.connection_id if same else record.intent.connection_id)

    def _query(self, record: Record, intent: Intent) -> Task | DashScopeError:
        try:
            task = self._client_of(record, intent).send(get_task(str(record.task_id)))
        except DashScopeError as error:
            return error
        self.ledger.note_reply(task)
        return task

    def _find_lost_submit(self, intent: Intent) -> bool:
        """Whether the lost submit has created a job, which is then recorded."""
        record = self.ledger.required
        try:
            row = find_lost_submit(
                self._client_of(record, intent),
                record,
                self.ledger.registry,
                now=self.clock(),
                reconcile_seconds=self.policy.reconcile_seconds,
                sleep=self.sleep,
            )
        except DoubtError as doubt:
            raise WaitUntilError(self.clock() + _SEARCH_PAUSE, doubt.reason) from None
        if row is None:
            # The record stays until the next intent: should nothing be submitted now, the next try looks again.
            self.ledger.registry.withdraw(record)
            self.ledger.note_nothing_created()
            return False
        # The time of the intent, not of now: the limits of queue and render count from the submit.
        self.ledger.record_job(Submission(task_id=row.task_id, request_id=row.request_id), now=record.intended_at)
        self.record_spend("adopt", row.task_id, "The list shows it as the one job of a submit of unknown outcome.")
        return True

    def _cancel(self, record: Record, intent: Intent, reason: str) -> None:
        task_id = str(record.task_id)
        try:
            client = self._client_of(record, intent)
        except DashScopeError as error:
            sentence = f"Render job {task_id} could not be cancelled, and may run and be billed: {error}"
            cancellation = Cancellation(done=False, begun=False, sentence=sentence)
        else:
            cancellation = cancel(client, task_id, expected_seconds=record.intent.expected_seconds)
        self.record_spend("cancel", task_id, f"{cancellation.sentence} {reason}")
        if cancellation.done:
            self.record_spend("cancelled", task_id, "It is not billed.")
            # If the new submit is held back, the next try must not cancel again.
            self.ledger.record_cancelled(task_id)

    def _record_loss(self, decision: Submit | Fail) -> None:
        if decision.loss is None:
            return
        task_id = str(self.ledger.required.task_id)
        self.record_spend("loss", task_id, decision.loss)
        if isinstance(decision, Submit):
            self.ledger.record_end(task_id)

    def _failure(self, error: DashScopeError, intent: Intent) -> DashScopeError:
        """The error of a decision. It names the jobs in question if the outcome of a submit is unknown."""
        if isinstance(error, OutcomeUnknownError):
            return self._outcome_unknown(error.message, self.ledger.required, intent)
        return error

    def _lost(self, error: OutcomeUnknownError, intent: Intent) -> OutcomeUnknownError:
        """The error of the submit that was sent just now, for a person."""
        lost = self.ledger.required
        reason = f"{submit_of(lost)} has no known outcome: {error.message}"
        return self._outcome_unknown(reason, lost, intent, cause=error)

    def _outcome_unknown(
        self, reason: str, lost: Record, intent: Intent, *, cause: DashScopeError | None = None
    ) -> OutcomeUnknownError:
        if not self.ledger.durable:
            # Its registry knows no other task's jobs. And a kill here would be followed by a retry that submits again.
            return outcome_unknown(reason, cause=cause)
        try:
            client = self._client_of(lost, intent)
        except DashScopeError:
            return outcome_unknown(reason, cause=cause)
        rows = jobs_in_question(client, lost, self.ledger.registry, now=self.clock())
        if rows:
            reason += ". In the service's list, nothing here is known to have submitted these render jobs of that time"
        return outcome_unknown(reason, rows, cause=cause)

    def _submit(self, job: NewJob, intent: Intent) -> None:
        intent = job.prepare(intent)
        self.check_can_wait(intent)
        self._check_deadline()
        if self.admission is not None:
            self.admission.check(intent, now=self.clock())
        request = job.submission()
        try:
            self._post(request, intent)
        except OutcomeUnknownError as error:
            if self.policy.on_unknown_submit == "fail":
                raise self._lost(error, intent) from error
            if self.ledger.durable:
                raise WaitUntilError(self.clock() + _PAUSE) from None
            # No record outlives this process, so there is nothing to reconcile later.
            if self.policy.on_unknown_submit == "reconcile" or self.clock() + _PAUSE >= self.deadline:
                raise self._lost(error, intent) from error
            self._post_second(request, intent)

    def _post_second(self, request: Request[Submission], intent: Intent) -> None:
        """Submits again after a submit of unknown outcome.

        A record would count the submits. Without one, this call is the last, and every failure of it ends the task.
        """
        self.sleep(_PAUSE)
        first = self.ledger.required
        try:
            self._post(request, intent)
        except DashScopeError as error:
            reason = (
                f"2 submits were sent: the outcome of the first, {submit_of(first)}, is unknown, and the second "
                f"failed: {error}"
            )
            raise self._outcome_unknown(reason, first, intent) from error

    def _post(self, request: Request[Submission], intent: Intent) -> None:
        ledger, client = self.ledger, self.client_for(intent.connection_id)
        if self.policy.on_unknown_submit == "reconcile":
            self._measure_clock(client)
        fault_point("before_intent")
        now = self.clock()
        ledger.record_intent(intent, now=now, service_time=client.service_clock.at(now))
        fault_point("after_intent")
        try:
            submission = client.send(request)
        except OutcomeUnknownError as error:
            self.record_spend("lost_reply", UNKNOWN_JOB, error.message)
            raise
        except DashScopeError:
            ledger.withdraw()
            raise
        fault_point("after_post")
        try:
            ledger.record_job(submission, now=self.clock())
        finally:
            # If nothing can be stored any more, a person finds the job by this line of the log.
            self.record_spend("submit", submission.task_id, f"Submitted, request_id {submission.request_id}.")
        fault_point("after_id")

    def _measure_clock(self, client: Client) -> None:
        """Lets the record have the service's time, by which the job is found if the reply is lost."""
        if client.service_clock.at(self.clock()) is not None:
            return
        try:
            client.send(list_tasks(page_size=1))
        except DashScopeError:
            # Also a refusal has the time. Without it, a lost reply stays in doubt, and says so.
            return

    def _check_deadline(self) -> None:
        if self.clock() >= self.deadline:
            raise TaskTimeoutError(
                "execution_timeout ended before a render job was submitted",
                remedy="Raise execution_timeout. It includes the time in which a submit is held back or throttled.",
            )
