"""What comes in and what is due, without anything being sent."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import (
    QueueTimeoutError,
    RenderTimeoutError,
    ThrottledError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.render_times import RenderTimes
from airflow_provider_videoretalk.polling.schedule import Schedule
from airflow_provider_videoretalk.polling.watched_job import Waiter, Watched, Way
from airflow_provider_videoretalk.polling.watched_jobs import WatchedJobs

EPOCH = 1_795_000_000.0


class World:
    """A jobs whose time stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.loop = asyncio.new_event_loop()
        self.render_times = RenderTimes()
        self.news: list[tuple[str, Any]] = []
        self.jobs = WatchedJobs(render_times=self.render_times, clock=lambda: EPOCH + self.now, time=lambda: self.now)

    def waiter(self, task_id: str, *, age: float, **poll_policy: Any) -> Waiter:
        schedule = Schedule(
            task_id=task_id,
            poll_policy=PollPolicy(**poll_policy),
            submitted_at=EPOCH + self.now - age,
            render_times=self.render_times,
            chance=lambda: 0.0,
        )
        return Waiter(
            schedule=schedule,
            on_progress=lambda news: self.news.append((task_id, news)),
            ended=self.loop.create_future(),
        )

    def join(self, task_id: str, *, age: float = 100.0, **poll_policy: Any) -> Watched:
        waiter = self.waiter(task_id, age=age, **poll_policy)
        return self.jobs.join(task_id, submitted_at=EPOCH + self.now - age, waiter=waiter)

    def take(self, way: Way) -> Watched:
        """The job whose turn it is."""
        watched = self.jobs.first(way)
        assert self.jobs.take(watched) == way
        return watched

    def due(self) -> dict[str, tuple[str, float]]:
        """By which way each is due, and in how many seconds."""
        return {
            key: (way, round(agenda.time(key) - self.now, 3)) for way, agenda in self.jobs.due.items() for key in agenda
        }


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def closed(world: World) -> Any:
    yield
    world.loop.close()


def told(task_id: str, status: str, **output: Any) -> Task:
    result = {"video_url": "https://result.example/v.mp4"} if status == "SUCCEEDED" else {}
    return Task.parse({"output": {"task_id": task_id, "task_status": status, **result, **output}})


def test_an_unknown_one_is_due_at_once_and_a_fresh_one_in_a_while(world: World) -> None:
    world.join("old")
    world.join("new", age=1.0)
    assert world.due() == {"old": ("RUNNING", 0), "new": ("RUNNING", 3)}


def test_the_last_to_leave_takes_the_task_along(world: World) -> None:
    watched = world.join("t")
    world.join("t")
    first, second = watched.waiters
    world.jobs.leave(watched, first)
    assert world.jobs.find("t") is watched
    world.jobs.leave(watched, second)
    assert world.jobs.find("t") is None
    assert world.due() == {}
    assert world.jobs.waiters() == []


def test_a_render_that_nobody_waits_for_any_more_keeps_its_place(world: World) -> None:
    """Its wait is over, not the render: the next in the queue has not begun."""
    watched = world.join("t", age=100.0, render_timeout=1.0, begun_by=EPOCH + 950.0)
    world.jobs.take(watched)
    world.jobs.note_reply(watched, told("t", "RUNNING"))
    assert isinstance(watched.waiters[0].ended.exception(), RenderTimeoutError)
    assert world.jobs.queue.rendering == 1


def test_news_of_one_that_has_gone_meanwhile_change_nothing(world: World) -> None:
    stays = world.join("stays", age=50.0)
    goes = world.join("goes", age=100.0)
    world.jobs.note_status(stays, "PENDING")
    world.jobs.note_status(goes, "PENDING")
    world.jobs.take(goes)
    world.jobs.leave(goes, goes.waiters[0])
    before = world.due()
    assert not world.jobs.note_reply(goes, told("goes", "PENDING"))
    world.jobs.failed(goes, ThrottledError("m"))
    assert world.due() == before
    assert world.jobs.settled("PENDING") == range(1, 2)


def test_one_that_is_asked_for_has_no_other_turn(world: World) -> None:
    watched = world.join("t")
    world.take("RUNNING")
    world.join("t")
    world.jobs.note_status(watched, "RUNNING")
    assert world.due() == {}
    world.jobs.note_reply(watched, told("t", "RUNNING"))
    assert world.due() == {"t": ("RUNNING", 4)}


