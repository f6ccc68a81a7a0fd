from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from airflow_provider_videoretalk.limits import TASK_SECONDS
from airflow_provider_videoretalk.waiting.deadline import SERVICE_MARGIN
from airflow_provider_videoretalk.waiting.forecast import Forecast
from airflow_provider_videoretalk.waiting.patience import Patience
from airflow_provider_videoretalk.waiting.schedule import (
    BACKOFF_CEILING,
    Place,
    Schedule,
    after_failures,
    while_queued,
    while_rendering,
)

START = 1_000_000.0
FLOOR, CEILING = 4.0, 300.0


def task(status: str, **output: Any) -> Task:
    return Task.parse({"output": {"task_id": "t1", "task_status": status, **output}})


def running(*, queued: float) -> Task:
    """One that the service dates: begun so many seconds after its submit, less than an hour."""
    begun = f"2026-11-20 20:{int(queued // 60):02}:{queued % 60:06.3f}"
    return task("RUNNING", submit_time="2026-11-20 20:00:00.000", scheduled_time=begun)


def schedule(*, forecast: Forecast | None = None, **patience: Any) -> Schedule:
    return Schedule(
        task_id="t1", patience=Patience(**patience), submitted_at=START, forecast=forecast, chance=lambda: 0.0
    )


class Known(Forecast):
    """Expects the same of all."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def shortest(self, output_seconds: float | None = None) -> float:
        return self._seconds

    def expected(self, output_seconds: float | None = None) -> float:
        return self._seconds * 1.4


# The policies.


@pytest.mark.parametrize(
    ("place", "age", "shortest", "pause"),
    [
        ("open", 0, None, FLOOR),
        ("open", 40, None, 10),
        ("open", 40, 500, 10),
        ("open", 1e6, None, CEILING / 5),
        ("next", 40, None, 10),
        ("next", 40, 100, 90),
        ("next", 1e6, 10, CEILING / 5),
        ("next", 40, 1e6, CEILING),
        ("behind", 0, None, CEILING),
        ("behind", 0, 10, CEILING),
    ],
)
def test_while_queued(place: Place, age: float, shortest: float | None, pause: float) -> None:
    assert while_queued(Patience(), age=age, place=place, shortest=shortest) == pause


@pytest.mark.parametrize(
    ("overdue", "pause"), [(-1000, CEILING), (-50, 50), (-1, FLOOR), (0, FLOOR), (160, 10), (1e6, CEILING / 5)]
)
def test_while_rendering(overdue: float, pause: float) -> None:
    assert while_rendering(Patience(), overdue=overdue) == pause


def test_after_failures() -> None:
    assert [after_failures(number) for number in (1, 2, 5, 6, 700)] == [2, 4, 32, BACKOFF_CEILING, BACKOFF_CEILING]


def test_the_user_s_floor_is_above_all_else() -> None:
    patience = Patience(poll_interval=400)
    assert patience.bound(1) == patience.bound(1e6) == patience.bound(1e6, share=0.2) == 400


# One task's schedule.


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_an_ended_task_is_not_asked_again(status: str) -> None:
    assert schedule().after_news(task(status), now=START) is None


def test_a_young_state_is_asked_for_soon_and_an_old_one_seldom() -> None:
    wait = schedule()
    delays = [wait.after_news(task("PENDING"), now=START + age) for age in (0, 16, 20, 40, 240, 3600)]
    assert delays == [4, 4, 5, 10, 60, 60]
    assert wait.after_news(task("PRE-PROCESSING"), now=START + 3601) == FLOOR


def test_a_place_that_changes_makes_it_young_again() -> None:
    wait = schedule()
    assert wait.after_sight("PENDING", now=START + 10, place="behind") == CEILING
    assert wait.after_sight("PENDING", now=START + 300, place="open") == FLOOR
    wait.after_sight("PENDING", now=START + 600, place="behind")
    assert wait.after_moving("open", now=START + 700) == FLOOR
    assert wait.after_sight("PENDING", now=START + 740, place="open") == 10


def test_a_render_is_not_looked_at_before_it_may_be_over() -> None:
    wait = schedule(forecast=Known(100))
    # It began at 50.
    assert wait.after_news(running(queued=50), now=START + 60) == pytest.approx(80)
    assert wait.after_news(running(queued=50), now=START + 139) == FLOOR
    assert wait.after_news(running(queued=50), now=START + 140) == FLOOR
    assert wait.after_news(running(queued=50), now=START + 300) == 10


def test_a_begin_that_nobody_dates_lies_in_between() -> None:
    wait = schedule(forecast=Known(100))
    wait.after_sight("PENDING", now=START + 30)
    # It may have begun at 30, and can have at 60: ripe from 120 on, but not old before 60 + ...
    assert wait.after_sight("RUNNING", now=START + 60) == pytest.approx(60)
    assert wait.after_sight("RUNNING", now=START + 120 + 96) == pytest.approx(6)
    late = schedule(forecast=Known(100))
    assert late.after_sight("RUNNING", now=START + 3600) == FLOOR


def test_the_first_look_waits_while_the_task_cannot_have_ended() -> None:
    assert schedule().before_first(now=START + 1) == 3
    assert schedule().before_first(now=START + 5) == 0
    assert schedule(forecast=Known(100)).before_first(now=START + 5) == 85
    assert schedule(forecast=Known(100), deadline=START + 30).before_first(now=START + 5) == 25
    assert schedule(forecast=Known(100), deadline=START + 3).before_first(now=START + 5) == 0
    undated = Schedule(task_id="t1", patience=Patience(), submitted_at=0.0, forecast=Known(100))
    assert undated.before_first(now=START) == 0


def test_what_the_service_says_of_an_undated_task_s_begin_is_believed() -> None:
    undated = Schedule(task_id="t1", patience=Patience(), submitted_at=0.0, forecast=Known(100))
    news = running(queued=10)
    assert news.started_at is not None
    now = news.started_at.timestamp() + 50
    assert undated.after_news(news, now=now) == pytest.approx(40)


def test_queueing_has_its_own_limit() -> None:
    wait = schedule(queue_timeout=100, render_timeout=10)
    assert wait.after_news(task("PENDING"), now=START + 99) == 1
    with pytest.raises(QueueTimeoutError, match="task t1 was not begun within 100 s"):
        wait.after_news(task("PENDING"), now=START + 100)


@pytest.mark.parametrize("queue_timeout", [None, 2 * TASK_SECONDS])
def test_what_the_service_will_drop_is_given_up_before(queue_timeout: float | None) -> None:
    wait = schedule(queue_timeout=queue_timeout)
    over = START + TASK_SECONDS - SERVICE_MARGIN
    assert wait.after_news(task("PENDING"), now=over - 1) == 1
    with pytest.raises(
        QueueTimeoutError,
        match="task t1 still queues 10690 s after its submit; the service drops what has no result 10800 s after its "
        r"submit\. Submit fewer tasks at once, through a pool of two or three slots\.",
    ):
        wait.after_news(task("PENDING"), now=over + 10)
    assert schedule(service_limit=None).after_news(task("PENDING"), now=over + 10) == FLOOR
    # One that renders by then is waited for.
    assert schedule().after_news(task("RUNNING"), now=over + 10) == FLOOR


def test_a_limit_of_one_s_own_that_is_shorter_comes_first() -> None:
    with pytest.raises(QueueTimeoutError, match="was not begun within 60 s"):
        schedule(queue_timeout=60).after_news(task("PENDING"), now=START + 61)


def test_rendering_has_its_own_limit_from_the_moment_the_service_began() -> None:
    wait = schedule(queue_timeout=100, render_timeout=50)
    # Begun 80 s after the submit by the service's clock, seen 20 s later: 30 s of 50 are left.
    assert wait.after_news(running(queued=80), now=START + 100) == FLOOR
    assert wait.after_news(running(queued=80), now=START + 128) == 2
    with pytest.raises(RenderTimeoutError, match="not finished within 50 s of its begin"):
        wait.after_news(running(queued=80), now=START + 130)


def test_a_render_that_the_service_does_not_date_begins_when_it_is_seen() -> None:
    wait = schedule(render_timeout=50)
    wait.after_news(task("RUNNING"), now=START + 500)
    wait.after_news(task("RUNNING"), now=START + 549)
    with pytest.raises(RenderTimeoutError):
        wait.after_news(task("RUNNING"), now=START + 550)


def test_clock_skew_cannot_end_a_render_before_it_was_seen() -> None:
    future = task("RUNNING", submit_time="2026-11-20 20:00:00.000", scheduled_time="2026-11-20 23:00:00.000")
    assert schedule(render_timeout=50).after_news(future, now=START + 10) == FLOOR


def test_a_deadline_ends_any_wait() -> None:
    for status in ("PENDING", "RUNNING"):
        wait = schedule(deadline=START + 30, queue_timeout=1000, render_timeout=1000)
        assert wait.after_news(task(status), now=START + 29.5) == 0.5
        with pytest.raises(TaskTimeoutError, match="not finished in the time allowed") as caught:
            wait.after_news(task(status), now=START + 30)
        assert type(caught.value) is TaskTimeoutError
        with pytest.raises(TaskTimeoutError):
            wait.check(now=START + 30)


def test_unknown_may_be_too_young_to_be_seen() -> None:
    assert schedule().after_news(task("UNKNOWN"), now=START + 59) is not None
    assert schedule().after_news(task("UNKNOWN"), now=START + 60) is None


def test_unknown_stays_too_young_until_it_was_seen() -> None:
    wait = schedule()
    assert [wait.after_news(task("UNKNOWN"), now=START + age) for age in (1, 2, 30, 59, 61)][-1] is None
    wait = schedule()
    assert None not in [wait.after_news(task("UNKNOWN"), now=START + age) for age in (1, 2, 30, 59)]


@pytest.mark.parametrize("listed", [False, True])
def test_unknown_after_it_was_known_is_the_end(listed: bool) -> None:
    wait = schedule()
    if listed:
        wait.after_sight("PENDING", now=START + 1)
    else:
        wait.after_news(task("PENDING"), now=START + 1)
    assert wait.after_news(task("UNKNOWN"), now=START + 2) is None


def test_passing_errors_back_off_until_news_come() -> None:
    wait = schedule()
    delays = [wait.after_error(TransportError("x"), now=START) for _ in range(8)]
    assert delays == [4, 4, 8, 16, 32, BACKOFF_CEILING, BACKOFF_CEILING, BACKOFF_CEILING]
    wait.after_news(task("PENDING"), now=START)
    assert wait.after_error(TransportError("x"), now=START) == FLOOR
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


NEWS = st.one_of(
    st.tuples(st.just("news"), st.sampled_from(["PENDING", "RUNNING", "POST-PROCESSING", "UNKNOWN", "SUSPENDED"])),
    st.tuples(st.just("sight"), st.sampled_from(["PENDING", "RUNNING"])),
    st.tuples(st.just("error"), st.sampled_from(["none", "10", "1000"])),
)


@given(
    floor=st.floats(0.01, 600),
    ceiling=st.floats(0.01, 3600),
    shortest=st.one_of(st.none(), st.floats(0.1, 4000)),
    limits=st.fixed_dictionaries(
        {}, optional={name: st.floats(1, 20_000) for name in ("queue_timeout", "render_timeout", "service_limit")}
    ),
    deadline=st.one_of(st.none(), st.floats(0, 20_000)),
    events=st.lists(st.tuples(NEWS, st.sampled_from(["open", "next", "behind"]), st.floats(0, 500)), max_size=30),
    seed=st.integers(),
)
def test_never_faster_than_the_floor_nor_later_than_the_ceiling(
    floor: float,
    ceiling: float,
    shortest: float | None,
    limits: dict[str, float],
    deadline: float | None,
    events: list[tuple[tuple[str, Any], Place, float]],
    seed: int,
) -> None:
    """Whatever comes in which order: but for the end of the wait itself, and for what the service asks for."""
    patience = Patience(
        poll_interval=floor,
        max_poll_interval=ceiling,
        deadline=None if deadline is None else START + deadline,
        **limits,
    )
    wait = Schedule(
        task_id="t1",
        patience=patience,
        submitted_at=START,
        forecast=None if shortest is None else Known(shortest),
        chance=random.Random(seed).random,
    )
    now = START
    for (kind, what), place, passed in events:
        now += passed
        retry_after = 0.0
        try:
            if kind == "news":
                pause = wait.after_news(task(what), now=now, place=place)
            elif kind == "sight":
                pause = wait.after_sight(what, now=now, place=place)
            else:
                retry_after = 0.0 if what == "none" else float(what)
                pause = wait.after_error(ThrottledError("x", retry_after=retry_after or None), now=now)
        except TaskTimeoutError:
            return
        if pause is None:
            assert what == "UNKNOWN"
            return
        highest = max(floor, ceiling, retry_after)
        assert 0 < pause <= highest
        if pause < floor:
            # Exactly at its end the wait is over.
            with pytest.raises(TaskTimeoutError):
                wait.check(now=now + pause + 1e-3)
