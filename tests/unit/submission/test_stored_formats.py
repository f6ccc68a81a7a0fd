"""What this release stores, as literal samples: a change here changes what the next release must be able to read."""

from __future__ import annotations

import copy
import hashlib
import json
import uuid
from collections.abc import Callable
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException, Stats, TaskDeferred
from airflow.sdk import Variable
from connections import connect
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore

from airflow_provider_videoretalk.airflow_adapters.job_metrics import record_spend
from airflow_provider_videoretalk.airflow_adapters.variable_store import VariableStore
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, QueueTimeoutError, StateReadError
from airflow_provider_videoretalk.dashscope.service_clock import TimeSpan
from airflow_provider_videoretalk.dashscope.task import Submission, Task
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob, awaited_of, event_of, task_of
from airflow_provider_videoretalk.submission.admission import Admission, HeldBackError, JobToSubmit
from airflow_provider_videoretalk.submission.admitting_triggerers import AdmittingTriggerers
from airflow_provider_videoretalk.submission.enrollment_turn import EnrollmentTurn
from airflow_provider_videoretalk.submission.ledger import Ledger
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry
from airflow_provider_videoretalk.submission.spend_event import SpendEvent
from airflow_provider_videoretalk.triggers.admission import AdmissionTrigger
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger
from airflow_provider_videoretalk.triggers.retry_later import RetryLaterTrigger

NOW = 1_800_000_000.25
TASK_INSTANCE = "dag/run/retalk/-1"

# sha256("dag/run/retalk/-1"), sha256("dashscope_default") and sha256("dashscope_default/videoretalk"), 16 digits each.
TASK_INSTANCE_HASH, CONNECTION_HASH, QUEUE_HASH = "2997e5c05df7ba07", "e0e9b434ecf3314f", "7b48f57abb61fb30"

# sha256("dashscope_default/abcdefgh2").
VOICE_HASH = "ec4783824363453f"

TASK_STATE_KEY = "dashscope_submission"
ACCOUNT_HASH = "a10a9fcdcfadf93c"
SUBMISSION_VARIABLE = "dashscope_submission_2997e5c05df7ba07_a10a9fcdcfadf93c_1800000000250"
ADMISSION_VARIABLE = "dashscope_admission_v2_7b48f57abb61fb30_00000000000000aa_1800003600250"
ENROLLMENT_VARIABLE = f"dashscope_enrollment_v1_{VOICE_HASH}_{TASK_INSTANCE_HASH}_1_1800000600250"

RESULT = {
    "task_id": "t1",
    "request_id": "r1",
    "status": "SUCCEEDED",
    "video_url": "https://results.example.com/1.mp4",
    "expires_at": "2027-01-16T08:00:00+00:00",
    "billed_seconds": 7.5,
    "usage": {"video_duration": 7.5},
    "submitted_at": "2027-01-15T08:00:00+00:00",
    "started_at": "2027-01-15T08:00:10+00:00",
    "finished_at": "2027-01-15T08:01:00+00:00",
    "queue_seconds": 10.0,
    "render_seconds": 50.0,
}
INTENT = {
    "task_instance": "dag/run/retalk/-1",
    "connection_id": "dashscope_default",
    "fingerprint": "aa11",
    "clear_count": {"max_tries": 1, "clear_number": 0},
    "model": "videoretalk",
    "location_fingerprint": "bb22",
    "expected_seconds": 7.5,
    "cost_estimate": {"estimated_cost": 0.6, "currency": "CNY"},
    "account_id": "cc33",
}
INTENDED = {
    "version": 1,
    "intent": INTENT,
    "intended_at": 1_800_000_000.25,
    "posts": 1,
    "task_id": None,
    "request_id": None,
    "submitted_at": None,
    "succeeded": False,
    "ended": False,
    "render_seconds": None,
    "billed_seconds": None,
    "result": None,
    "service_time": {"earliest": 1_800_000_001.5, "latest": 1_800_000_003.75},
}
SUBMITTED = INTENDED | {"task_id": "t1", "request_id": "r1", "submitted_at": 1_800_000_001.25}
FINISHED = SUBMITTED | {
    "succeeded": True,
    "ended": True,
    "render_seconds": 50.0,
    "billed_seconds": 7.5,
    "result": RESULT,
}
# The least that a record of version 1 has.
MINIMAL = {
    "version": 1,
    "intent": {
        "task_instance": "dag/run/retalk/-1",
        "connection_id": "dashscope_default",
        "fingerprint": None,
        "clear_count": {"max_tries": 1, "clear_number": 0},
        "model": "videoretalk",
    },
    "intended_at": 1_800_000_000,
}

