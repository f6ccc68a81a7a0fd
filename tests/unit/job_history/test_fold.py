"""Folding: nothing is lost or doubled, wherever it is interrupted."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from state_store import TaskStateStore

from airflow_provider_videoretalk.job_history.facts import Fact, FactKind, JobReport, Published, Submitted
from airflow_provider_videoretalk.job_history.fold import fold
from airflow_provider_videoretalk.job_history.history import JobHistory

# 2027-01-15 08:00 UTC.
NOW = 1_800_000_000.0
DAY, HOUR = 86400.0, 3600.0
EVER = date(1970, 1, 1)


def submit(job_id: str | None, *, days_ago: float = 1.0) -> Submitted:
    at = NOW - days_ago * DAY
    name = f"dag/run/retalk/{job_id}"
    return Submitted(task_instance=name, connection_id="c", model="videoretalk", intended_at=at, job_id=job_id)


def report(job_id: str, status: str = "SUCCEEDED", *, days_ago: float = 1.0) -> JobReport:
    return JobReport(job_id=job_id, status=status, reported_at=NOW - days_ago * DAY, billed_seconds=3.0)


class InterruptedError(Exception):
    """The process ends."""


class Interruptible(TaskStateStore):
    """A store that fails at one of its writes."""

    writes_left = 1_000_000

    def _count(self) -> None:
        if self.writes_left == 0:
            raise InterruptedError
        self.writes_left -= 1

    def set(self, key: str, value: Any) -> None:
        self._count()
        super().set(key, value)

    def delete(self, key: str) -> None:
        self._count()
        super().delete(key)


@pytest.fixture
def store() -> Interruptible:
    return Interruptible()


def note(store: TaskStateStore, kind: FactKind, fact: Fact, *, days_ago: float = 1.0) -> None:
    JobHistory(store, clock=lambda: NOW - days_ago * DAY).note(kind, fact)


def loaded(store: TaskStateStore) -> list[Any]:
    return sorted(JobHistory(store, clock=lambda: NOW).load(EVER), key=lambda record: str(record.subject))


def fill(store: TaskStateStore) -> None:
    for number in range(6):
        days_ago = 1.0 + number % 3
        note(store, "submitted", submit(f"t{number}", days_ago=days_ago), days_ago=days_ago)
        # Some end on the day after, and some today.
        ended = days_ago - (number % 2)
        note(store, "ended", report(f"t{number}", days_ago=ended), days_ago=ended)
    note(store, "submitted", submit(None))
    note(store, "published", Published(job_id="t0", uri="s3://b/k", published_at=NOW), days_ago=0)
    note(store, "checked", report("of-another-system", days_ago=2), days_ago=2)


def test_folding_changes_no_record(store: Interruptible) -> None:
    fill(store)
    before = loaded(store)
    summary = fold(store, now=NOW)
    assert loaded(store) == before
    days = [key for key in store if len(key) == len("dashscope_history_20270115")]
    assert sorted(days) == [f"dashscope_history_202701{day}" for day in (12, 13, 14)]
    # What is of today stays single.
    assert len(store) - len(days) == 2
    assert (summary.days, summary.facts, summary.deleted, summary.unreadable) == (3, 13, 0, [])
    again = copy.deepcopy(store.data)
    assert fold(store, now=NOW).days == 0
    assert store.data == again


def test_an_interrupted_fold_loses_and_doubles_nothing(store: Interruptible) -> None:
    fill(store)
    before, start = loaded(store), copy.deepcopy(store.data)
    writes = 0
    while True:
        store.data, store.writes_left = copy.deepcopy(start), writes
        try:
            fold(store, now=NOW)
        except InterruptedError:
            assert loaded(store) == before
            store.writes_left = 1_000_000
            fold(store, now=NOW)
            assert loaded(store) == before
            writes += 1
        else:
            break
    assert writes == 3 + 13


def test_a_late_fact_joins_the_day_of_its_submit(store: Interruptible) -> None:
    note(store, "submitted", submit("t1", days_ago=3), days_ago=3)
    fold(store, now=NOW - DAY)
    note(store, "ended", report("t1"))
    fold(store, now=NOW)
    assert list(store) == ["dashscope_history_20270112"]
    (record,) = loaded(store)
    assert record.status == "SUCCEEDED"


def test_a_weaker_late_fact_replaces_nothing(store: Interruptible) -> None:
    note(store, "submitted", submit("t1", days_ago=3), days_ago=3)
    note(store, "ended", report("t1", days_ago=3), days_ago=3)
    fold(store, now=NOW - DAY)
    note(store, "ended", report("t1", "UNKNOWN"))
    fold(store, now=NOW)
    assert [record.status for record in loaded(store)] == ["SUCCEEDED"]


def test_an_id_that_was_found_a_day_later_completes_its_submit(store: Interruptible) -> None:
    lost = submit("t1", days_ago=2)
    note(store, "submitted", replace(lost, job_id=None), days_ago=2)
    fold(store, now=NOW - DAY)
    note(store, "submitted", lost)
    fold(store, now=NOW)
    assert [record.job_id for record in loaded(store)] == ["t1"]
    assert list(store) == ["dashscope_history_20270113"]


def test_the_last_hour_of_a_day_is_not_folded_right_after_midnight(store: Interruptible) -> None:
    midnight = NOW - 8 * HOUR
    JobHistory(store, clock=lambda: midnight - 60).note("submitted", submit("t1", days_ago=0.334))
    assert fold(store, now=midnight + 1800).days == 0
    assert fold(store, now=midnight + 3601).days == 1


def test_a_submit_of_today_by_a_worker_whose_clock_is_behind_stays_single(store: Interruptible) -> None:
    note(store, "submitted", submit("t1", days_ago=0))
    assert fold(store, now=NOW).days == 0
    assert [record.job_id for record in loaded(store)] == ["t1"]


def test_a_month_is_kept(store: Interruptible) -> None:
    for age in (30, 31, 32, 33):
        note(store, "submitted", submit(f"t{age}", days_ago=age), days_ago=age)
    store["dashscope_history_20261213"] = {"version": 99}
    store["dashscope_history_notes"] = "somebody's"
    summary = fold(store, now=NOW)
    assert summary.deleted == 3
    assert sorted(store) == ["dashscope_history_20261215", "dashscope_history_20261216", "dashscope_history_notes"]
    assert fold(store, now=NOW, kept_days=30).deleted == 1


def test_what_cannot_be_read_is_left_alone_and_named(store: Interruptible, caplog: pytest.LogCaptureFixture) -> None:
    fill(store)
    damaged = "dashscope_history_20270113"
    store[damaged] = {"version": 99}
    single = "dashscope_history_20270114_0000000000000000_ended"
    store[single] = {"version": 99}
    before = loaded(store)
    summary = fold(store, now=NOW)
    assert set(summary.unreadable) == {damaged, single}
    assert damaged in caplog.text
    assert (store[damaged], store[single]) == ({"version": 99}, {"version": 99})
    assert loaded(store) == before
    assert summary.days == 2


def test_a_day_that_no_variable_could_hold_stays_single(
    store: Interruptible, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_provider_videoretalk.job_history import fold as module

    monkeypatch.setattr(module, "MAX_JOBS", 1)
    for number in range(2):
        note(store, "submitted", submit(f"t{number}"))
    assert fold(store, now=NOW).days == 0
    assert len(store) == 2
    assert "has 2 jobs, allowed are 1" in caplog.text