def test_a_failing_query_has_a_way_of_its_own_until_there_is_an_answer(world: World) -> None:
    watched = world.join("t")
    world.take("RUNNING")
    world.jobs.failed(watched, TransportError("m"))
    assert world.due() == {"t": ("failing", 4)}
    # A list that shows no end of it does not bring its query forward.
    world.jobs.note_status(watched, "SUCCEEDED")
    assert world.due() == {"t": ("failing", 4)}
    world.take("failing")
    world.jobs.note_reply(watched, told("t", "RUNNING"))
    assert world.due() == {"t": ("RUNNING", 4)}


def test_a_list_that_shows_a_failing_task_puts_it_back(world: World) -> None:
    watched = world.join("t")
    world.take("RUNNING")
    world.jobs.failed(watched, TransportError("m"))
    world.jobs.note_status(watched, "RUNNING")
    assert world.due() == {"t": ("RUNNING", 4)}


def test_a_limit_that_is_reached_makes_a_last_query_due_before_all_others(world: World) -> None:
    hasty, patient = world.waiter("t", age=100, queue_timeout=130), world.waiter("t", age=100)
    watched = world.jobs.join("t", submitted_at=EPOCH + world.now - 100, waiter=hasty)
    world.jobs.join("t", submitted_at=EPOCH + world.now - 100, waiter=patient)
    assert world.jobs.check_limits() == pytest.approx(30)
    world.take("RUNNING")
    world.now += 30
    assert world.jobs.check_limits() == pytest.approx(3)
    assert world.due() == {"t": ("alone", -3600)}
    world.now += 3
    world.jobs.check_limits()
    with pytest.raises(QueueTimeoutError, match="no query of its status was answered"):
        hasty.ended.result()
    assert watched.open_waiters == [patient]


def test_who_comes_after_the_end_is_told_it_too(world: World) -> None:
    """Before those who were told it have gone."""
    watched = world.join("t")
    world.take("RUNNING")
    world.jobs.note_reply(watched, told("t", "SUCCEEDED"))
    assert world.due() == {}
    world.join("t")
    world.take("RUNNING")
    world.jobs.note_reply(watched, told("t", "SUCCEEDED"))
    assert [waiter.ended.result().status for waiter in watched.waiters] == ["SUCCEEDED", "SUCCEEDED"]


def test_what_no_list_shows_has_probably_ended(world: World) -> None:
    running, unknown = world.join("running"), world.join("unknown")
    world.jobs.note_status(running, "RUNNING")
    world.jobs.missed(running, "RUNNING")
    world.jobs.missed(unknown, "RUNNING")
    assert world.due() == {"running": ("alone", -30), "unknown": ("PENDING", 0)}
    world.jobs.missed(unknown, "PENDING")
    assert world.due()["unknown"] == ("alone", -30)
    # A row that shows it after all takes that back.
    world.jobs.note_status(unknown, "PENDING")
    assert world.due()["unknown"][0] == "PENDING"


def test_what_the_list_need_not_know_yet_proves_nothing(world: World) -> None:
    fresh, asked = world.join("fresh", age=9.0), world.join("asked")
    world.take("RUNNING")
    world.jobs.note_reply(asked, told("asked", "RUNNING"))
    world.now += 0.5
    world.jobs.missed(fresh, "RUNNING")
    world.jobs.missed(asked, "RUNNING")
    assert {way for way, _ in world.due().values()} == {"RUNNING"}


@pytest.mark.parametrize(("age", "way"), [(100.0, "alone"), (20.0, "alone"), (19.9, "RUNNING")])
def test_one_that_goes_on_unseen_by_the_list_is_asked_for_alone(world: World, age: float, way: str) -> None:
    """Unless the list need not know of its begin yet."""
    watched = world.join("t", age=age)
    world.jobs.note_status(watched, "RUNNING")
    for _ in range(2):
        assert world.due()["t"][0] == "RUNNING"
        world.jobs.missed(watched, "RUNNING")
        world.take("alone")
        world.jobs.note_reply(watched, told("t", "RUNNING"))
        watched.answered_at = 0.0
    assert world.due()["t"][0] == way
    world.jobs.note_status(watched, "RUNNING")
    assert world.due()["t"][0] == "RUNNING"


@pytest.mark.parametrize(("ended", "stands_still"), [("SUCCEEDED", True), ("RUNNING", False)])
def test_one_job_at_a_time_shows_whether_the_list_stands_still(world: World, ended: str, stands_still: bool) -> None:
    first = world.join("first")
    world.now += 1
    second = world.join("second")
    world.now += 300
    for watched in (first, second):
        world.jobs.note_status(watched, "RUNNING")
    world.jobs.prove_one()
    assert world.due()["first"] == ("alone", 0)
    assert world.due()["second"][0] == "RUNNING"
    world.take("alone")
    assert world.jobs.note_reply(first, told("first", ended)) is stands_still
    world.jobs.prove_one()
    assert "alone" not in {way for way, _ in world.due().values()}


