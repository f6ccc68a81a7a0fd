from __future__ import annotations

import math
import random
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    ConfigurationError,
    DashScopeError,
    QueueTimeoutError,
    RenderTimeoutError,
    RequestError,
    TaskTimeoutError,
    ThrottledError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS, Task
from airflow_provider_videoretalk.polling.job_end import GRACE
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.progress_log import Progress
from airflow_provider_videoretalk.polling.render_times import RenderTimes
from airflow_provider_videoretalk.polling.schedule import (
    BACKOFF_CEILING,
    REFUSAL_SECONDS,
    Schedule,
    after_failures,
    while_queued,
    while_rendering,
)
from airflow_provider_videoretalk.polling.time_limits import SERVICE_MARGIN, TimeLimits

START = 1_000_000.0
FLOOR, CEILING = 4.0, 300.0


def task(status: str, **output: Any) -> Task:
    result = {"video_url": "https://result.example/v.mp4"} if status == "SUCCEEDED" else {}
    return Task.parse({"output": {"task_id": "t1", "task_status": status, **result, **output}})


def running(*, queued: float) -> Task:
    """One that the service dates: begun so many seconds after its submit, less than an hour."""
    begun = f"2026-11-20 20:{int(queued // 60):02}:{queued % 60:06.3f}"
    return task("RUNNING", submit_time="2026-11-20 20:00:00.000", scheduled_time=begun)


def schedule(*, render_times: RenderTimes | None = None, **poll_policy: Any) -> Schedule:
    return Schedule(
        task_id="t1",
        poll_policy=PollPolicy(**poll_policy),
        submitted_at=START,
        render_times=render_times,
        chance=lambda: 0.0,
    )


class Known(RenderTimes):
    """Expects the same of all."""

    def __init__(self, seconds: float, *, longest: float = math.inf) -> None:
        super().__init__()
        self._seconds = seconds
        self._longest = longest

    def shortest(self, output_seconds: float | None = None) -> float:
        return self._seconds

    def expected(self, output_seconds: float | None = None) -> float:
        return self._seconds * 1.4

    def longest(self, output_seconds: float | None = None) -> float:
        return self._longest


# The policies.


@pytest.mark.parametrize(("age", "pause"), [(0, FLOOR), (40, 10), (1e6, CEILING / 5)])
def test_while_queued(age: float, pause: float) -> None:
    assert while_queued(PollPolicy(), age=age) == pause


@pytest.mark.parametrize(
    ("overdue", "pause"), [(-1000, CEILING), (-50, 54), (-1, 5), (0, FLOOR), (160, 10), (1e6, CEILING / 5)]
)
def test_while_rendering(overdue: float, pause: float) -> None:
    assert while_rendering(PollPolicy(), overdue=overdue, spread=1000) == pause


@pytest.mark.parametrize(("spread", "pause"), [(0, 51), (2.5, 53.5), (3, 54), (3.5, 54)])
def test_a_render_whose_end_is_known_well_is_asked_a_second_after_its_latest(spread: float, pause: float) -> None:
    assert while_rendering(PollPolicy(), overdue=-50, spread=spread) == pause
    assert while_rendering(PollPolicy(), overdue=160, spread=spread) == 10


@pytest.mark.parametrize(("cost", "pause"), [(1.0, 20), (0.5, 10), (0.25, 5), (0.01, FLOOR)])
def test_a_look_that_many_share_comes_sooner(cost: float, pause: float) -> None:
    assert while_rendering(PollPolicy(), overdue=320, spread=1000, cost=cost) == pause
    assert while_rendering(PollPolicy(), overdue=-50, spread=1000, cost=cost) == 54
    wait = schedule()
    wait.after_list("RUNNING", now=START)
    assert wait.after_list("RUNNING", now=START + 320, cost=cost) == pause
    assert wait.after_query(task("RUNNING"), now=START + 320) == 20


def test_a_well_known_end_does_not_pass_the_floor() -> None:
    assert while_rendering(PollPolicy(), overdue=-0.5, spread=0) == FLOOR


def test_the_first_second_after_the_expected_end_has_its_share_too() -> None:
    assert while_rendering(PollPolicy(poll_interval=0.01), overdue=0.8, spread=1000) == 0.05


