"""What was paid for without a job: as it is stored, folded, read and added up."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from datetime import date

import pytest
from state_store import TaskStateStore

from airflow_provider_videoretalk.job_history.charges import Charged, ChargeTotal, total_charges
from airflow_provider_videoretalk.job_history.facts import Submitted
from airflow_provider_videoretalk.job_history.fold import fold
from airflow_provider_videoretalk.job_history.history import JobHistory

# 2027-01-15 08:00 UTC.
NOW = 1_800_000_000.25
DAY = 86400.0
EVER = date(1970, 1, 1)
SPEECH = Charged(
    task_instance="dag/a/run/speak/-1",
    connection_id="dashscope_default",
    paid_for="speech",
    model="cosyvoice-v3-flash",
    first_at=NOW,
    requests=2,
    unpriced=1,
    cost=0.0026,
    currency="CNY",
    label="monday",
)
STORED = {
    "version": 1,
    "task_instance": "dag/a/run/speak/-1",
    "connection_id": "dashscope_default",
    "paid_for": "speech",
    "model": "cosyvoice-v3-flash",
    "first_at": 1_800_000_000.25,
    "requests": 2,
    "unpriced": 1,
    "cost": 0.0026,
    "currency": "CNY",
    "label": "monday",
}


@pytest.fixture
def store() -> TaskStateStore:
    return TaskStateStore()


@pytest.fixture
def history(store: TaskStateStore) -> JobHistory:
    return JobHistory(store, clock=lambda: NOW)


def charges(store: TaskStateStore) -> list[Charged]:
    return JobHistory(store).load_with_charges(EVER)[1]


def test_what_is_stored(history: JobHistory, store: TaskStateStore) -> None:
    history.note("charged", SPEECH)
    assert store.data == {"dashscope_history_20270115_b42f0c46fb1ce02f-1800000000250_charged": STORED}
    assert charges(store) == [SPEECH]
    assert history.load(EVER) == []
    assert (SPEECH.dag_id, SPEECH.run_id, SPEECH.day) == ("dag", "a/run", date(2027, 1, 15))


def test_a_try_is_written_again_and_other_tries_and_kinds_add_up(history: JobHistory, store: TaskStateStore) -> None:
    for requests in (1, 2, 3):
        history.note("charged", replace(SPEECH, requests=requests))
    history.note("charged", replace(SPEECH, first_at=NOW + 60))
    history.note("charged", replace(SPEECH, paid_for="photo_check"))
    assert sorted((charge.paid_for, charge.requests) for charge in charges(store)) == [
        ("photo_check", 2),
        ("speech", 2),
        ("speech", 3),
    ]


def test_a_folded_day_has_them_once(store: TaskStateStore) -> None:
    early = replace(SPEECH, first_at=NOW - 2 * DAY)
    history = JobHistory(store, clock=lambda: NOW - 2 * DAY)
    history.note("charged", early)
    fold(store, now=NOW)
    (document,) = store.values()
    content = json.loads(zlib.decompress(base64.b64decode(document["zlib"])))
    stored = {name: value for name, value in STORED.items() if name != "version"}
    assert content == {"jobs": [], "charges": [stored | {"first_at": early.first_at}]}
    # The try goes on, and is folded into the same day.
    later = replace(early, requests=5)
    history.note("charged", later)
    assert charges(store) == [later]
    fold(store, now=NOW)
    assert (len(store), charges(store)) == (1, [later])


def test_a_fold_keeps_the_jobs_beside_them(store: TaskStateStore) -> None:
    history = JobHistory(store, clock=lambda: NOW - 2 * DAY)
    history.note("charged", replace(SPEECH, first_at=NOW - 2 * DAY))
    history.note(
        "submitted",
        Submitted(task_instance="d/r/t/-1", connection_id="c", model="m", intended_at=NOW - 2 * DAY, job_id="t1"),
    )
    fold(store, now=NOW)
    fold(store, now=NOW)
    records, found = history.load_with_charges(EVER)
    assert (len(store), [record.job_id for record in records], len(found)) == (1, ["t1"], 1)


def test_what_is_too_old_is_not_read(history: JobHistory, store: TaskStateStore) -> None:
    JobHistory(store, clock=lambda: NOW - 2 * DAY).note("charged", replace(SPEECH, first_at=NOW - 2 * DAY))
    assert JobHistory(store).load_with_charges(date(2027, 1, 14))[1] == []
    assert len(JobHistory(store).load_with_charges(date(2027, 1, 13))[1]) == 1


def test_totals() -> None:
    dollars = replace(SPEECH, currency="USD", unpriced=0, cost=1.5)
    unknown = replace(SPEECH, paid_for="voice", requests=1, unpriced=1, cost=0.0, currency=None)
    assert total_charges([unknown, SPEECH, dollars, SPEECH]) == [
        ChargeTotal(paid_for="speech", currency="CNY", requests=4, unpriced=2, cost=0.0052),
        ChargeTotal(paid_for="speech", currency="USD", requests=2, unpriced=0, cost=1.5),
        ChargeTotal(paid_for="voice", currency="", requests=1, unpriced=1, cost=0.0),
    ]
