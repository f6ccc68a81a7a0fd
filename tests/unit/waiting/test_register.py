"""What all task instances of this Airflow remember together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from state_store import TaskStateStore

from airflow_provider_videoretalk.waiting.record import Generation, Intent, Record
from airflow_provider_videoretalk.waiting.register import KEYS, LIFETIME, Register

NOW = 1_800_000_000.0


def record(owner: str = "dag/run/retalk/-1", at: float = NOW, **fields: Any) -> Record:
    intent = Intent(owner=owner, connection="c", fingerprint="f", generation=Generation(max_tries=1, clear_number=0))
    return Record(intent=intent, intended_at=at, **fields)


def register(store: Any) -> Register:
    return Register(store, clock=lambda: NOW, sleep=lambda seconds: None)


def test_a_submission_is_one_record_through_its_life() -> None:
    store = TaskStateStore()
    register(store).write(record())
    result: Any = {"task_id": "t1", "video_url": "http://r/1.mp4"}
    register(store).write(record(task_id="t1", finished=True, result=result))
    (kept,) = register(store).records()
    assert kept == record(task_id="t1", finished=True)
    assert "http://r/1.mp4" not in str(store)


def test_the_latest_of_one_owner() -> None:
    shared = register(TaskStateStore())
    for owner in range(40):
        shared.write(record(str(owner)))
        shared.write(record(str(owner), NOW + owner))
    assert shared.latest("7") == record("7", NOW + 7)
    assert shared.latest("nobody") is None
    times = [kept.intended_at for kept in shared.records()]
    assert len(times) == 79
    assert times == sorted(times)


def test_what_was_refused_is_forgotten() -> None:
    shared = register(TaskStateStore())
    shared.write(record())
    shared.withdraw(record())
    assert shared.records() == []


def test_it_does_not_grow_for_ever() -> None:
    store = TaskStateStore()
    for owner in range(200):
        register(store).write(record(str(owner), NOW - LIFETIME))
    for owner in range(200):
        register(store).write(record(str(owner)))
    assert len(register(store).records()) == 200
    assert set(store) <= set(KEYS)


def test_another_writer_in_between_is_noticed() -> None:
    """The store has no transactions: of two that read at once, the later writer drops what the other one wrote."""

    class Contended(TaskStateStore):
        def set(self, key: str, value: Any) -> None:
            super().set(key, value)
            if rivals:
                super().set(key, {"rival": rivals.pop().to_json()})

    rivals = [record("rival"), record("rival")]
    shared = register(Contended())
    shared.write(record())
    assert shared.records() == [record("rival"), record()]


def test_it_gives_up_on_a_store_that_keeps_nothing() -> None:
    class Deaf(TaskStateStore):
        def set(self, key: str, value: Any) -> None:
            attempts.append(key)

    attempts: list[str] = []
    register(Deaf()).write(record())
    assert len(attempts) == 5


def test_a_record_survives_json() -> None:
    kept = record(task_id="t1", request_id="r", submitted_at=NOW)
    assert Record.parse(kept.to_json()) == kept
    assert Record.parse(replace(kept, finished=True).to_json()).finished


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_names_a_person_can_read(key: str) -> None:
    assert key.startswith("dashscope_submissions_")