def test_a_query_that_the_list_did_not_cause_says_nothing_of_it(world: World) -> None:
    watched = world.join("t")
    world.take("RUNNING")
    assert not world.jobs.note_reply(watched, told("t", "SUCCEEDED"))


def test_how_many_there_may_be_without_a_surprise(world: World) -> None:
    tasks = [world.join(f"t{number}", age=100.0 - number) for number in range(5)]
    assert world.jobs.settled("PENDING") == world.jobs.settled("RUNNING") == range(0)
    world.jobs.note_status(tasks[0], "RUNNING")
    for watched in tasks[1:]:
        world.jobs.note_status(watched, "PENDING")
    # The one that renders may have ended, and been followed.
    assert world.jobs.settled("PENDING") == range(3, 5)
    # One that queues may begin.
    assert world.jobs.settled("RUNNING") == range(0)
    for watched in tasks[1:]:
        world.jobs.note_status(watched, "RUNNING")
    assert world.jobs.settled("RUNNING") == range(5, 6)


def test_queued_jobs_are_seldom_due(world: World) -> None:
    jobs = [world.join(f"t{number}", age=100.0 - number) for number in range(4)]
    world.jobs.note_status(jobs[0], "RUNNING")
    for watched in jobs[1:]:
        world.jobs.note_status(watched, "PENDING")
    assert all(270 <= world.due()[f"t{number}"][1] <= 300 for number in (1, 2, 3))
    assert world.jobs.next_in_queue() is jobs[1]
    world.now += 100
    world.take("RUNNING")
    world.jobs.note_reply(jobs[0], told("t0", "SUCCEEDED"))
    assert world.jobs.queue.check_at == world.now + 4
    assert world.due()["t1"][1] > 100


def test_the_next_in_the_queue_is_one_that_can_be_asked_for(world: World) -> None:
    """One whose queries fail does not stand for those behind it."""
    jobs = [world.join(f"t{number}", age=100.0 - number) for number in range(3)]
    for watched in jobs:
        world.jobs.note_status(watched, "PENDING")
    world.jobs.take(jobs[0])
    assert world.jobs.next_in_queue() is jobs[1]
    world.jobs.failed(jobs[0], TransportError("m"))
    assert world.jobs.next_in_queue() is jobs[1]


def test_behind_a_queued_job_the_others_queue_too(world: World) -> None:
    first, behind, beside, before = (
        world.join(name, age=age)
        for name, age in (("first", 50.0), ("behind", 40.0), ("beside", 50.0), ("before", 60.0))
    )
    world.jobs.take(first)
    world.jobs.note_reply(first, told("first", "PENDING"))
    assert (behind.status, beside.status, before.status) == ("PENDING", None, None)
    assert world.due()["behind"] == ("PENDING", 0)
    assert world.due()["before"][0] == "RUNNING"


@pytest.mark.parametrize(
    ("poll_interval", "age", "counts"),
    [(4.0, 10.0, True), (4.0, 9.999, False), (2.0, 5.0, True), (2.0, 4.999, False), (100.0, 10.0, True)],
)
def test_how_late_a_list_may_be(world: World, poll_interval: float, age: float, counts: bool) -> None:
    """Two and a half poll intervals, and ten seconds at most."""
    watched = world.join("t", age=age, poll_interval=poll_interval)
    world.jobs.note_status(watched, "RUNNING")
    world.jobs.missed(watched, "RUNNING")
    assert (world.due()["t"][0] == "alone") is counts


@pytest.mark.parametrize(("seconds", "counts"), [(5.0, True), (4.999, False)])
def test_a_list_that_is_as_old_as_the_last_answer_proves_nothing(world: World, seconds: float, counts: bool) -> None:
    watched = world.join("t")
    world.take("RUNNING")
    world.jobs.note_reply(watched, told("t", "RUNNING"))
    world.now += seconds
    world.jobs.missed(watched, "RUNNING")
    assert (world.due()["t"][0] == "alone") is counts


def test_an_absence_counts_once(world: World) -> None:
    watched = world.join("t")
    world.jobs.note_status(watched, "RUNNING")
    world.now += 10
    world.jobs.missed(watched, "RUNNING")
    world.take("alone")
    for _ in range(3):
        world.jobs.note_reply(watched, told("t", "RUNNING"))
        world.now += 10
        world.take("RUNNING")


