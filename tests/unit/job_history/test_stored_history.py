"""The history as it is stored: literal samples, what a later release adds, and damage."""

from __future__ import annotations

import base64
import copy
import json
import zlib
from datetime import date
from typing import Any

import pytest
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.errors import StateReadError
from airflow_provider_videoretalk.job_history.day_document import pack_day, unpack_day
from airflow_provider_videoretalk.job_history.fact_keys import FactKey
from airflow_provider_videoretalk.job_history.facts import FactKind, JobReport, Published, Submitted, read_fact
from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.job_history.job_record import JobRecord

NOW = 1_800_000_000.25
DAY = date(2027, 1, 15)

# sha256("dag/run/retalk/-1") and sha256("t1"), 16 digits each.
SUBMIT, JOB = "2997e5c05df7ba07-1800000000250", "628b49d96dcde97a"

SUBMITTED = Submitted(
    task_instance="dag/run/retalk/-1",
    connection_id="dashscope_default",
    model="videoretalk",
    intended_at=NOW,
    job_id="t1",
    request_id="r1",
    submitted_at=NOW + 1,
    account_id="ab12",
    label="monday",
    expected_seconds=7.5,
    estimated_cost=0.6,
    currency="CNY",
    price={"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"},
)
ENDED = JobReport(
    job_id="t1",
    status="SUCCEEDED",
    reported_at=NOW + 60,
    billed_seconds=7.5,
    cost=0.6,
    currency="CNY",
    expires_at=NOW + 86460,
    task_instance="dag/run/retalk/-1",
)
CHECKED = JobReport(
    job_id="t1", status="FAILED", reported_at=NOW + 90, billed_seconds=0.0, code="E", task_state="failed"
)
PUBLISHED = Published(job_id="t1", uri="s3://aws_default@videos/t1.mp4", published_at=NOW + 120)
RECORD = JobRecord(submitted=SUBMITTED, ended=ENDED, published=PUBLISHED, checked=CHECKED)

STORED: dict[str, dict[str, Any]] = {
    f"dashscope_history_20270115_{SUBMIT}_submitted": {
        "version": 1,
        "task_instance": "dag/run/retalk/-1",
        "connection_id": "dashscope_default",
        "model": "videoretalk",
        "intended_at": 1_800_000_000.25,
        "job_id": "t1",
        "request_id": "r1",
        "submitted_at": 1_800_000_001.25,
        "account_id": "ab12",
        "label": "monday",
        "expected_seconds": 7.5,
        "estimated_cost": 0.6,
        "currency": "CNY",
        "price": {"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"},
    },
    f"dashscope_history_20270115_{JOB}_ended": {
        "version": 1,
        "job_id": "t1",
        "status": "SUCCEEDED",
        "reported_at": 1_800_000_060.25,
        "billed_seconds": 7.5,
        "cost": 0.6,
        "currency": "CNY",
        "expires_at": 1_800_086_460.25,
        "task_instance": "dag/run/retalk/-1",
    },
    f"dashscope_history_20270115_{JOB}_published": {
        "version": 1,
        "job_id": "t1",
        "uri": "s3://aws_default@videos/t1.mp4",
        "published_at": 1_800_000_120.25,
    },
    f"dashscope_history_20270115_{JOB}_checked": {
        "version": 1,
        "job_id": "t1",
        "status": "FAILED",
        "reported_at": 1_800_000_090.25,
        "billed_seconds": 0.0,
        "code": "E",
        "task_state": "failed",
    },
}
MINIMAL: dict[FactKind, dict[str, Any]] = {
    "submitted": {"version": 1, "task_instance": "d/r/t/-1", "connection_id": "c", "model": "m", "intended_at": 1},
    "ended": {"version": 1, "job_id": "t1", "status": "FAILED", "reported_at": 1},
    "published": {"version": 1, "job_id": "t1", "uri": "s3://b/k", "published_at": 1},
    "checked": {"version": 1, "job_id": "t1", "status": "FAILED", "reported_at": 1},
}


@pytest.fixture
def store() -> TaskStateStore:
    return TaskStateStore()


@pytest.fixture
def history(store: TaskStateStore) -> JobHistory:
    return JobHistory(store, clock=lambda: NOW + 120)


def test_what_is_stored(history: JobHistory, store: TaskStateStore) -> None:
    history.note("submitted", SUBMITTED)
    history.note("ended", ENDED)
    history.note("published", PUBLISHED)
    history.note("checked", CHECKED)
    assert json.loads(json.dumps(store.data)) == STORED


def test_what_was_stored_is_read(history: JobHistory, store: TaskStateStore) -> None:
    store.update(copy.deepcopy(STORED))
    assert history.load(DAY) == [RECORD]


@pytest.mark.parametrize("kind", MINIMAL)
def test_the_least_that_a_fact_has(kind: FactKind) -> None:
    fact = read_fact(kind, MINIMAL[kind], name="fact")
    assert (fact.job_id is None) is (kind == "submitted")


