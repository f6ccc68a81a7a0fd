from __future__ import annotations

import pytest

from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.polling.job_end import has_ended, may_be_too_new


def job(status: str) -> Task:
    return Task.parse({"output": {"task_id": "t1", "task_status": status, "video_url": "https://h/v.mp4"}})


@pytest.mark.parametrize(
    ("status", "age", "ended"),
    [
        ("PENDING", 5.0, False),
        ("RUNNING", 500.0, False),
        ("SUCCEEDED", 5.0, True),
        ("FAILED", 5.0, True),
        ("CANCELED", 5.0, True),
        ("UNKNOWN", 5.0, False),
        ("UNKNOWN", 86_399.0, False),
        ("UNKNOWN", 86_400.0, True),
    ],
)
def test_has_ended(status: str, age: float, ended: bool) -> None:
    assert has_ended(job(status), submitted_at=1000.0, now=1000.0 + age) is ended


def test_one_unknown_proves_nothing_if_the_submit_is_not_dated() -> None:
    assert not has_ended(job("UNKNOWN"), submitted_at=0.0, now=1.8e9)


@pytest.mark.parametrize(("age", "ended"), [(5.0, False), (59.999, False), (60.0, True)])
def test_success_without_a_result_has_not_ended_yet(age: float, ended: bool) -> None:
    output = {"task_id": "t1", "task_status": "SUCCEEDED", "end_time": "2026-11-25 10:01:00"}
    bare = Task.parse({"output": output})
    assert bare.finished_at is not None
    assert has_ended(bare, submitted_at=0.0, now=bare.finished_at.timestamp() + age) is ended


def test_success_without_a_result_and_a_date_is_an_end() -> None:
    bare = Task.parse({"output": {"task_id": "t1", "task_status": "SUCCEEDED"}})
    assert has_ended(bare, submitted_at=0.0, now=1000.0)


@pytest.mark.parametrize(
    ("status", "age", "too_new"), [("UNKNOWN", 59.999, True), ("UNKNOWN", 60.0, False), ("RUNNING", 5.0, False)]
)
def test_a_job_may_be_too_new_to_be_known_for_a_minute(status: str, age: float, too_new: bool) -> None:
    assert may_be_too_new(job(status), submitted_at=1000.0, now=1000.0 + age) is too_new