def test_one_that_has_gone_to_the_other_list_was_not_wrongly_missed(world: World) -> None:
    watched = world.join("t")
    for _ in range(3):
        world.now += 10
        world.jobs.note_status(watched, "PENDING")
        # A row that moves from one list to the other is in neither.
        world.jobs.missed(watched, "RUNNING")
        world.jobs.missed(watched, "PENDING")
        world.take("alone")
        world.jobs.note_reply(watched, told("t", "RUNNING"))
        assert world.due()["t"][0] == "RUNNING"


@pytest.mark.parametrize(
    ("status", "ended_before", "stands_still"),
    [
        ("SUCCEEDED", 60.0, False),
        ("SUCCEEDED", 60.001, True),
        ("FAILED", 60.001, True),
        ("CANCELED", 300.0, False),
        ("SUCCEEDED", None, True),
    ],
)
def test_a_list_that_is_later_by_a_minute_stands_still(
    world: World, status: str, ended_before: float | None, stands_still: bool
) -> None:
    watched = world.join("t", age=400.0)
    world.now += 301
    world.jobs.note_status(watched, "RUNNING")
    world.jobs.prove_one()
    world.take("alone")
    # Submitted 701 s ago.
    dates = {}
    if ended_before is not None:
        minutes, seconds = divmod(701 - ended_before, 60)
        dates = {
            "submit_time": "2026-11-20 20:00:00.000",
            "end_time": f"2026-11-20 20:{int(minutes):02}:{seconds:06.3f}",
        }
    assert world.jobs.note_reply(watched, told("t", status, **dates)) is stands_still


def test_a_job_that_the_list_misses_already_says_nothing_of_it(world: World) -> None:
    watched = world.join("t", age=400.0)
    world.now += 301
    world.jobs.note_status(watched, "RUNNING")
    world.jobs.prove_one()
    world.jobs.missed(watched, "RUNNING")
    world.take("alone")
    assert not world.jobs.note_reply(watched, told("t", "SUCCEEDED"))


@pytest.mark.parametrize(("seconds", "way"), [(300.0, "RUNNING"), (300.001, "alone")])
def test_only_what_the_list_alone_has_shown_for_five_minutes_is_proved(world: World, seconds: float, way: str) -> None:
    watched = world.join("t")
    world.jobs.prove_one()
    world.now += seconds
    world.jobs.note_status(watched, "RUNNING")
    world.jobs.prove_one()
    assert world.due()["t"][0] == way


def test_the_most_hasty_waiter_says_when_to_ask(world: World) -> None:
    world.join("t", age=1.0, poll_interval=60.0)
    assert world.due() == {"t": ("RUNNING", 59)}
    world.join("t", age=1.0)
    assert world.due() == {"t": ("RUNNING", 3)}
    world.join("t", age=1.0, poll_interval=60.0)
    assert world.due() == {"t": ("RUNNING", 3)}
    assert world.jobs.policy("RUNNING").poll_interval == 60, "the first one's"
    assert world.jobs.policy("alone") == PollPolicy()


def test_a_job_of_an_unknown_time_is_asked_for_alone_until_somebody_knows_it(world: World) -> None:
    waiter = world.waiter("t", age=100.0)
    watched = world.jobs.join("t", submitted_at=0.0, waiter=waiter)
    assert (world.due()["t"][0], len(world.jobs.queue)) == ("alone", 0)
    world.take("alone")
    world.jobs.note_reply(watched, told("t", "RUNNING", submit_time="2026-11-20 20:00:00.000"))
    # 12:00 UTC.
    assert (watched.submitted_at, world.due()["t"][0]) == (1_795_176_000.0, "RUNNING")
    late = world.jobs.join("u", submitted_at=0.0, waiter=world.waiter("u", age=100.0))
    world.jobs.join("u", submitted_at=EPOCH, waiter=world.waiter("u", age=100.0))
    assert late.submitted_at == EPOCH


def test_nothing_of_one_that_has_gone_is_kept(world: World) -> None:
    watched = world.join("t")
    world.join("other")
    assert [len(world.jobs.queue), world.jobs.check_limits()] == [2, 3 * 3600 - 120 - 100]
    world.jobs.note_status(watched, "RUNNING")
    world.jobs.leave(watched, watched.waiters[0])
    other = world.jobs.find("other")
    assert other is not None
    world.jobs.note_status(other, "RUNNING")
    assert world.jobs.settled("RUNNING") == range(1, 2)
    world.jobs.leave(other, other.waiters[0])
    assert [len(world.jobs.queue), world.jobs.queue.rendering, world.jobs.check_limits()] == [0, 0, math.inf]


