"""Decides whether a try resumes the render job of an earlier try or submits a new one. Sends and stores nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal, TypeAlias, get_args

from airflow_provider_videoretalk.dashscope.errors import (
    ChangedInputError,
    DashScopeError,
    InputError,
    ResultExpiredError,
    TaskFailedError,
    TaskUnknownError,
)
from airflow_provider_videoretalk.dashscope.result_expiry import check_not_expired
from airflow_provider_videoretalk.dashscope.task import RESULT_LIFE, Task
from airflow_provider_videoretalk.polling.job_end import has_ended, may_be_too_new
from airflow_provider_videoretalk.submission.record import Intent, Record
from airflow_provider_videoretalk.submission.spend_event import SpendEvent
from airflow_provider_videoretalk.submission.unknown_outcome import outcome_unknown, submit_of

OnClear = Literal["adopt_unfinished", "reuse", "fresh"]
OnChangedInput = Literal["submit", "submit_after_clear", "fail"]
OnUnknownSubmit = Literal["fail", "reconcile", "resubmit"]

_SET_SUBMIT = "Restore the old values, or set on_changed_input='submit' to submit a new job."
_CLEAR = (
    "Restore the old values, or clear the task to submit a new job. A decorated function must return the same for the "
    "same arguments."
)

MAX_POSTS = 2
"""One lost reply can happen at any time. After two in a row something is broken, and further submits cost money."""


@dataclass(frozen=True, kw_only=True)
class ResumePolicy:
    """What an operator does about the render job of an earlier try of its task.

    :param on_clear: What a clear means for the earlier job. ``adopt_unfinished`` waits for it, and uses its result if
        no try has received that. ``reuse`` also uses a result that a try has received. ``fresh`` always submits a new
        job, and cancels the earlier one if it still queues.
    :param on_changed_input: What to do if the inputs or the connection changed. ``submit`` submits a new job, and
        cancels the earlier one if it still queues. ``submit_after_clear`` does so only if a person has cleared the task
        since, or if the earlier job failed or was cancelled; else it fails the task. ``fail`` fails the task. Defaults
        to ``submit``, and in decorated tasks to ``submit_after_clear``.
    :param on_unknown_submit: What to do if the reply to a submit was lost. ``fail`` fails the task without a retry.
        ``reconcile`` looks for the job in the service's list. It uses the job, submits again if the list proves that
        there is none, or fails and names the jobs in question. ``resubmit`` submits a second time, which may pay twice.
    :param reconcile_after: How long after a submit ``reconcile`` first looks for its job, as a timedelta or in seconds.
        That no job is found counts from then on, but not in the first ten minutes after the submit.
    :raises InputError: a value is not allowed
    """

    on_clear: OnClear = "adopt_unfinished"
    on_changed_input: OnChangedInput | None = None
    on_unknown_submit: OnUnknownSubmit = "fail"
    reconcile_after: timedelta | float = 60.0

    def __post_init__(self) -> None:
        words = {"on_clear": OnClear, "on_changed_input": OnChangedInput, "on_unknown_submit": OnUnknownSubmit}
        for field, literal in words.items():
            chosen = getattr(self, field)
            if chosen not in get_args(literal) and (field, chosen) != ("on_changed_input", None):
                raise InputError(
                    f"{field} is {chosen!r}, allowed is one of {', '.join(get_args(literal))}",
                    remedy=f"Set {field} to one of these.",
                )
        seconds = self.reconcile_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
            raise InputError(
                f"reconcile_after is {self.reconcile_after!r}, allowed is a timedelta or seconds, 0 or more",
                remedy="Set reconcile_after to a value such as timedelta(minutes=1).",
            )

    @property
    def reconcile_seconds(self) -> float:
        """:attr:`reconcile_after` in seconds."""
        after = self.reconcile_after
        return after.total_seconds() if isinstance(after, timedelta) else after


@dataclass(frozen=True, kw_only=True)
class Submit:
    """Submit a new job.

    :param loss: why the earlier job is lost, if that is not recorded yet
    """

    loss: str | None = None


@dataclass(frozen=True, kw_only=True)
class CancelThenSubmit:
    """Cancel the earlier job on its own connection, then submit a new one.

    :param reason: why the earlier job is replaced
    """

    reason: str


@dataclass(frozen=True, kw_only=True)
class QueryJob:
    """Query the status of the earlier job, then decide again."""


@dataclass(frozen=True, kw_only=True)
class FindLostSubmit:
    """Look for the job of the lost submit in the service's list."""


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Wait for the earlier job.

    :param spend: the events to record
    """

    spend: tuple[tuple[SpendEvent, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReturnResult:
    """Return the recorded result of the earlier job.

    :param spend: the events to record
    """

    spend: tuple[tuple[SpendEvent, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class WaitUntil:
    """Decide again at ``moment``, in seconds since the epoch."""

    moment: float


@dataclass(frozen=True, kw_only=True)
class Fail:
    """Raise an error.

    :param loss: why the earlier job is lost, if it is
    """

    error: DashScopeError
    loss: str | None = None


Decision: TypeAlias = "Submit | CancelThenSubmit | QueryJob | FindLostSubmit | Resume | ReturnResult | WaitUntil | Fail"

RecordState = Literal[
    "changed_input",
    "changed_connection",
    "unknown_outcome",
    "unknown_outcome_cleared",
    "replaced_by_clear",
    "unfinished_cleared",
    "submitted",
    "has_result",
]
"""What a record means for a new try:

