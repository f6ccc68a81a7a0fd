from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    DashScopeError,
    QueueTimeoutError,
    RenderTimeoutError,
    TaskTimeoutError,
    ThrottledError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.waiting.schedule import BACKOFF_CEILING, FLOOR, Patience, Schedule

START = 1_000_000.0


def task(status: str, **output: Any) -> Task:
    return Task.parse({"output": {"task_id": "t1", "task_status": status, **output}})


def schedule(**patience: Any) -> Schedule:
    return Schedule(task_id="t1", patience=Patience(**patience), submitted_at=START)


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_an_ended_task_is_not_asked_for_again(status: str) -> None:
    assert schedule().after_news(task(status), now=START) is None


def test_a_young_state_is_asked_for_soon_and_an_old_one_seldom() -> None:
    wait = schedule(poll_interval=15)
    delays = [wait.after_news(task("PENDING"), now=START + age) for age in (0, 2, 20, 40, 60, 3600)]
    assert delays == [FLOOR, FLOOR, 5, 10, 15, 15]
    assert wait.after_news(task("PRE-PROCESSING"), now=START + 3601) == FLOOR


def test_queueing_has_its_own_limit() -> None:
    wait = schedule(queue_timeout=100, render_timeout=10)
    assert wait.after_news(task("PENDING"), now=START + 99) == 1
    with pytest.raises(QueueTimeoutError, match="task t1 was not begun within 100 s"):
        wait.after_news(task("PENDING"), now=START + 100)


def test_rendering_has_its_own_limit_from_the_moment_the_service_began() -> None:
    wait = schedule(queue_timeout=100, render_timeout=50, poll_interval=60)
    running = task("RUNNING", submit_time="2026-11-20 20:00:00.000", scheduled_time="2026-11-20 20:01:20.000")
    # Begun 80 s after the submit by the service's clock, seen 20 s later: 30 s of 50 are left.
    assert wait.after_news(running, now=START + 100) == FLOOR
    assert wait.after_news(running, now=START + 128) == 2
    with pytest.raises(RenderTimeoutError, match="not finished within 50 s of its begin"):
        wait.after_news(running, now=START + 130)


def test_a_render_that_the_service_does_not_date_begins_when_it_is_seen() -> None:
    wait = schedule(render_timeout=50)
    wait.after_news(task("RUNNING"), now=START + 500)
    wait.after_news(task("RUNNING"), now=START + 549)
    with pytest.raises(RenderTimeoutError):
        wait.after_news(task("RUNNING"), now=START + 550)


def test_clock_skew_cannot_end_a_render_before_it_was_seen() -> None:
    wait = schedule(render_timeout=50)
    future = task("RUNNING", submit_time="2026-11-20 20:00:00.000", scheduled_time="2026-11-20 23:00:00.000")
    assert wait.after_news(future, now=START + 10) == FLOOR


def test_a_deadline_ends_any_wait() -> None:
    for status in ("PENDING", "RUNNING"):
        wait = schedule(deadline=START + 30, queue_timeout=1000, render_timeout=1000)
        assert wait.after_news(task(status), now=START + 29.5) == 0.5
        with pytest.raises(TaskTimeoutError, match="not finished in the time allowed") as caught:
            wait.after_news(task(status), now=START + 30)
        assert type(caught.value) is TaskTimeoutError


def test_unknown_may_be_too_young_to_be_seen() -> None:
    assert schedule().after_news(task("UNKNOWN"), now=START + 59) is not None
    assert schedule().after_news(task("UNKNOWN"), now=START + 60) is None


def test_unknown_stays_too_young_until_it_was_seen() -> None:
    wait = schedule()
    assert [wait.after_news(task("UNKNOWN"), now=START + age) for age in (1, 2, 30, 59, 61)][-1] is None
    wait = schedule()
    assert None not in [wait.after_news(task("UNKNOWN"), now=START + age) for age in (1, 2, 30, 59)]


def test_unknown_after_it_was_known_is_the_end() -> None:
    wait = schedule()
    wait.after_news(task("PENDING"), now=START + 1)
    assert wait.after_news(task("UNKNOWN"), now=START + 2) is None


def test_passing_errors_back_off_until_news_come() -> None:
    wait = schedule()
    delays = [wait.after_error(TransportError("x"), now=START) for _ in range(8)]
    assert delays == [2, 4, 8, 16, 32, BACKOFF_CEILING, BACKOFF_CEILING, BACKOFF_CEILING]
    wait.after_news(task("PENDING"), now=START)
    assert wait.after_error(TransportError("x"), now=START) == 2
    assert wait.after_error(ThrottledError("x", retry_after=90), now=START) == 90


def test_errors_that_stay_are_raised() -> None:
    error: DashScopeError = AccessError("no")
    with pytest.raises(AccessError) as caught:
        schedule().after_error(error, now=START)
    assert caught.value is error


def test_errors_do_not_outlast_the_limits() -> None:
    wait = schedule(queue_timeout=100)
    assert wait.after_error(ThrottledError("x", retry_after=90), now=START + 40) == 60
    with pytest.raises(QueueTimeoutError):
        wait.after_error(TransportError("x"), now=START + 100)
