"""The decision about an earlier try's job, without a store and without a service."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    ChangedInputError,
    DashScopeError,
    InputError,
    OutcomeUnknownError,
    ResultExpiredError,
    ServerError,
    TaskFailedError,
    TaskUnknownError,
    ThrottledError,
)
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record
from airflow_provider_videoretalk.submission.resume import (
    CancelThenSubmit,
    Decision,
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

NOW = 1_800_000_000.0
INTENT = Intent(
    task_instance="dag/run/retalk/-1",
    connection_id="c",
    fingerprint="f",
    location_fingerprint="l",
    model="videoretalk",
    clear_count=ClearCount(max_tries=1, clear_number=0),
)
CLEARED = replace(INTENT, clear_count=ClearCount(max_tries=3, clear_number=1))
CLEARED_WHILE_RUNNING = replace(INTENT, clear_count=ClearCount(max_tries=1, clear_number=1))
OTHER_INPUT = replace(INTENT, fingerprint="g")
OTHER_CONNECTION = replace(INTENT, connection_id="d")

LOST = Record(intent=INTENT, intended_at=NOW - 100)
SUBMITTED = replace(LOST, task_id="t1", submitted_at=NOW - 99)
RESULT: Any = {"task_id": "t1", "expires_at": "2027-01-16T08:00:00+00:00"}
FINISHED = replace(SUBMITTED, succeeded=True, ended=True, result=RESULT)
SEEN = replace(FINISHED, result=None)


def decide(
    record: Record | None,
    intent: Intent = INTENT,
    *,
    queried: Task | DashScopeError | None = None,
    now: float = NOW,
    **policy: Any,
) -> Decision:
    return decide_resume(record, intent, ResumePolicy(**policy), now=now, queried=queried)


def job(status: str, code: str | None = None) -> Task:
    return Task.parse({"request_id": "q", "output": {"task_id": "t1", "task_status": status, "code": code}})


def failure(decision: Decision) -> DashScopeError:
    assert isinstance(decision, Fail)
    return decision.error


def test_no_record_submits() -> None:
    for policy in ({}, {"on_unknown_submit": "reconcile"}, {"on_changed_input": "fail"}, {"on_clear": "reuse"}):
        assert decide(None, **policy) == Submit()


@pytest.mark.parametrize(
    ("record", "intent", "on_clear", "expected"),
    [
        (SUBMITTED, INTENT, "adopt_unfinished", QueryJob),
        (SUBMITTED, INTENT, "reuse", QueryJob),
        (SUBMITTED, INTENT, "fresh", QueryJob),
        (SUBMITTED, CLEARED, "adopt_unfinished", QueryJob),
        (SUBMITTED, CLEARED, "reuse", QueryJob),
        (SUBMITTED, CLEARED, "fresh", CancelThenSubmit),
        (SUBMITTED, CLEARED_WHILE_RUNNING, "adopt_unfinished", QueryJob),
        (SUBMITTED, CLEARED_WHILE_RUNNING, "fresh", CancelThenSubmit),
        (replace(SUBMITTED, ended=True), CLEARED, "fresh", Submit),
        (FINISHED, INTENT, "adopt_unfinished", ReturnResult),
        (FINISHED, INTENT, "fresh", ReturnResult),
        (FINISHED, CLEARED, "adopt_unfinished", Submit),
        (FINISHED, CLEARED, "reuse", ReturnResult),
        (FINISHED, CLEARED, "fresh", Submit),
        # Clearing another task of the run raises the same number.
        (FINISHED, CLEARED_WHILE_RUNNING, "adopt_unfinished", ReturnResult),
        (SEEN, CLEARED, "adopt_unfinished", Submit),
        (SEEN, CLEARED, "reuse", QueryJob),
        (LOST, CLEARED, "adopt_unfinished", Submit),
        (LOST, CLEARED_WHILE_RUNNING, "adopt_unfinished", Fail),
    ],
)
def test_clears(record: Record, intent: Intent, on_clear: Any, expected: type[Decision]) -> None:
    assert isinstance(decide(record, intent, on_clear=on_clear), expected)


@pytest.mark.parametrize("intent", [OTHER_INPUT, OTHER_CONNECTION])
@pytest.mark.parametrize("cleared", [False, True])
def test_a_change_replaces_the_job(intent: Intent, cleared: bool) -> None:
    if cleared:
        intent = replace(intent, clear_count=CLEARED.clear_count)
    decision = decide(SUBMITTED, intent)
    assert isinstance(decision, CancelThenSubmit)
    named = "from 'c' to 'd'" if intent.connection_id == "d" else "The inputs changed"
    assert named in decision.reason
    # A recorded result needs no account. A job that has ended is not cancelled.
    same_video = intent.connection_id == "d" and not cleared
    assert isinstance(decide(FINISHED, intent), ReturnResult if same_video else Submit)
    for record in (SUBMITTED, FINISHED, LOST):
        error = failure(decide(record, intent, on_changed_input="fail"))
        assert isinstance(error, ChangedInputError)
        assert named.lower() in str(error).lower()


AFTER_CLEAR: dict[str, Any] = {"on_changed_input": "submit_after_clear"}


@pytest.mark.parametrize("record", [LOST, SUBMITTED, FINISHED, SEEN])
@pytest.mark.parametrize("clear_number", [0, 1], ids=["retry", "another task was cleared"])
def test_a_retry_with_other_inputs_pays_for_no_second_job(record: Record, clear_number: int) -> None:
    intent = replace(OTHER_INPUT, clear_count=ClearCount(max_tries=1, clear_number=clear_number))
    error = failure(decide(record, intent, **AFTER_CLEAR))
    assert isinstance(error, ChangedInputError)
    assert not error.retryable
    assert "clear the task to submit a new job" in str(error)


@pytest.mark.parametrize(
    ("record", "expected"), [(LOST, Submit), (SUBMITTED, CancelThenSubmit), (FINISHED, Submit), (SEEN, Submit)]
)
def test_after_a_clear_other_inputs_are_submitted(record: Record, expected: type[Decision]) -> None:
    intent = replace(OTHER_INPUT, clear_count=CLEARED.clear_count)
    assert isinstance(decide(record, intent, **AFTER_CLEAR), expected)


def test_a_job_that_failed_does_not_stand_in_the_way_of_other_inputs() -> None:
    assert decide(replace(SUBMITTED, ended=True), OTHER_INPUT, **AFTER_CLEAR) == Submit()


def test_a_recorded_result_is_used_on_any_connection() -> None:
    assert isinstance(decide(FINISHED, OTHER_CONNECTION, **AFTER_CLEAR), ReturnResult)
    assert isinstance(failure(decide(SUBMITTED, OTHER_CONNECTION, **AFTER_CLEAR)), ChangedInputError)


@pytest.mark.parametrize("on_clear", ["adopt_unfinished", "reuse", "fresh"])
def test_the_same_inputs_are_resumed_as_ever(on_clear: Any) -> None:
    for record, intent in ((SUBMITTED, INTENT), (FINISHED, CLEARED), (SUBMITTED, CLEARED_WHILE_RUNNING)):
        decided = decide(record, intent, on_clear=on_clear, **AFTER_CLEAR)
        assert decided == decide(record, intent, on_clear=on_clear)


def test_other_inputs_may_be_submitted_whatever_became_of_the_lost_submit() -> None:
    assert decide(LOST, OTHER_INPUT) == Submit()


def test_the_same_video_on_another_connection_may_not() -> None:
    assert isinstance(failure(decide(LOST, OTHER_CONNECTION)), OutcomeUnknownError)
    assert decide(LOST, OTHER_CONNECTION, on_unknown_submit="reconcile") == FindLostSubmit()


@pytest.mark.parametrize(
    ("recorded", "current", "changed"),
    [
        ((None, "l"), ("f", "l"), False),
        ((None, "l"), ("f", "m"), True),
        (("f", "l"), (None, "m"), True),
        (("f", None), (None, "m"), False),
        (("f", "l"), ("f", "m"), False),
        (("f", "l"), ("g", "l"), True),
    ],
)
def test_inputs_that_cannot_be_read_are_compared_by_location(recorded: Any, current: Any, changed: bool) -> None:
    def with_inputs(fingerprints: Any) -> Intent:
        return replace(INTENT, fingerprint=fingerprints[0], location_fingerprint=fingerprints[1])

    assert with_inputs(recorded).has_other_inputs(with_inputs(current)) is changed
    decision = decide(replace(SUBMITTED, intent=with_inputs(recorded)), with_inputs(current))
    assert isinstance(decision, CancelThenSubmit if changed else QueryJob)


def test_unknown_outcomes() -> None:
    assert isinstance(failure(decide(LOST)), OutcomeUnknownError)
    assert decide(LOST, on_unknown_submit="resubmit") == Submit()
    error = failure(decide(replace(LOST, posts=2), on_unknown_submit="resubmit"))
    assert isinstance(error, OutcomeUnknownError)
    assert not error.retryable
    reconcile: dict[str, Any] = {"on_unknown_submit": "reconcile", "reconcile_after": timedelta(seconds=60)}
    assert decide(LOST, now=LOST.intended_at + 59, **reconcile) == WaitUntil(moment=LOST.intended_at + 60)
    assert decide(LOST, now=LOST.intended_at + 60, **reconcile) == FindLostSubmit()
    # By default the list is not trusted at once.
    by_default = WaitUntil(moment=LOST.intended_at + 60)
    assert decide(LOST, now=LOST.intended_at + 59, on_unknown_submit="reconcile") == by_default
    at_once: dict[str, Any] = {"on_unknown_submit": "reconcile", "reconcile_after": 0}
    assert decide(LOST, now=LOST.intended_at, **at_once) == FindLostSubmit()


def test_an_expired_result_is_a_loss() -> None:
    assert isinstance(decide(FINISHED, now=NOW + 86_399), ReturnResult)
    decision = decide(FINISHED, now=NOW + 86_400)
    assert isinstance(failure(decision), ResultExpiredError)
    assert isinstance(decision, Fail)
    assert decision.loss
    assert isinstance(decide(replace(FINISHED, result={**RESULT, "expires_at": None})), ReturnResult)


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "PRE-PROCESSING", "SUCCEEDED"])
@pytest.mark.parametrize("intent", [INTENT, CLEARED])
def test_a_job_that_can_still_give_a_result_is_resumed(status: str, intent: Intent) -> None:
    decision = decide(SUBMITTED, intent, queried=job(status))
    assert isinstance(decision, Resume)
    assert [event for event, _ in decision.spend] == ["adopt", "duplicate_prevented"]


def test_a_failed_job() -> None:
    again = decide(SUBMITTED, queried=job("FAILED", "InternalError.Algo"))
    assert isinstance(again, Submit)
    assert again.loss
    assert decide(replace(SUBMITTED, ended=True), queried=job("FAILED", "InternalError.Algo")) == Submit()
    assert isinstance(decide(SUBMITTED, queried=job("CANCELED")), Submit)
    for code in ("InvalidFile.FPS", None):
        assert isinstance(failure(decide(SUBMITTED, queried=job("FAILED", code))), TaskFailedError)
        # A person who clears wants another one.
        assert decide(SUBMITTED, CLEARED, queried=job("FAILED", code)) == Submit()


def test_a_job_that_the_service_does_not_know() -> None:
    young = replace(SUBMITTED, submitted_at=NOW - 59)
    for intent in (INTENT, CLEARED):
        assert decide(young, intent, queried=job("UNKNOWN")) == Resume()
    # One answer is not the end of a paid job: the wait that follows repeats the query.
    assert decide(SUBMITTED, queried=job("UNKNOWN")) == Resume()
    error = failure(decide(SUBMITTED, CLEARED, queried=job("UNKNOWN")))
    assert isinstance(error, TaskUnknownError)
    assert "t1 in the last 24 hours, and does not know it now" in error.message
    assert error.request_id == "q"
    assert "on_clear='fresh'" in error.remedy
    assert isinstance(decide(SUBMITTED, CLEARED, on_clear="fresh"), CancelThenSubmit), "the person's way out"
    of_a_day = replace(SUBMITTED, submitted_at=NOW - 86_400)
    assert isinstance(failure(decide(of_a_day, CLEARED, queried=job("UNKNOWN"))), TaskUnknownError)
    forgotten = replace(SUBMITTED, submitted_at=NOW - 86_401)
    assert isinstance(failure(decide(forgotten, queried=job("UNKNOWN"))), TaskUnknownError)
    assert decide(forgotten, CLEARED, queried=job("UNKNOWN")) == Submit()


def test_one_account_behind_two_connections_is_no_change() -> None:
    """The key has one id wherever it stands; a connection whose key was replaced stays the same account."""
    mine, recorded = (
        replace(OTHER_CONNECTION, account_id="k"),
        replace(SUBMITTED, intent=replace(INTENT, account_id="k")),
    )
    assert decide(recorded, mine) == QueryJob()
    assert isinstance(decide(recorded, replace(mine, account_id="another")), CancelThenSubmit)
    assert decide(recorded, replace(INTENT, account_id="rotated")) == QueryJob()


@pytest.mark.parametrize("error", [ServerError("m"), ThrottledError("m"), AccessError("m")])
def test_a_query_that_fails_never_submits(error: DashScopeError) -> None:
    """Nor does it end the task for good: the job is paid, and a retry queries it again."""
    assert decide(SUBMITTED, queried=error) == Resume()
    assert failure(decide(SUBMITTED, CLEARED, queried=error)) is error
    assert error.retryable


@pytest.mark.parametrize(
    "arguments",
    [
        {"on_clear": "maybe"},
        {"on_changed_input": "adopt"},
        {"on_unknown_submit": "guess"},
        {"on_unknown_submit": None},
        {"reconcile_after": -1},
        {"reconcile_after": float("inf")},
        {"reconcile_after": float("nan")},
        {"reconcile_after": "soon"},
        {"reconcile_after": True},
    ],
)
def test_policies_are_checked(arguments: dict[str, Any]) -> None:
    ((field, _),) = arguments.items()
    with pytest.raises(InputError, match=f"^{field} is .*, allowed is"):
        ResumePolicy(**arguments)