JOB = {
    "task_id": "t1",
    "request_id": "r1",
    "submitted_at": 1_800_000_001.25,
    "expected_seconds": 7.5,
    "cost_estimate": {"currency": "CNY"},
}
REPLY = {"request_id": "q1", "output": {"task_id": "t1", "task_status": "SUCCEEDED"}, "usage": {"video_duration": 7.5}}
EVENT = {"version": 1, "job": JOB, "reply": REPLY}
ERROR_EVENT = {
    "version": 1,
    "job": JOB,
    "error": {
        "type": "QueueTimeoutError",
        "message": "late",
        "code": "",
        "request_id": None,
        "status": None,
        "retryable": False,
        "retry_after": None,
        "remedy": "Wait.",
    },
}


def intent() -> Intent:
    return Intent(
        task_instance=TASK_INSTANCE,
        connection_id="dashscope_default",
        fingerprint="aa11",
        clear_count=ClearCount(max_tries=1, clear_number=0),
        model="videoretalk",
        location_fingerprint="bb22",
        expected_seconds=7.5,
        cost_estimate={"estimated_cost": 0.6, "currency": "CNY"},
        account_id="cc33",
    )


def stored(value: Any) -> Any:
    """A value after Airflow has stored it as JSON."""
    return json.loads(json.dumps(value))


def with_unknown_fields(value: Any) -> Any:
    """The same, as a later release with more fields would write it."""
    if isinstance(value, dict):
        return {name: with_unknown_fields(part) for name, part in value.items()} | {"invented_later": [1]}
    return value


def test_records() -> None:
    """The states of one submit, in the task state store and in the shared Variable, which has no result."""
    state, variables = TaskStateStore(), TaskStateStore()
    ledger = Ledger(state, SubmissionRegistry(variables, clock=lambda: NOW))
    ledger.record_intent(intent(), now=NOW, service_time=TimeSpan(earliest=NOW + 1.25, latest=NOW + 3.5))
    assert stored(dict(state)) == {TASK_STATE_KEY: INTENDED}
    assert stored(dict(variables)) == {SUBMISSION_VARIABLE: INTENDED}
    ledger.record_job(Submission(task_id="t1", request_id="r1"), now=NOW + 1)
    assert stored(dict(state)) == {TASK_STATE_KEY: SUBMITTED}
    assert stored(dict(variables)) == {SUBMISSION_VARIABLE: SUBMITTED}
    ledger.record_result(copy.deepcopy(RESULT))  # type: ignore[arg-type]
    assert stored(dict(state)) == {TASK_STATE_KEY: FINISHED}
    assert stored(dict(variables)) == {SUBMISSION_VARIABLE: FINISHED | {"result": None}}


@pytest.mark.parametrize("sample", [INTENDED, SUBMITTED, FINISHED])
def test_records_are_read_back(sample: dict[str, Any]) -> None:
    assert stored(Record.parse(sample, name="n").to_json()) == sample
    state, variables = TaskStateStore({TASK_STATE_KEY: sample}), TaskStateStore({SUBMISSION_VARIABLE: sample})
    registry = SubmissionRegistry(variables)
    assert Ledger(state, registry).load(intent()) == Record.parse(sample, name="n")
    assert registry.latest(TASK_INSTANCE) == Record.parse(sample, name="n")
    assert registry.read(since=NOW, until=NOW) == ([Record.parse(sample, name="n")], {})


def test_unknown_fields_of_a_record_are_ignored() -> None:
    later = with_unknown_fields(FINISHED)
    assert later["intent"]["clear_count"]["invented_later"]
    kept = Record.parse(later, name="n").to_json()
    # These two are handed through whole.
    kept["intent"]["cost_estimate"] = INTENT["cost_estimate"]
    kept["result"] = RESULT
    assert stored(kept) == FINISHED


def test_missing_optional_fields_of_a_record_have_their_defaults() -> None:
    record = Record.parse(MINIMAL, name="n")
    assert stored(record.to_json()) == INTENDED | {
        "intent": INTENT
        | {"fingerprint": None, "location_fingerprint": None, "expected_seconds": None, "cost_estimate": {}}
        | {"account_id": None},
        "intended_at": 1_800_000_000.0,
        "service_time": None,
    }