def test_after_failures() -> None:
    assert [after_failures(number) for number in (1, 2, 5, 6, 700)] == [2, 4, 32, BACKOFF_CEILING, BACKOFF_CEILING]


def test_the_user_s_floor_is_above_all_else() -> None:
    poll_policy = PollPolicy(poll_interval=400)
    assert poll_policy.bound(1) == poll_policy.bound(1e6) == poll_policy.bound(1e6, share=0.2) == 400


def test_the_user_s_ceiling_is_above_what_follows_an_error() -> None:
    """Unless the service asks for more."""
    wait = schedule(poll_interval=0.1, max_poll_interval=0.5)
    assert wait.after_error(TransportError("x"), now=START) == 0.5
    assert wait.after_error(ThrottledError("x", retry_after=0.75), now=START) == 0.75


# One task's schedule.


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_an_ended_task_is_not_asked_again(status: str) -> None:
    assert schedule().after_query(task(status), now=START) is None


def test_a_young_state_is_asked_for_soon_and_an_old_one_seldom() -> None:
    wait = schedule()
    delays = [wait.after_query(task("PENDING"), now=START + age) for age in (0, 16, 20, 40, 240, 3600)]
    assert delays == [4, 4, 5, 10, 60, 60]
    assert wait.after_query(task("PRE-PROCESSING"), now=START + 3601) == FLOOR


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 10.0), (0.5, 9.5), (1.0, 9.0)])
def test_queries_of_queued_jobs_spread_over_a_tenth_of_their_pause(chance: float, pause: float) -> None:
    wait = Schedule(task_id="t1", poll_policy=PollPolicy(), submitted_at=START, chance=lambda: chance)
    wait.after_query(task("PENDING"), now=START)
    assert wait.after_query(task("PENDING"), now=START + 40) == pytest.approx(pause)


def test_a_render_is_not_looked_at_before_it_may_be_over() -> None:
    wait = schedule(render_times=Known(100))
    # It began at 50.
    assert wait.after_query(running(queued=50), now=START + 60) == pytest.approx(90 + FLOOR)
    assert wait.after_query(running(queued=50), now=START + 149) == 1 + FLOOR
    assert wait.after_query(running(queued=50), now=START + 150) == FLOOR
    assert wait.after_query(running(queued=50), now=START + 310) == 10


def test_a_begin_that_nobody_dates_lies_in_between() -> None:
    wait = schedule(render_times=Known(100))
    wait.after_list("PENDING", now=START + 30)
    # It may have begun at 30, and can have at 60: it may be over from 130 on, but is not old before 60 + ...
    assert wait.after_list("RUNNING", now=START + 60) == pytest.approx(70 + FLOOR)
    assert wait.after_list("RUNNING", now=START + 130 + 96) == pytest.approx(6)
    late = schedule(render_times=Known(100))
    assert late.after_list("RUNNING", now=START + 3600) == FLOOR


def test_the_first_look_waits_while_the_task_cannot_have_ended() -> None:
    assert schedule().before_first(now=START + 1) == 3
    assert schedule().before_first(now=START + 5) == 0
    assert schedule(render_times=Known(100)).before_first(now=START + 5) == 95 + FLOOR
    assert schedule(poll_interval=0.01).before_first(now=START) == pytest.approx(0.01)
    assert schedule(render_times=Known(100), deadline=START + 30).before_first(now=START + 5) == 25
    assert schedule(render_times=Known(100), deadline=START + 3).before_first(now=START + 5) == 0
    undated = Schedule(task_id="t1", poll_policy=PollPolicy(), submitted_at=0.0, render_times=Known(100))
    assert undated.before_first(now=START) == 0


def test_a_known_longest_render_brings_the_first_look_forward() -> None:
    wait = schedule(render_times=Known(100, longest=101))
    assert wait.before_first(now=START + 5) == 95 + 1 + 1
    assert wait.after_query(running(queued=10), now=START + 50) == 60 + 1 + 1
    # Seen to queue at 20 s and to render at 22 s: it ends at 120 s at the earliest, and at 123 s at the latest.
    unsure = schedule(render_times=Known(100, longest=101))
    unsure.after_query(task("PENDING"), now=START + 20)
    assert unsure.after_list("RUNNING", now=START + 22) == pytest.approx(98 + 3 + 1)