- ``changed_input``: it is about other inputs
- ``changed_connection``: its job was submitted on a connection to another account
- ``unknown_outcome``: the outcome of the POST is unknown
- ``unknown_outcome_cleared``: the same, and a person has cleared the task since
- ``replaced_by_clear``: a person has cleared the task, and ``on_clear`` asks for a new job
- ``unfinished_cleared``: a person has cleared the task, and no try has seen the result
- ``submitted``: the job exists
- ``has_result``: the result is recorded
"""


def record_state(record: Record, intent: Intent, *, on_clear: OnClear) -> RecordState:
    """The meaning of ``record`` for a try with ``intent``."""
    recorded, current = record.intent.clear_count, intent.clear_count
    if record.intent.has_other_inputs(intent):
        return "changed_input"
    # Before the connection: the lost submit may have created the same video, on whichever account.
    if record.task_id is None:
        return "unknown_outcome" if recorded.max_tries == current.max_tries else "unknown_outcome_cleared"
    # A recorded result needs no account.
    if not record.intent.has_same_account(intent) and record.result is None:
        return "changed_connection"
    if on_clear == "fresh" and recorded != current:
        return "replaced_by_clear"
    # clear_number alone is no evidence: clearing another task of the run raises it too.
    if on_clear == "adopt_unfinished" and recorded.max_tries != current.max_tries:
        return "replaced_by_clear" if record.succeeded else "unfinished_cleared"
    return "submitted" if record.result is None else "has_result"


def decide_resume(
    record: Record | None,
    intent: Intent,
    policy: ResumePolicy,
    *,
    now: float,
    queried: Task | DashScopeError | None = None,
) -> Decision:
    """Decides what a try does next.

    :param record: of the earlier tries
    :param intent: what this try would submit
    :param now: in seconds since the epoch
    :param queried: the reply to the status query of the recorded job, or its error; ``None`` before the query
    """
    if record is None:
        return Submit()
    change = _change(record.intent, intent)
    if change and policy.on_changed_input == "fail":
        return Fail(error=_changed_input(record, change, remedy=_SET_SUBMIT))
    state = record_state(record, intent, on_clear=policy.on_clear)
    if state == "unknown_outcome_cleared":
        return Submit()
    if state == "unknown_outcome":
        return _decide_unknown_outcome(record, policy, now=now)
    if state in ("changed_input", "changed_connection", "replaced_by_clear"):
        if state != "replaced_by_clear" and _is_refused(record, intent, policy.on_changed_input):
            return Fail(error=_changed_input(record, change, remedy=_CLEAR))
        if record.task_id is None or record.ended:
            return Submit()
        return CancelThenSubmit(reason=f"{change or 'The task was cleared'}, so a new job replaces it.")
    if state == "has_result":
        return _decide_result(record, now=now)
    if queried is None:
        return QueryJob()
    return _decide_queried(record, queried, now=now, cleared=state == "unfinished_cleared")


def _change(recorded: Intent, current: Intent) -> str:
    """What a person has changed since the recorded submit, as a sentence; ``""`` if nothing."""
    if not recorded.has_same_account(current):
        return f"The connection changed from {recorded.connection_id!r} to {current.connection_id!r}"
    return "The inputs changed" if recorded.has_other_inputs(current) else ""


def _is_refused(record: Record, intent: Intent, on_changed_input: OnChangedInput | None) -> bool:
    """Whether nobody asked for a second job by a clear, and the earlier one is or may be billed."""
    is_retry = record.intent.clear_count.max_tries == intent.clear_count.max_tries
    return on_changed_input == "submit_after_clear" and is_retry and (record.succeeded or not record.ended)


def _changed_input(record: Record, change: str, *, remedy: str) -> ChangedInputError:
    earlier = f"submitted render job {record.task_id}" if record.task_id else "sent a submit of unknown outcome"
    return ChangedInputError(
        f"{change[0].lower()}{change[1:]} since an earlier try {earlier}",
        remedy=remedy,
    )


def _decide_unknown_outcome(record: Record, policy: ResumePolicy, *, now: float) -> Decision:
    if policy.on_unknown_submit == "fail":
        return Fail(error=outcome_unknown(f"an earlier try sent {submit_of(record)}, and its outcome is unknown"))
    if policy.on_unknown_submit == "resubmit":
        if record.posts < MAX_POSTS:
            return Submit()
        sent = f"{record.posts} submits were sent, the last one being {submit_of(record)}"
        return Fail(error=outcome_unknown(f"{sent}, and the outcome of none is known"))
    visible_at = record.intended_at + policy.reconcile_seconds
    return WaitUntil(moment=visible_at) if now < visible_at else FindLostSubmit()


def _decide_result(record: Record, *, now: float) -> Decision:
    assert record.result is not None
    try:
        check_not_expired(
            f"the result of render job {record.task_id}",
            record.result.get("expires_at"),
            now=datetime.fromtimestamp(now, tz=timezone.utc),
            remedy="The service keeps results for 24 hours. Clear the task with on_clear='fresh' to make a new video, "
            "which is billed again.",
        )
    except ResultExpiredError as error:
        return Fail(error=error, loss="Its result expired before this try could use it.")
    return ReturnResult(spend=(("duplicate_prevented", "Its result is recorded."),))


def _decide_queried(record: Record, queried: Task | DashScopeError, *, now: float, cleared: bool) -> Decision:
    if isinstance(queried, DashScopeError):
        # The wait that follows repeats the query. After a clear, the status decides first; a retry queries it again.
        if not cleared:
            return Resume()
        queried.retryable = True
        return Fail(error=queried)
    submitted_at = record.submitted_at or record.intended_at
    if may_be_too_new(queried, submitted_at=submitted_at, now=now):
        return Resume()
    if queried.status == "UNKNOWN" and not cleared and not has_ended(queried, submitted_at=submitted_at, now=now):
        # One answer is not the end of a paid job. The wait that follows repeats the query.
        return Resume()
    if queried.status == "UNKNOWN" and not _has_expired(record, now=now):
        return Fail(error=_contradiction(queried))
    # A job that has succeeded since the clear is paid, and no try has returned its result.
    if cleared and queried.ended and queried.status != "SUCCEEDED":
        return Submit()
    if _new_job_can_help(queried):
        return Submit(loss=None if record.ended else f"It ended {queried.status}. A new job will be submitted.")
    try:
        queried.raise_for_status()
    except DashScopeError as error:
        return Fail(error=error)
    return Resume(
        spend=(
            ("adopt", f"An earlier try submitted it. It is {queried.stage}."),
            ("duplicate_prevented", "It is not submitted again."),
        )
    )


def _has_expired(record: Record, *, now: float) -> bool:
    """Whether the service need not know the job any more."""
    return now - (record.submitted_at or record.intended_at) > RESULT_LIFE.total_seconds()


def _contradiction(job: Task) -> TaskUnknownError:
    return TaskUnknownError(
        f"the service accepted render job {job.task_id} in the last 24 hours, and does not know it now",
        request_id=job.request_id,
        remedy="It may run and be billed all the same, so no other is submitted, also after a clear. Check that the "
        "connection leads to the account of the submit, and look into the service's list. To buy another video, clear "
        "the task with on_clear='fresh'.",
    )


def _new_job_can_help(job: Task) -> bool:
    if job.status == "CANCELED":
        return True
    try:
        job.raise_for_status()
    except TaskFailedError as error:
        return error.retryable
    except DashScopeError:
        return False
    return False