@pytest.mark.parametrize("missing", ["intent", "intended_at", "version"])
@pytest.mark.parametrize("within", ["record", "intent"])
def test_required_fields_of_a_record(missing: str, within: str) -> None:
    damaged = copy.deepcopy(MINIMAL)
    if within == "intent":
        missing = {"intent": "task_instance", "intended_at": "clear_count", "version": "model"}[missing]
        del damaged["intent"][missing]  # type: ignore[attr-defined]
    else:
        del damaged[missing]
    with pytest.raises(StateReadError, match=f"the n cannot be read: .*{missing}"):
        Record.parse(damaged, name="n")


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"version": 0},
        {"version": "1"},
        {"version": True},
        {"version": None},
        {"intent": None},
        {"intended_at": None},
        {"intended_at": True},
        {"intended_at": -1},
        {"intended_at": float("nan")},
        {"intended_at": 10**400},
        {"posts": 1.5},
        {"task_id": 7},
        {"task_id": "", "result": None},
        {"succeeded": 1},
        {"result": []},
        {"result": RESULT | {"task_id": "another"}},
        {"result": RESULT | {"expires_at": "soon"}},
        {"result": RESULT | {"expires_at": 5}},
        {"intent": INTENT | {"clear_count": {"max_tries": "1", "clear_number": 0}}},
        {"intent": INTENT | {"cost_estimate": None}},
    ],
    ids=str,
)
def test_damage_is_neither_a_record_nor_none(damage: dict[str, Any]) -> None:
    sample = FINISHED | damage
    registry = SubmissionRegistry(TaskStateStore({SUBMISSION_VARIABLE: sample}))
    with pytest.raises(StateReadError, match=f"task state {TASK_STATE_KEY} cannot be read") as caught:
        Ledger(TaskStateStore({TASK_STATE_KEY: sample}), registry).load(intent())
    assert not caught.value.retryable
    assert TASK_STATE_KEY in caught.value.remedy
    assert "results.example.com" not in str(caught.value)
    with pytest.raises(StateReadError, match=f"Variable {SUBMISSION_VARIABLE} cannot be read"):
        registry.latest(TASK_INSTANCE)
    assert registry.read() == ([], {SUBMISSION_VARIABLE: NOW})


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["t1", 1, {}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def damaged(sample: dict[str, Any]) -> st.SearchStrategy[Any]:
    """The sample with some of its values, at any depth, replaced or removed; or anything else."""

    def change(value: Any, draw: st.DrawFn) -> Any:
        if isinstance(value, dict):
            kept = {name: part for name, part in value.items() if draw(st.integers(0, 9))}
            return {name: change(part, draw) for name, part in kept.items()}
        return value if draw(st.integers(0, 5)) else draw(JSON_VALUES)

    @st.composite
    def samples(draw: st.DrawFn) -> Any:
        return change(sample, draw)

    return samples() | JSON_VALUES


@settings(max_examples=400)
@given(value=damaged(FINISHED))
def test_any_json_is_a_record_or_a_typed_error(value: Any) -> None:
    try:
        record = Record.parse(value, name="n")
    except StateReadError:
        return
    # Whatever was read can be written, compared with an intent, and read again.
    assert Record.parse(record.to_json(), name="n") == record
    assert record.intent.has_other_inputs(record.intent) is False
    registry = SubmissionRegistry(TaskStateStore())
    registry.write(record)
    assert registry.latest(record.intent.task_instance) is not None


@settings(max_examples=300)
@given(value=damaged(EVENT) | damaged(ERROR_EVENT))
def test_any_json_is_an_event_or_a_typed_error(value: Any) -> None:
    for read in (awaited_of, task_of):
        try:
            read(value)
        except DashScopeError:
            continue


def test_admission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID("00000000-0000-00aa-0000-000000000000"))
    variables = TaskStateStore()
    AdmittingTriggerers(variables, "dashscope_default", model="videoretalk", clock=lambda: NOW).enter()
    assert dict(variables) == {ADMISSION_VARIABLE: "A triggerer holds submits of this account back."}


