"""Writing facts: what replaces what, and a store that fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from state_store import TaskStateStore

from airflow_provider_videoretalk.job_history.facts import JobReport, Published, Submitted
from airflow_provider_videoretalk.job_history.history import JobHistory

NOW = 1_800_000_000.0
DAY = date(2027, 1, 15)
SUBMITTED = Submitted(task_instance="dag/run/retalk/-1", connection_id="c", model="videoretalk", intended_at=NOW)
WITH_ID = replace(SUBMITTED, job_id="t1")
PUBLISHED = Published(job_id="t1", uri="s3://b/k", published_at=NOW)


def report(status: str) -> JobReport:
    return JobReport(job_id="t1", status=status, reported_at=NOW)


class FailingStore(TaskStateStore):
    """A store that no call reaches."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("get", "set", "delete", "names"):
            raise ConnectionError("Airflow is away")
        return super().__getattribute__(name)


@pytest.fixture
def store() -> TaskStateStore:
    return TaskStateStore()


@pytest.fixture
def history(store: TaskStateStore) -> JobHistory:
    return JobHistory(store, clock=lambda: NOW)


def test_the_id_is_added_to_the_fact_about_the_submit(history: JobHistory, store: TaskStateStore) -> None:
    history.note("submitted", SUBMITTED)
    history.note("submitted", WITH_ID)
    assert len(store) == 1
    assert [record.job_id for record in history.load(DAY)] == ["t1"]


def test_an_id_that_is_found_on_another_day_is_about_the_same_submit(store: TaskStateStore) -> None:
    JobHistory(store, clock=lambda: NOW).note("submitted", SUBMITTED)
    later = JobHistory(store, clock=lambda: NOW + 86400)
    later.note("submitted", WITH_ID)
    assert len(store) == 2
    (record,) = later.load(DAY)
    assert (record.job_id, record.day) == ("t1", DAY)


def test_a_withdrawn_submit_leaves_nothing(history: JobHistory, store: TaskStateStore) -> None:
    history.note("submitted", SUBMITTED)
    history.withdraw(SUBMITTED, noted_at=NOW)
    assert not store


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("SUCCEEDED", "UNKNOWN", "SUCCEEDED"),
        ("SUCCEEDED", "FAILED", "SUCCEEDED"),
        ("FAILED", "UNKNOWN", "FAILED"),
        ("UNKNOWN", "SUCCEEDED", "SUCCEEDED"),
        ("UNKNOWN", "FAILED", "FAILED"),
        ("CANCELED", "SUCCEEDED", "SUCCEEDED"),
    ],
)
def test_a_weaker_report_replaces_no_stronger_one(first: str, second: str, kept: str, history: JobHistory) -> None:
    history.note("ended", report(first))
    history.note("ended", report(second))
    assert [record.status for record in history.load(DAY)] == [kept]


def test_a_fact_that_cannot_be_read_is_not_replaced(
    history: JobHistory, store: TaskStateStore, caplog: pytest.LogCaptureFixture
) -> None:
    history.note("ended", report("FAILED"))
    (key,) = store
    store[key] = {"version": 2}
    history.note("ended", report("FAILED"))
    assert store[key] == {"version": 2}
    assert key in caplog.text


@pytest.mark.parametrize("fact", [("submitted", WITH_ID), ("ended", report("FAILED")), ("published", PUBLISHED)])
def test_a_store_that_fails_is_logged_and_fails_nothing(fact: Any, caplog: pytest.LogCaptureFixture) -> None:
    history = JobHistory(FailingStore(), clock=lambda: NOW)
    history.note(*fact)
    history.withdraw(WITH_ID, noted_at=NOW)
    history.drop_expired()
    assert f"lacks that render job t1 is {fact[0]}" in caplog.text
    assert caplog.text.count("Airflow is away") == 3


def test_without_a_store_nothing_is_kept() -> None:
    history = JobHistory(None)
    history.note("submitted", WITH_ID)
    history.withdraw(WITH_ID, noted_at=NOW)
    history.drop_expired()
    assert history.load(DAY) == []


def test_jobs_before_the_day_are_left_out_with_their_late_reports(store: TaskStateStore) -> None:
    JobHistory(store, clock=lambda: NOW).note("submitted", WITH_ID)
    late = JobHistory(store, clock=lambda: NOW + 86400)
    late.note("ended", replace(report("SUCCEEDED"), reported_at=NOW + 86400))
    assert late.load(date(2027, 1, 16)) == []
    assert [record.status for record in late.load(DAY)] == ["SUCCEEDED"]


def test_months_old_facts_are_dropped_a_hundred_at_a_time(store: TaskStateStore) -> None:
    # Ages in days. The history is dropped by months, so that listing the keys stays cheap.
    ages = (0, 31, 45, 62, 76)
    for age in ages:
        JobHistory(store, clock=lambda age=age: NOW - age * 86400).note("published", PUBLISHED)  # type: ignore[misc]
    kept = JobHistory(store, clock=lambda: NOW)
    kept.drop_expired()
    # 2027-01-15, 2026-12-15 and 2026-12-01 stay, 2026-11-14 goes, and 2026-10-31 is older than a submit looks back.
    assert [key[18:26] for key in store] == ["20270115", "20261215", "20261201", "20261031"]
    for number in range(250):
        store[f"dashscope_history_20261101_{number:016x}_ended"] = {}
    kept.drop_expired()
    assert len(store) == 4 + 150


def test_one_writer_of_sixteen_drops_old_facts() -> None:
    """To find them takes a request to Airflow."""
    listed: list[str] = []

    class Listing(TaskStateStore):
        def names(self, prefix: str) -> list[str]:
            listed.append(prefix)
            return super().names(prefix) or ["of somebody else"]

    history = JobHistory(Listing(), clock=lambda: NOW)
    for milliseconds in range(32):
        history.clean_up(written_at=NOW + milliseconds / 1000)
    assert len(listed) == 2


def test_a_submit_does_not_list_a_whole_month_of_facts() -> None:
    """At 100,000 videos a month, each submit would list 300,000 keys."""

    class Counting(TaskStateStore):
        listed = 0

        def names(self, prefix: str) -> list[str]:
            found = super().names(prefix)
            self.listed += len(found)
            return found

    store = Counting()
    # NOW is the 15th of January: the expired month is November.
    for day in range(1, 31):
        for number in range(200):
            store[f"dashscope_history_202611{day:02}_{number:016x}_ended"] = {}
    JobHistory(store, clock=lambda: NOW).drop_expired()
    assert (store.listed, len(store)) == (200, 30 * 200 - 100)


def test_a_sensor_without_a_name_for_its_end_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    from airflow_provider_videoretalk.airflow_adapters.job_history_writer import note_end
    from airflow_provider_videoretalk.dashscope.task import Task

    task = Task.parse({"output": {"task_id": "t1", "task_status": "FAILED"}})
    note_end(task, price="no price", context={})  # type: ignore[typeddict-item]
    assert "lacks the end of render job t1" in caplog.text