def test_what_the_service_says_of_an_undated_task_s_begin_is_believed() -> None:
    undated = Schedule(task_id="t1", poll_policy=PollPolicy(), submitted_at=0.0, render_times=Known(100))
    news = running(queued=10)
    assert news.started_at is not None
    now = news.started_at.timestamp() + 50
    assert undated.after_query(news, now=now) == pytest.approx(50 + FLOOR)


def test_queueing_has_its_own_limit() -> None:
    wait = schedule(queue_timeout=100, render_timeout=10)
    assert wait.after_query(task("PENDING"), now=START + 99) == 1
    with pytest.raises(QueueTimeoutError, match="the render of job t1 did not begin within 100 s"):
        wait.after_query(task("PENDING"), now=START + 100)


@pytest.mark.parametrize("queue_timeout", [None, 2 * JOB_SECONDS])
def test_what_the_service_will_drop_is_given_up_before(queue_timeout: float | None) -> None:
    wait = schedule(queue_timeout=queue_timeout)
    over = START + JOB_SECONDS - SERVICE_MARGIN
    assert wait.after_query(task("PENDING"), now=over - 1) == 1
    with pytest.raises(QueueTimeoutError, match="render job t1 is still queued 10680 s after its submit"):
        wait.after_query(task("PENDING"), now=over)
    with pytest.raises(
        QueueTimeoutError,
        match="render job t1 is still queued 10690 s after its submit; the service drops a job without a result 10800 "
        r"s after its submit\. Submit fewer jobs at once, through a pool of two or three slots\.",
    ):
        wait.after_query(task("PENDING"), now=over + 10)
    assert schedule(service_limit=None).after_query(task("PENDING"), now=over + 10) == FLOOR
    # One that renders by then is waited for.
    assert schedule().after_query(task("RUNNING"), now=over + 10) == FLOOR


def test_a_limit_of_one_s_own_that_is_shorter_comes_first() -> None:
    with pytest.raises(QueueTimeoutError, match="did not begin within 60 s"):
        schedule(queue_timeout=60).after_query(task("PENDING"), now=START + 61)


def test_rendering_has_its_own_limit_from_the_moment_the_service_began() -> None:
    wait = schedule(queue_timeout=100, render_timeout=50)
    # Begun 80 s after the submit by the service's clock, seen 20 s later: 30 s of 50 are left.
    assert wait.after_query(running(queued=80), now=START + 100) == FLOOR
    assert wait.after_query(running(queued=80), now=START + 128) == 2
    with pytest.raises(RenderTimeoutError, match="did not end within 50 s of its begin"):
        wait.after_query(running(queued=80), now=START + 130)


def test_a_render_that_the_service_does_not_date_begins_when_it_is_seen() -> None:
    wait = schedule(render_timeout=50)
    wait.after_query(task("RUNNING"), now=START + 500)
    wait.after_query(task("RUNNING"), now=START + 549)
    with pytest.raises(RenderTimeoutError):
        wait.after_query(task("RUNNING"), now=START + 550)


def test_clock_skew_cannot_end_a_render_before_it_was_seen() -> None:
    future = task("RUNNING", submit_time="2026-11-20 20:00:00.000", scheduled_time="2026-11-20 23:00:00.000")
    assert schedule(render_timeout=50).after_query(future, now=START + 10) == FLOOR


def test_a_render_that_began_before_its_submit_by_the_service_began_with_it() -> None:
    odd = task("RUNNING", submit_time="2026-11-20 20:00:10.000", scheduled_time="2026-11-20 20:00:00.000")
    wait = schedule(render_timeout=50)
    assert wait.after_query(odd, now=START + 49) == 1
    with pytest.raises(RenderTimeoutError):
        wait.after_query(odd, now=START + 50)


def test_a_deadline_ends_any_wait() -> None:
    for status in ("PENDING", "RUNNING"):
        wait = schedule(deadline=START + 30, queue_timeout=1000, render_timeout=1000)
        assert wait.after_query(task(status), now=START + 29.5) == 0.5
        with pytest.raises(
            TaskTimeoutError, match=r"did not end in the time allowed\. Raise execution_timeout"
        ) as caught:
            wait.after_query(task(status), now=START + 30)
        assert type(caught.value) is TaskTimeoutError


