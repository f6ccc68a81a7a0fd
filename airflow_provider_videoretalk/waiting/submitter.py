"""Sees to it that there is one task for an intent, and not a second one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, OutcomeUnknownError, TaskTimeoutError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Submission
from airflow_provider_videoretalk.waiting.admission import Admission, HeldBackError
from airflow_provider_videoretalk.waiting.record import Intent, Record
from airflow_provider_videoretalk.waiting.recovery import NotYetError, Recovery
from airflow_provider_videoretalk.waiting.steps import reached

# Before a submit of unknown outcome is sent again by the user's own policy, in seconds.
_BREATH = 5.0


class Order(Protocol):
    """What is to be submitted."""

    def appraise(self, intent: Intent) -> Intent:
        """The intent with what is expected of it, once it is known that it may be submitted.

        :raises InputError: it may not
        """

    def submission(self) -> Request[Submission]:
        """The request, of which URLs live from now on.

        :raises DashScopeError: there can be none, or none now
        """


@dataclass(frozen=True, kw_only=True)
class Submitter:
    """
    :param recovery: decides what an earlier try's record means
    :param admission: decides whether a new submit would be in time; ``None`` lets all in
    :param deadline: from when on nothing is submitted or waited for, in seconds since the epoch
    :param clock: seconds since the epoch
    """

    recovery: Recovery
    admission: Admission | None
    deadline: float = math.inf
    clock: Callable[[], float] = time.time

    def ensure(self, order: Order, intent: Intent) -> Record:
        """The record of a task that exists: an earlier try's, or one that is submitted now.

        Only what is to be submitted is looked at: what is paid already is not lost for an input that has gone since.

        :raises NotYetError: an earlier submit's outcome is to be found out later
        :raises HeldBackError: a submit would not be in time now
        :raises TaskTimeoutError: the deadline has passed
        :raises DashScopeError: see :meth:`Recovery.decide` and the client
        """
        try:
            if self.recovery.decide(intent, now=self.clock()) == "submit":
                intent = order.appraise(intent)
                self._check_time()
                if self.admission is not None:
                    self.admission.check(intent, now=self.clock())
                self._submit(order.submission(), intent)
        except (NotYetError, HeldBackError) as later:
            self._check_time()
            later.moment = min(later.moment, self.deadline)
            raise
        return self.recovery.ledger.required

    def _check_time(self) -> None:
        if self.clock() >= self.deadline:
            raise TaskTimeoutError(
                "execution_timeout was over before a task was known to be submitted",
                remedy="Raise execution_timeout: time in which a submit is held back or throttled counts.",
            )

    def _submit(self, request: Request[Submission], intent: Intent) -> None:
        ledger = self.recovery.ledger
        reached("before_intent")
        ledger.intend(intent, now=self.clock())
        reached("after_intent")
        try:
            submission = self.recovery.client.send(request)
        except OutcomeUnknownError:
            # Without a record that outlives this process there is nothing to find out from.
            policy = self.recovery.on_unknown_submit
            if policy == "fail" or (policy == "reconcile" and not ledger.durable):
                raise
            raise NotYetError(self.clock() + _BREATH) from None
        except DashScopeError:
            ledger.refused()
            raise
        reached("after_post")
        try:
            ledger.submitted(submission, now=self.clock())
        finally:
            # Where nothing can be written down any more, the log is what a person finds the task by.
            self.recovery.audit("submit", submission.task_id, f"Submitted, request_id {submission.request_id}.")
        reached("after_id")