def test_a_day_as_it_is_stored() -> None:
    document = pack_day([RECORD])
    assert document.keys() == {"version", "zlib"}
    assert document["version"] == 1
    kinds = {key.rpartition("_")[2]: {**fact} for key, fact in STORED.items()}
    for fact in kinds.values():
        del fact["version"]
    assert json.loads(zlib.decompress(base64.b64decode(document["zlib"]))) == {"jobs": [kinds]}


def packed(text: bytes) -> dict[str, Any]:
    return {"version": 1, "zlib": base64.b64encode(zlib.compress(text)).decode()}


def test_what_a_later_release_adds_is_ignored(history: JobHistory, store: TaskStateStore) -> None:
    store.update({key: {**fact, "later": {"x": 1}} for key, fact in STORED.items()})
    jobs = [{"submitted": {**MINIMAL["submitted"], "job_id": "t2", "later": 1}, "reviewed": {"by": "x"}}]
    store["dashscope_history_20270114"] = packed(json.dumps({"jobs": jobs, "later": 1}).encode()) | {"later": 1}
    assert {record.job_id for record in history.load(date(1970, 1, 1))} == {"t1", "t2"}


@pytest.mark.parametrize(
    "damage",
    [
        None,
        "text",
        [],
        {},
        {"version": 2, "job_id": "t9", "status": "FAILED", "reported_at": 1},
        {"version": True, "job_id": "t9", "status": "FAILED", "reported_at": 1},
        {"version": 1, "status": "FAILED", "reported_at": 1},
        {"version": 1, "job_id": ["t9"], "status": "FAILED", "reported_at": 1},
        {"version": 1, "job_id": "t9", "status": "FAILED", "reported_at": float("nan")},
        {"version": 1, "job_id": "t9", "status": "FAILED", "reported_at": 1, "billed_seconds": -1},
        {"version": 1, "job_id": "t9", "status": "FAILED", "reported_at": 1, "cost": "much"},
    ],
)
def test_a_damaged_fact_is_named_and_stops_no_other(
    damage: object, history: JobHistory, store: TaskStateStore, caplog: pytest.LogCaptureFixture
) -> None:
    key = "dashscope_history_20270115_0000000000000000_ended"
    store.update({**copy.deepcopy(STORED), key: damage})
    assert history.load(DAY) == [RECORD]
    assert (key in caplog.text) is (damage is not None)


@pytest.mark.parametrize(
    "damage",
    [
        "text",
        {"version": 2, "zlib": ""},
        {"version": 1},
        {"version": 1, "zlib": 5},
        {"version": 1, "zlib": "!"},
        {"version": 1, "zlib": "eJw="},
        packed(b"["),
        packed(b"[]"),
        packed(b'{"jobs": [5]}'),
        packed(b'{"jobs": [{"ended": 5}]}'),
        packed(b"[" * 100_000),
    ],
)
def test_a_damaged_day_is_named_and_stops_no_other(
    damage: Any, history: JobHistory, store: TaskStateStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.update({**copy.deepcopy(STORED), "dashscope_history_20270114": damage})
    assert history.load(DAY) == [RECORD]
    assert "dashscope_history_20270114" in caplog.text


def test_a_day_that_unpacks_to_more_than_memory_holds_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_videoretalk.job_history import day_document

    monkeypatch.setattr(day_document, "MAX_BYTES", 1000)
    with pytest.raises(StateReadError, match="damaged"):
        list(unpack_day(packed(b" " * 1001 + b'{"jobs": []}'), name="day"))


@pytest.mark.parametrize(
    "key",
    [
        "dashscope_history_",
        "dashscope_history_notes",
        "dashscope_history_20270115_",
        "dashscope_history_20271315",
        "dashscope_history_20270115_x_ended",
        f"dashscope_history_20270115_{JOB}_reviewed",
        f"dashscope_history_20270115_{JOB}_ended_",
        f"my_dashscope_history_20270115_{JOB}_ended",
    ],
)
def test_a_key_of_somebody_else_is_skipped(key: str, history: JobHistory, store: TaskStateStore) -> None:
    assert FactKey.parse(key) is None
    store[key] = "not ours"
    assert history.load(date(1970, 1, 1)) == []
    assert store[key] == "not ours"


@pytest.mark.parametrize("key", [*STORED, "dashscope_history_20270115"])
def test_a_key_is_read_as_it_is_written(key: str) -> None:
    assert str(FactKey.parse(key)) == key


def test_a_long_text_is_cut(history: JobHistory, store: TaskStateStore) -> None:
    history.note("published", Published(job_id="t1", uri="s3://b/" + "k" * 10_000, published_at=NOW))
    (stored,) = store.values()
    assert len(stored["uri"]) == 500