@pytest.mark.parametrize("known", ["never", "queried", "listed"])
def test_unknown_ends_a_wait_only_if_it_lasts(known: str) -> None:
    """A job may be too new, and a replica or a gateway may lag behind: one answer is not the end of a paid job."""
    wait = schedule()
    if known == "queried":
        wait.after_query(task("RUNNING"), now=START + 1)
    elif known == "listed":
        wait.after_list("PENDING", now=START + 1)
    assert wait.after_query(task("UNKNOWN"), now=START + 10) == FLOOR
    assert wait.after_query(task("UNKNOWN"), now=START + 609) is not None
    assert wait.after_query(task("UNKNOWN"), now=START + 610) is None


def test_a_status_between_two_unknowns_begins_anew() -> None:
    wait = schedule()
    wait.after_query(task("UNKNOWN"), now=START + 10)
    wait.after_query(task("RUNNING"), now=START + 300)
    assert wait.after_query(task("UNKNOWN"), now=START + 650) is not None


def test_refusals_and_unknown_are_one_silence() -> None:
    wait = schedule()
    wait.after_error(AccessError("no"), now=START + 10)
    assert wait.after_query(task("UNKNOWN"), now=START + 300) is not None
    assert wait.is_refused
    assert wait.after_query(task("UNKNOWN"), now=START + 610) is None


def test_a_job_that_the_service_keeps_no_longer_is_unknown_at_once() -> None:
    assert schedule(service_limit=None).after_query(task("UNKNOWN"), now=START + 24 * 3600) is None


# Limits without an answer.


def test_a_last_query_may_be_answered_after_a_limit() -> None:
    wait = schedule(queue_timeout=100)
    wait.after_query(task("PENDING"), now=START + 50)
    assert wait.next_check(now=START + 50) == START + 100
    assert wait.after_error(TransportError("x"), now=START + 98) == 2
    assert wait.after_error(TransportError("x"), now=START + 100) == 1
    assert wait.after_error(TransportError("x"), now=START + 102.5) == 0.5
    assert wait.next_check(now=START + 100) == START + 103
    wait.check(now=START + 102.9)
    with pytest.raises(
        QueueTimeoutError,
        match="did not begin within 100 s, as far as is known: no query of its status was answered since "
        r"13:47:30 UTC, when it was PENDING\. Its status now is not known\. It may have begun or ended, and is billed "
        "if it succeeds",
    ):
        wait.check(now=START + 103)


@pytest.mark.usefixtures("in_shanghai")
def test_a_list_is_an_answer_too() -> None:
    wait = schedule(queue_timeout=100)
    wait.after_list("PENDING", now=START + 50)
    with pytest.raises(QueueTimeoutError, match="was answered since 13:47:30 UTC, when it was PENDING"):
        wait.check(now=START + 103)


def test_a_limit_without_any_answer_says_so() -> None:
    with pytest.raises(QueueTimeoutError, match=r"as far as is known: no query of its status was answered\."):
        schedule(queue_timeout=100).after_error(TransportError("x"), now=START + 103)


def test_a_wait_that_begins_after_a_limit_has_time_for_one_query() -> None:
    """As after a triggerer was away for an hour: the job may have succeeded meanwhile."""
    wait = Schedule(
        task_id="t1", poll_policy=PollPolicy(queue_timeout=100), submitted_at=START, waiting_since=START + 3600
    )
    assert wait.next_check(now=START + 3600) == START + 3603
    assert wait.after_error(TransportError("x"), now=START + 3600) == 1
    assert wait.after_query(task("SUCCEEDED"), now=START + 3602) is None


def test_the_begin_of_the_render_moves_the_limit() -> None:
    wait = schedule(queue_timeout=10_000, render_timeout=60)
    assert wait.next_check(now=START) == START + 10_000
    wait.after_query(task("RUNNING"), now=START + 10)
    assert wait.next_check(now=START + 10) == START + 70
    with pytest.raises(RenderTimeoutError, match="as far as is known"):
        wait.check(now=START + 73)


