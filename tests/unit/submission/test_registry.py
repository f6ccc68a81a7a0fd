"""The records that all task instances of this Airflow share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry

LIFETIME = 6 * 3600.0
PREFIX = "dashscope_submission_"
NOW = 1_800_000_000.0


def record(owner: str = "dag/run/retalk/-1", at: float = NOW, **fields: Any) -> Record:
    intent = Intent(
        task_instance=owner,
        connection_id="c",
        fingerprint="f",
        model="videoretalk",
        clear_count=ClearCount(max_tries=1, clear_number=0),
    )
    return Record(intent=intent, intended_at=at, **fields)


def register(store: Any) -> SubmissionRegistry:
    return SubmissionRegistry(store, clock=lambda: NOW)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the listings of keys asked for."""
    asked: list[str] = []
    names = TaskStateStore.names

    def noted(store: TaskStateStore, prefix: str) -> list[str]:
        asked.append(prefix)
        return names(store, prefix)

    monkeypatch.setattr(TaskStateStore, "names", noted)
    return asked


def test_a_submission_is_one_record_through_its_life() -> None:
    store = TaskStateStore()
    register(store).write(record())
    result: Any = {"task_id": "t1", "video_url": "http://r/1.mp4"}
    register(store).write(record(task_id="t1", succeeded=True, result=result))
    (kept,) = register(store).records()
    assert kept == record(task_id="t1", succeeded=True)
    assert "http://r/1.mp4" not in str(store)


def test_the_latest_of_one_owner(listed: list[str]) -> None:
    """It lists the keys of this one alone: six hours may have thousands of records."""
    shared = register(TaskStateStore())
    for owner in range(40):
        shared.write(record(str(owner)))
        shared.write(record(str(owner), NOW + owner))
    assert shared.latest("7") == record("7", NOW + 7)
    assert shared.latest("nobody") is None
    assert len(listed) == 2
    assert PREFIX not in listed
    times = [kept.intended_at for kept in shared.records()]
    assert len(times) == 79
    assert times == sorted(times)


def test_what_was_refused_is_forgotten() -> None:
    shared = register(TaskStateStore())
    shared.write(record())
    shared.withdraw(record())
    assert shared.records() == []


def test_it_does_not_grow_for_ever() -> None:
    shared = register(TaskStateStore())
    for age in (0.0, LIFETIME, LIFETIME + 1):
        shared.write(record(str(age), NOW - age))
    shared.drop_old()
    assert [kept.intent.task_instance for kept in shared.records()] == [str(LIFETIME), "0.0"]


def test_one_of_sixteen_submits_looks_for_old_records(listed: list[str]) -> None:
    """To find them, it lists the keys of all."""
    shared = register(TaskStateStore())
    shared.write(record("old", NOW - LIFETIME - 1))
    for milliseconds in range(32):
        shared.clean_up(intended_at=NOW + milliseconds / 1000)
    assert listed == [PREFIX, PREFIX]
    assert shared.records() == []


def test_of_a_time_only_those_are_read() -> None:
    class Counting(TaskStateStore):
        def get(self, key: str, default: Any = None) -> Any:
            read.append(key)
            return super().get(key, default)

    read: list[str] = []
    shared = register(Counting())
    for age in range(10):
        shared.write(record(str(age), NOW - age))
    assert len(shared.records(since=NOW - 3, until=NOW - 2)) == len(read) == 2


@pytest.mark.parametrize(
    ("ended", "reads", "number"),
    [
        # None has ended, as far as is known: all count.
        ([], 3, 4),
        # Those that were submitted after the one that has ended.
        ([2], 3, 2),
        ([0, 2], 3, 0),
        # It is beyond the last record that is read.
        ([3], 3, 4),
        ([3], 4, 3),
    ],
)
def test_how_many_jobs_of_an_account_queue_at_most(ended: list[int], reads: int, number: int) -> None:
    """By age in seconds, the oldest of which just counts."""
    shared = register(TaskStateStore())
    for age in range(5):
        shared.write(record(str(age), NOW - age, ended=age in ended))
    assert shared.queued_at_most("c", since=NOW - 3, reads=reads) == number
    assert shared.queued_at_most("another", since=NOW - 3, reads=reads) == 0


def test_a_record_that_cannot_be_read_may_be_of_a_job_that_queues() -> None:
    store = TaskStateStore()
    shared = register(store)
    shared.write(record("old", NOW - 2, ended=True))
    before = set(store)
    shared.write(record("new", NOW - 1))
    (newest,) = set(store) - before
    store[newest] = {"version": 2}
    assert shared.queued_at_most("c", since=0.0, reads=3) == 1


def test_what_is_dropped_while_it_is_listed() -> None:
    class Slow(TaskStateStore):
        def names(self, prefix: str) -> list[str]:
            return [*super().names(prefix), *[f"{PREFIX}{0:016x}_{0:016x}_1"] * (prefix == PREFIX)]

    assert register(Slow()).records() == []


def test_what_is_there_but_can_not_be_had_is_not_taken_for_missing() -> None:
    """Airflow's supervisor reports every failure to read a Variable as not found."""

    class Failing(TaskStateStore):
        def get(self, key: str, default: Any = None) -> Any:
            return default

    shared = register(Failing())
    shared.write(record())
    with pytest.raises(TransportError, match="does not return its value"):
        shared.records()


def test_a_record_survives_json() -> None:
    kept = record(task_id="t1", request_id="r", submitted_at=NOW)
    assert Record.parse(kept.to_json(), name="n") == kept
    assert Record.parse(replace(kept, succeeded=True).to_json(), name="n").succeeded