def test_turns_to_enrol() -> None:
    variables = TaskStateStore()
    turn = EnrollmentTurn(
        variables, account="dashscope_default", voice="abcdefgh2", task_instance=TASK_INSTANCE, clock=lambda: NOW
    )
    turn.has_come()
    assert dict(variables) == {ENROLLMENT_VARIABLE: TASK_INSTANCE}


FOREIGN = [
    "dashscope_submission_",
    "dashscope_submission_notes",
    f"dashscope_submission_{TASK_INSTANCE_HASH}_1800000000250",
    f"dashscope_submission_{TASK_INSTANCE_HASH}_{ACCOUNT_HASH}_",
    f"dashscope_submission_{TASK_INSTANCE_HASH}_{ACCOUNT_HASH}_soon",
    f"dashscope_submission_{TASK_INSTANCE_HASH}_{ACCOUNT_HASH}_١٢",
    f"dashscope_submission_{TASK_INSTANCE_HASH}_{ACCOUNT_HASH}_1_2",
    f"dashscope_submission_{TASK_INSTANCE_HASH}_{ACCOUNT_HASH}_1\n",
    f"dashscope_submission_{TASK_INSTANCE_HASH.upper()}_{ACCOUNT_HASH}_1",
    f"dashscope_submission_{TASK_INSTANCE_HASH}_{ACCOUNT_HASH}_{'9' * 40}",
    "dashscope_admission_v2_",
    f"dashscope_admission_v2_{QUEUE_HASH}_notes",
    f"dashscope_admission_v2_{QUEUE_HASH}_{'0' * 16}_soon",
    f"dashscope_admission_v2_{QUEUE_HASH}_{'0' * 16}_9000000000000_2",
    f"dashscope_admission_v2_{QUEUE_HASH}_1_9000000000000",
    f"dashscope_admission_v1_{CONNECTION_HASH}_1_9000000000000_{TASK_INSTANCE_HASH}",
    f"dashscope_admission_v3_{QUEUE_HASH}_{'0' * 16}_9000000000000",
    "dashscope_enrollment_v1_",
    f"dashscope_enrollment_v1_{VOICE_HASH}_{'0' * 16}_0_soon",
    f"dashscope_enrollment_v1_{VOICE_HASH}_{'0' * 16}_9000000000000",
    f"dashscope_enrollment_v1_{VOICE_HASH}_{'0' * 16}_0_9000000000000_2",
    f"dashscope_enrollment_v2_{VOICE_HASH}_{'0' * 16}_0_9000000000000",
]


def test_foreign_variables_are_skipped_and_stay() -> None:
    variables = TaskStateStore(dict.fromkeys(FOREIGN, "mine"))
    registry = SubmissionRegistry(variables, clock=lambda: NOW)
    triggerers = AdmittingTriggerers(variables, "dashscope_default", model="videoretalk", clock=lambda: NOW)
    turn = EnrollmentTurn(
        variables, account="dashscope_default", voice="abcdefgh2", task_instance=TASK_INSTANCE, clock=lambda: NOW
    )
    assert registry.read() == ([], {})
    assert registry.queued_at_most("dashscope_default", since=0.0, reads=3) == 0
    assert registry.latest(TASK_INSTANCE) is None
    registry.drop_old()
    assert turn.has_come()
    turn.end()
    assert triggerers.enter() == 0
    triggerers.leave()
    assert list(variables) == FOREIGN


def test_unreadable_records_are_named_in_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    other = f"dashscope_submission_{'0' * 16}_{ACCOUNT_HASH}_1800000000251"
    variables = TaskStateStore({SUBMISSION_VARIABLE: SUBMITTED, other: {"version": 2}, f"{other}1": "text"})
    assert SubmissionRegistry(variables).records() == [Record.parse(SUBMITTED, name="n")]
    (message,) = [record.getMessage() for record in caplog.records]
    assert f"2 records of other submits that this release cannot read: {other}, {other}1" in message


def test_a_record_under_another_task_instances_key_is_not_its_own() -> None:
    moved = SUBMITTED | {"intent": INTENT | {"task_instance": "another/run/retalk/-1"}}
    with pytest.raises(StateReadError, match="it is about another task instance"):
        SubmissionRegistry(TaskStateStore({SUBMISSION_VARIABLE: moved})).latest(TASK_INSTANCE)