def test_a_render_that_is_known_to_have_begun_is_limited_before_any_answer() -> None:
    wait = schedule(render_timeout=60, begun_by=START + 5, service_limit=None)
    assert wait.limit == START + 65
    wait.after_query(task("PENDING"), now=START + 30)
    assert wait.limit == START + 65


@pytest.mark.parametrize(("now", "seconds"), [(0, 60), (50, 50), (99.5, 1), (100, 3), (102.5, 1)])
def test_a_query_does_not_outlast_the_limit(now: float, seconds: float) -> None:
    assert schedule(queue_timeout=100).query(now=START + now).total_timeout == pytest.approx(seconds)
    assert schedule(service_limit=None).query(now=START + now).total_timeout == 60


def test_a_result_that_does_not_appear_does_not_outlast_the_limit() -> None:
    wait = schedule(render_timeout=100)
    wait.after_query(task("RUNNING"), now=START)
    assert wait.after_query(task("SUCCEEDED", video_url=""), now=START + 99) == 1
    with pytest.raises(RenderTimeoutError, match="when it was SUCCEEDED"):
        wait.check(now=START + 103)


def test_passing_errors_back_off_until_news_come() -> None:
    wait = schedule()
    delays = [wait.after_error(TransportError("x"), now=START) for _ in range(8)]
    assert delays == [4, 4, 8, 16, 32, BACKOFF_CEILING, BACKOFF_CEILING, BACKOFF_CEILING]
    wait.after_query(task("PENDING"), now=START)
    assert wait.after_error(TransportError("x"), now=START) == FLOOR
    assert wait.after_error(ThrottledError("x", retry_after=30), now=START) == 30
    assert wait.after_error(ThrottledError("x", retry_after=1e9), now=START) == 60


def test_answers_of_unknown_back_off_as_errors_do() -> None:
    wait = schedule()
    assert [wait.after_query(task("UNKNOWN"), now=START) for _ in range(6)] == [4, 4, 8, 16, 32, 60]


@pytest.mark.parametrize(("submitted_at", "since"), [(START, START), (0.0, START + 30)])
def test_the_progress_of_a_queued_job_counts_from_its_submit(submitted_at: float, since: float) -> None:
    wait = Schedule(task_id="t1", poll_policy=PollPolicy(), submitted_at=submitted_at, render_times=Known(100))
    assert wait.expected_end is None
    assert wait.progress("PENDING", now=START + 30, ahead=3, free_at=START + 40, slots=2) == Progress(
        task_id="t1",
        stage="PENDING",
        now=START + 30,
        since=since,
        expected_seconds=140,
        ahead=3,
        begins_at=START + 40 + 1.5 * 140,
    )
    assert wait.progress("PENDING", now=START + 30, ahead=0, free_at=START + 40, slots=0).begins_at == START + 40
    assert wait.progress("PENDING", now=START + 30, ahead=2, free_at=START + 40).begins_at == START + 40 + 2 * 140
    assert wait.progress("PENDING", now=START + 30).begins_at is None


def test_the_progress_of_a_render_counts_from_its_begin() -> None:
    wait = schedule(render_times=Known(100))
    wait.after_query(running(queued=50), now=START + 60)
    assert wait.expected_end == START + 50 + 140
    assert wait.progress("RUNNING", now=START + 60).since == START + 50


@pytest.mark.parametrize(("now", "ends"), [(99.999, False), (100.0, True)])
def test_a_limit_is_reached_when_its_seconds_have_passed(now: float, ends: bool) -> None:
    limits = TimeLimits(task_id="t1", poll_policy=PollPolicy(queue_timeout=100), submitted_at=START)
    checks = [
        lambda: limits.check(now=START + now, begun_at=None),
        lambda: limits.check_unanswered(now=START + now, begun_at=None, known=("", None)),
    ]
    for check in checks:
        with pytest.raises(QueueTimeoutError) if ends else nullcontext():
            check()


