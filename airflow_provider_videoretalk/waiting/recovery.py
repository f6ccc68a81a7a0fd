"""What a new try goes on from, when an earlier one may have submitted already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.errors import (
    ChangedInputError,
    DashScopeError,
    ResultExpiredError,
    TaskFailedError,
)
from airflow_provider_videoretalk.dashscope.expiry import check_not_expired
from airflow_provider_videoretalk.dashscope.task import Submission, Task, get_task
from airflow_provider_videoretalk.waiting.audit import Audit
from airflow_provider_videoretalk.waiting.cancel import cancel
from airflow_provider_videoretalk.waiting.ledger import Ledger, OnChangedInput, OnClear, OnUnknownSubmit
from airflow_provider_videoretalk.waiting.lookup import Lookup, outcome_unknown
from airflow_provider_videoretalk.waiting.record import Intent
from airflow_provider_videoretalk.waiting.visibility import is_perhaps_invisible

# One that was lost may happen to anybody; after two in a row something is wrong that would go on costing money.
_MOST_POSTS = 2

Verdict = Literal["submit", "go_on"]
"""Submit, or go on with the recorded task, whose result may be recorded as well."""


class NotYetError(Exception):
    """What to do can't be told before ``moment``, in seconds since the epoch."""

    def __init__(self, moment: float) -> None:
        super().__init__(f"not to be decided before {moment}")
        self.moment = moment


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """How a try goes on after an earlier one, by the policies that its operator states.

    :param lookup: how to find a lost submit's task, where ``on_unknown_submit`` is ``reconcile``
    """

    client: Client
    ledger: Ledger
    audit: Audit
    on_clear: OnClear
    on_changed_input: OnChangedInput
    on_unknown_submit: OnUnknownSubmit
    lookup: Lookup

    def decide(self, intent: Intent, *, now: float) -> Verdict:
        """What to do by the record, and where that does not say enough, by the service.

        :raises ChangedInputError: the inputs changed, and ``on_changed_input`` is ``fail``
        :raises OutcomeUnknownError: a POST's outcome is unknown, and must not be guessed
        :raises NotYetError: the service's list can't be believed yet
        :raises TaskFailedError: the task failed, and another one would too
        :raises TaskUnknownError: the service has forgotten the task
        :raises ResultExpiredError: the result is dead
        """
        finding = self.ledger.find(intent, on_clear=self.on_clear)
        if finding in ("nothing", "forgiven"):
            return "submit"
        if finding == "changed":
            return self._changed()
        if finding == "unknown":
            return self._unknown(now)
        if finding == "replaced":
            return self._replaced()
        if finding == "finished":
            return self._finished(intent)
        return self._submitted(intent, now, cleared=finding == "resubmittable")

    def _changed(self) -> Verdict:
        if self.on_changed_input == "fail":
            raise ChangedInputError(
                f"the inputs are not those of task {self.ledger.required.task_id}, which an earlier try submitted",
                remedy="Give the old inputs again, or set on_changed_input='submit' to make the new video.",
            )
        return self._replaced()

    def _replaced(self) -> Verdict:
        record = self.ledger.required
        if record.task_id is not None and not record.over:
            cancellation = cancel(self.client, record.task_id, expected_seconds=record.intent.expected_seconds)
            self.audit("cancel", record.task_id, cancellation.sentence)
            if cancellation.done:
                # A submit that is held back comes this way again.
                self.ledger.over(record.task_id)
        return "submit"

    def _unknown(self, now: float) -> Verdict:
        record = self.ledger.required
        if self.on_unknown_submit == "resubmit" and record.posts < _MOST_POSTS:
            return "submit"
        if self.on_unknown_submit == "resubmit":
            raise outcome_unknown(f"{record.posts} submits were sent, and the outcome of none was learned")
        if self.on_unknown_submit == "fail":
            raise outcome_unknown("an earlier try sent a submit and never learned its outcome")
        if now < record.intended_at + self.lookup.patience:
            raise NotYetError(record.intended_at + self.lookup.patience)
        found = self.lookup.find(self.client, record, self.ledger.register, now=now)
        if found is None:
            # It made nothing, and stands in nobody's way.
            self.ledger.register.withdraw(record)
            return "submit"
        self.ledger.submitted(Submission(task_id=found.task_id, request_id=found.request_id), now=record.intended_at)
        self.audit("adopt", found.task_id, "The list shows it as the one task that a submit of unknown outcome made.")
        self.audit("duplicate_prevented", found.task_id, "It is not submitted again.")
        return "go_on"

    def _finished(self, intent: Intent) -> Verdict:
        result = self.ledger.required.result
        assert result is not None
        try:
            check_not_expired(
                f"the result of task {result['task_id']}",
                result["expires_at"],
                remedy="The service keeps results for 24 hours: clear it with on_clear='fresh' to make the video anew.",
            )
        except ResultExpiredError:
            self.audit("loss", result["task_id"], "Its result expired before this try could use it.")
            raise
        self.ledger.adopted(intent)
        self.audit("duplicate_prevented", result["task_id"], "Its result is here already.")
        return "go_on"

    def _submitted(self, intent: Intent, now: float, *, cleared: bool) -> Verdict:
        record = self.ledger.required
        task_id = str(record.task_id)
        try:
            task = self.client.send(get_task(task_id))
        except DashScopeError as error:
            if cleared or not error.retryable:
                raise
            # Waiting bears what passes; it will see how the task stands.
            return "go_on"
        if is_perhaps_invisible(task, submitted_at=record.submitted_at or record.intended_at, now=now):
            self.ledger.adopted(intent)
            return "go_on"
        # What succeeded since it was cleared is paid, and nobody has seen it yet.
        if cleared and task.ended and task.status != "SUCCEEDED":
            return "submit"
        if _another_can_help(task):
            if not record.over:
                self.audit("loss", task_id, f"It ended {task.status}; another one is to be submitted.")
                self.ledger.over(task_id)
            return "submit"
        task.raise_for_status()
        self.ledger.adopted(intent)
        self.audit("adopt", task_id, f"An earlier try submitted it; it is {task.stage}.")
        self.audit("duplicate_prevented", task_id, "It is not submitted again.")
        return "go_on"


def _another_can_help(task: Task) -> bool:
    if task.status == "CANCELED":
        return True
    try:
        task.raise_for_status()
    except TaskFailedError as error:
        return error.retryable
    except DashScopeError:
        return False
    return False