def test_variables_are_json_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: dict[str, str] = {"damaged": '{"version": 1', "null": "null"}
    monkeypatch.setattr(Variable, "get", lambda key, default: texts.get(key, default))

    def write(key: str, value: Any, description: str, serialize_json: bool) -> None:
        assert (serialize_json, "airflow-provider-videoretalk" in description) == (True, True)
        texts[key] = json.dumps(value)

    monkeypatch.setattr(Variable, "set", write)
    store = VariableStore()
    store.set(SUBMISSION_VARIABLE, SUBMITTED)
    assert json.loads(texts[SUBMISSION_VARIABLE]) == store.get(SUBMISSION_VARIABLE) == SUBMITTED
    assert store.get("missing", "default") == "default"
    assert store.get("null", "default") is None, "which is no record, and not a missing one"
    with pytest.raises(StateReadError, match="Variable damaged cannot be read: it is not JSON"):
        store.get("damaged")


TRIGGERS: list[Any] = [
    pytest.param(
        lambda: DashScopeTaskTrigger(
            dashscope_conn_id="dashscope_default",
            dashscope_task_id="t1",
            submitted_at=1_800_000_001.25,
            request_id="r1",
            poll_policy={"poll_interval": 4.0},
            expected_seconds=7.5,
            cost_estimate={"currency": "CNY"},
        ),
        "airflow_provider_videoretalk.triggers.dashscope.DashScopeTaskTrigger",
        {
            "version": 1,
            "dashscope_conn_id": "dashscope_default",
            "dashscope_task_id": "t1",
            "submitted_at": 1_800_000_001.25,
            "request_id": "r1",
            "poll_policy": {"poll_interval": 4.0},
            "cancel_on_kill": True,
            "expected_seconds": 7.5,
            "cost_estimate": {"currency": "CNY"},
        },
        id="wait",
    ),
    pytest.param(
        lambda: RetryLaterTrigger(moment=1_800_000_005.25, note={"refusals": 2, "since": 1_800_000_000.25}),
        "airflow_provider_videoretalk.triggers.retry_later.RetryLaterTrigger",
        {"version": 1, "moment": 1_800_000_005.25, "note": {"refusals": 2, "since": 1_800_000_000.25}},
        id="retry later",
    ),
    pytest.param(
        lambda: AdmissionTrigger(
            dashscope_conn_id="dashscope_default",
            model="videoretalk",
            held_since=1_800_000_000.25,
            limit=10_800.0,
            expected_seconds=7.5,
            deadline=1_800_003_600.25,
        ),
        "airflow_provider_videoretalk.triggers.admission.AdmissionTrigger",
        {
            "version": 1,
            "dashscope_conn_id": "dashscope_default",
            "model": "videoretalk",
            "held_since": 1_800_000_000.25,
            "limit": 10_800.0,
            "expected_seconds": 7.5,
            "deadline": 1_800_003_600.25,
        },
        id="admission",
    ),
]


@pytest.mark.parametrize(("make", "path", "arguments"), TRIGGERS)
def test_triggers(make: Callable[[], Any], path: str, arguments: dict[str, Any]) -> None:
    assert stored(make().serialize()) == [path, arguments]
    again = resolve_name(path)(**arguments, invented_later=1)
    assert stored(again.serialize()) == [path, arguments]


def test_the_triggers_optional_arguments() -> None:
    trigger = DashScopeTaskTrigger(dashscope_conn_id="dashscope_default", dashscope_task_id="t1")
    assert stored(trigger.serialize()[1]) == {
        "version": 1,
        "dashscope_conn_id": "dashscope_default",
        "dashscope_task_id": "t1",
        "submitted_at": 0.0,
        "request_id": None,
        "poll_policy": {},
        "cancel_on_kill": True,
    }


def test_events() -> None:
    awaited = AwaitedJob(**JOB)  # type: ignore[arg-type]
    assert stored(event_of(Task.parse(REPLY), awaited)) == EVENT
    assert stored(event_of(QueueTimeoutError("late", remedy="Wait."), awaited)) == ERROR_EVENT
    assert awaited_of(EVENT) == awaited
    assert awaited_of(EVENT | {"job": JOB | {"invented_later": 1}, "invented_later": 1}) == awaited
    assert task_of(EVENT | {"invented_later": 1}) == Task.parse(REPLY)
    assert awaited_of({"version": 1, "job": {"task_id": "t1"}}) == AwaitedJob(task_id="t1")
    for error in ({"type": "QueueTimeoutError", "message": "late"}, ERROR_EVENT["error"] | {"invented_later": 1}):
        with pytest.raises(QueueTimeoutError, match="late"):
            task_of({"version": 1, "error": error})