def test_those_count_as_ended_unseen_that_wait_for_a_confirmation(world: World) -> None:
    running = [world.join(f"t{number}") for number in range(3)]
    for watched in running:
        world.jobs.note_status(watched, "RUNNING")
    for watched in running[:2]:
        world.jobs.missed(watched, "RUNNING")
    world.jobs.join("undated", submitted_at=0.0, waiter=world.waiter("undated", age=100.0))
    assert world.jobs.ended_unseen(world.now) == 2


def test_clocks_that_differ_a_little_check_a_limit_again_soon(world: World) -> None:
    drift = 0.0
    late = WatchedJobs(render_times=world.render_times, clock=lambda: EPOCH + world.now - drift, time=lambda: world.now)
    waiter = world.waiter("t", age=100, queue_timeout=130)
    late.join("t", submitted_at=EPOCH + world.now - 100, waiter=waiter)
    world.now += 30
    drift = 0.001
    assert late.check_limits() == pytest.approx(0.01)


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 300.0), (1.0, 270.0)])
def test_queued_jobs_are_not_due_together(
    world: World, monkeypatch: pytest.MonkeyPatch, chance: float, pause: float
) -> None:
    monkeypatch.setattr(random, "random", lambda: chance)
    watched = world.join("t")
    world.jobs.note_status(watched, "PENDING")
    assert world.due() == {"t": ("PENDING", pause)}
    world.jobs.take(watched)
    world.jobs.note_reply(watched, told("t", "PENDING"))
    assert world.due() == {"t": ("PENDING", pause)}


def test_what_ends_is_learned_from(world: World) -> None:
    watched = world.join("t")
    world.take("RUNNING")
    times = {"scheduled_time": "2026-11-20 20:00:10.000", "end_time": "2026-11-20 20:01:00.000"}
    world.jobs.note_reply(watched, told("t", "RUNNING", scheduled_time="2026-11-20 20:00:10.000"))
    assert world.render_times.expected() is None
    world.take("RUNNING")
    world.jobs.note_reply(watched, told("t", "SUCCEEDED", submit_time="2026-11-20 20:00:00.000", **times))
    assert world.render_times.expected() == 50.0


def test_who_queues_is_told_when_it_begins(world: World) -> None:
    """The one that renders has begun now, and renders take 100 s."""
    world.render_times.note(100.0, output_seconds=None)
    first, second, third = (world.join(f"t{number}", age=100.0 - number) for number in range(3))
    world.jobs.note_status(first, "RUNNING")
    world.jobs.note_status(second, "PENDING")
    world.jobs.note_status(third, "PENDING")
    now = EPOCH + world.now
    told_of = {task_id: (news.stage, news.ahead, news.begins_at) for task_id, news in world.news}
    assert told_of == {
        "t0": ("RUNNING", None, None),
        "t1": ("PENDING", 0, now + 100),
        "t2": ("PENDING", 1, now + 200),
    }
    world.now += 130
    world.take("RUNNING")
    world.jobs.note_reply(first, told("t0", "SUCCEEDED"))
    world.jobs.note_status(third, "PENDING")
    # The place is free since now, and no other job is known to render.
    assert world.news[-1][1].begins_at == EPOCH + world.now + 100


def test_a_failure_is_reported_and_a_final_one_ends_the_wait(world: World) -> None:
    watched = world.join("t", queue_timeout=1000)
    world.take("RUNNING")
    error = TransportError("m")
    world.jobs.failed(watched, error)
    assert world.news == [("t", error)]
    world.now += 910
    world.take("failing")
    world.jobs.failed(watched, error)
    assert isinstance(watched.waiters[0].ended.exception(), QueueTimeoutError)
    assert world.due() == {}


def test_who_joins_after_a_final_failure_is_asked_for(world: World) -> None:
    """The one before has been told, and has not left yet."""
    watched = world.join("t", queue_timeout=50)
    world.take("RUNNING")
    world.jobs.failed(watched, TransportError("m"))
    assert isinstance(watched.waiters[0].ended.exception(), QueueTimeoutError)
    assert world.due() == {}
    assert world.join("t") is watched
    assert list(world.due()) == ["t"]


def test_an_answer_ends_the_suspicion(world: World) -> None:
    watched = world.join("t")
    world.jobs.note_status(watched, "RUNNING")
    world.jobs.missed(watched, "RUNNING")
    world.take("alone")
    for _ in range(3):
        world.jobs.note_reply(watched, told("t", "RUNNING"))
        assert world.due()["t"][0] == "RUNNING"
        world.take("RUNNING")