def test_the_error_of_refusals_that_last_can_be_retried() -> None:
    """The job is paid, and goes on: a retry waits for it, for example after the key was replaced."""
    wait, error = schedule(), AccessError("no", code="InvalidApiKey", request_id="r", status=401, remedy="Set a key.")
    wait.after_error(error, now=START)
    with pytest.raises(AccessError) as caught:
        wait.after_error(error, now=START + 600)
    assert str(caught.value) == (
        "InvalidApiKey: every status query of render job t1 was refused for 600 s: no (HTTP 401, request_id r). Set a "
        "key. The render job may go on, and is billed if it succeeds. A retry waits for it."
    )
    assert caught.value.retryable


@pytest.mark.parametrize("kind", [AccessError, RequestError, ConfigurationError])
def test_refused_queries_are_repeated_for_a_while(kind: type[DashScopeError]) -> None:
    """A gateway may refuse one query, or be set up anew, while the paid job renders."""
    wait = schedule()
    assert wait.after_error(kind("no"), now=START) == FLOOR
    assert wait.after_error(kind("no"), now=START + REFUSAL_SECONDS - 1) == FLOOR
    wait.after_query(task("RUNNING"), now=START + REFUSAL_SECONDS)
    assert wait.after_error(kind("no"), now=START + REFUSAL_SECONDS + 1) == FLOOR
    with pytest.raises(kind):
        wait.after_error(kind("no"), now=START + 2 * REFUSAL_SECONDS + 1)


def test_success_without_a_result_is_queried_again() -> None:
    wait = schedule()
    bare = Task.parse({"output": {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": ""}})
    assert wait.after_query(bare, now=START) == FLOOR
    assert wait.after_query(bare, now=START + GRACE - 1) == FLOOR
    assert wait.after_query(bare, now=START + GRACE) is None
    assert schedule().after_query(task("SUCCEEDED"), now=START) is None


@pytest.mark.parametrize("started", ["1970-01-01 08:00:00", "2021-01-01 00:00:00", "0001-01-01 00:00:00"])
def test_an_impossible_begin_is_no_timeout(started: str) -> None:
    """The limit of the render counts from a moment that is possible: not before the submit."""
    output = {"submit_time": "2026-11-25 10:00:00", "scheduled_time": started}
    running = Task.parse({"output": {"task_id": "t1", "task_status": "RUNNING", **output}})
    assert schedule(render_timeout=100).after_query(running, now=START + 50) is not None


def test_errors_do_not_outlast_the_limits() -> None:
    wait = schedule(queue_timeout=100)
    assert wait.after_error(ThrottledError("x", retry_after=90), now=START + 70) == 30
    with pytest.raises(QueueTimeoutError):
        wait.after_error(TransportError("x"), now=START + 103)


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
    events=st.lists(st.tuples(NEWS, st.floats(0, 500)), max_size=30),
    seed=st.integers(),
)
def test_never_faster_than_the_floor_nor_later_than_the_ceiling(
    floor: float,
    ceiling: float,
    shortest: float | None,
    limits: dict[str, float],
    deadline: float | None,
    events: list[tuple[tuple[str, Any], float]],
    seed: int,
) -> None:
    """Whatever comes in which order: but for the end of the wait itself, and for what the service asks for."""
    poll_policy = PollPolicy(
        poll_interval=floor,
        max_poll_interval=ceiling,
        deadline=None if deadline is None else START + deadline,
        **limits,
    )
    wait = Schedule(
        task_id="t1",
        poll_policy=poll_policy,
        submitted_at=START,
        render_times=None if shortest is None else Known(shortest),
        chance=random.Random(seed).random,
    )
    now = START
    for (kind, what), passed in events:
        now += passed
        retry_after = 0.0
        try:
            if kind == "news":
                pause = wait.after_query(task(what), now=now)
            elif kind == "sight":
                pause = wait.after_list(what, now=now)
            else:
                retry_after = 0.0 if what == "none" else float(what)
                pause = wait.after_error(ThrottledError("x", retry_after=retry_after or None), now=now)
        except TaskTimeoutError:
            return
        if pause is None:
            assert what == "UNKNOWN"
            return
        highest = max(floor, ceiling, min(retry_after, 60.0))
        assert 0 < pause <= highest
        # No pause is longer than the limits allow, whatever was or was not answered.
        assert now + pause <= wait.next_check(now=now) + 1e-6
        if pause < floor:
            # Exactly at its end the wait is over.
            with pytest.raises(TaskTimeoutError):
                wait.check(now=now + pause + 3.001)