@pytest.mark.parametrize("damage", [{"version": 2}, {"version": None}, {"version": "1"}, {"version": True}])
def test_events_of_another_version(damage: dict[str, Any]) -> None:
    for read in (awaited_of, task_of):
        with pytest.raises(StateReadError, match=r"version .*, allowed is 1 in this release.*clear the task"):
            read(EVENT | damage)


def test_the_note_of_a_deferral_and_the_methods_it_resumes(service: HTTPServer, context: dict[str, Any]) -> None:
    service.expect_request("/api/v1/services/aigc/image2video/video-synthesis").respond_with_json(
        {"code": "Throttling", "message": "m"}, status=429, headers={"Retry-After": "60"}
    )
    with pytest.raises(TaskDeferred) as deferred:
        retalk().execute(context)
    assert deferred.value.method_name == "execute_again"
    assert deferred.value.trigger.note.keys() == {"refusals", "since"}


def retalk(**arguments: Any) -> VideoRetalkOperator:
    given = {"video_url": "https://h/a.mp4", "audio_url": "https://h/a.wav", "preflight": "off", "deferrable": True}
    return VideoRetalkOperator(task_id="retalk", **given | arguments)


def test_xcom_keys(
    service: HTTPServer,
    context: dict[str, Any],
    variables: TaskStateStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service.expect_request("/api/v1/services/aigc/image2video/video-synthesis").respond_with_json(
        {"request_id": "r1", "output": {"task_id": "t1", "task_status": "PENDING"}}
    )
    pushed = context["ti"].pushed
    with pytest.raises(AirflowSkipException):
        retalk(dry_run=True).execute(context)
    assert pushed.keys() == {"dashscope_dry_run"}
    pushed.clear()

    def hold_back(admission: Admission, intent: Intent, *, now: float) -> None:
        job = JobToSubmit(model=intent.model, limit=600.0)
        raise HeldBackError("later", job=job, expected_start=now + 3600)

    with monkeypatch.context() as patch:
        patch.setattr(Admission, "check", hold_back)
        with pytest.raises(TaskDeferred):
            retalk().execute(context)
    assert pushed.keys() == {"dashscope_expected_start"}
    assert isinstance(pushed["dashscope_expected_start"], float)
    pushed.clear()
    with pytest.raises(TaskDeferred) as deferred:
        retalk().execute(context)
    assert pushed.keys() == {"dashscope_task_id", "videoretalk_watch"}
    assert pushed["dashscope_task_id"] == "t1"
    assert deferred.value.method_name == "execute_complete"
    # What the operator stores is in the formats above.
    assert context["task_state_store"].keys() == {"dashscope_submission"}
    record = context["task_state_store"]["dashscope_submission"]
    assert record.keys() == INTENDED.keys()
    assert record["intent"].keys() == INTENT.keys()
    assert record["intent"]["task_instance"] == TASK_INSTANCE
    assert record["intent"]["connection_id"] == "dashscope_default"
    (key,) = (key for key in variables if key.startswith("dashscope_submission_"))
    account = hashlib.sha256(record["intent"]["account_id"].encode()).hexdigest()[:16]
    assert key == f"dashscope_submission_{TASK_INSTANCE_HASH}_{account}_{record['intended_at'] * 1000:.0f}"


def test_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    lines: list[str] = []
    monkeypatch.setattr(Stats, "incr", lambda name, amount, tags: counted.append(name))
    log = SimpleNamespace(info=lambda text, *values: lines.append(text % values))
    for event in get_args(SpendEvent):
        record_spend(log, event, "t1", "why", tags={})  # type: ignore[arg-type]
    assert counted == [
        "videoretalk.submit",
        "videoretalk.adopt",
        "videoretalk.duplicate_prevented",
        "videoretalk.cancel",
        "videoretalk.cancelled",
        "videoretalk.loss",
        "videoretalk.lost_reply",
        "videoretalk.in_doubt",
    ]
    assert lines[0] == "spend submit task_id=t1 why"


def test_the_default_connection_is_the_one_of_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host="http://127.0.0.1:9")
    assert retalk().dashscope_conn_id == INTENT["connection_id"]
