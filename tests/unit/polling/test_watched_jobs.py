"""What comes in and what is due, without anything being sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import QueueTimeoutError, ThrottledError, TransportError
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
        self.jobs = WatchedJobs(render_times=self.render_times, clock=lambda: EPOCH + self.now, time=lambda: self.now)

    def waiter(self, task_id: str, *, age: float, **poll_policy: Any) -> Waiter:
        schedule = Schedule(
            task_id=task_id,
            poll_policy=PollPolicy(**poll_policy),
            submitted_at=EPOCH + self.now - age,
            render_times=self.render_times,
            chance=lambda: 0.0,
        )
        return Waiter(schedule=schedule, on_progress=lambda news: None, ended=self.loop.create_future())

    def join(self, task_id: str, *, age: float = 100.0) -> Watched:
        waiter = self.waiter(task_id, age=age)
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


@pytest.mark.parametrize(("age", "way"), [(100.0, "alone"), (15.0, "RUNNING")])
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
    first, behind, before = (
        world.join("first", age=50.0),
        world.join("behind", age=40.0),
        world.join("before", age=60.0),
    )
    world.jobs.take(first)
    world.jobs.note_reply(first, told("first", "PENDING"))
    assert (behind.status, before.status) == ("PENDING", None)
    assert world.due()["behind"] == ("PENDING", 0)
    assert world.due()["before"][0] == "RUNNING"
