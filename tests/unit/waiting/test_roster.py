"""What comes in and what is due, without anything being sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import ThrottledError
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.waiting.forecast import Forecast
from airflow_provider_videoretalk.waiting.patience import Patience
from airflow_provider_videoretalk.waiting.roster import Roster
from airflow_provider_videoretalk.waiting.schedule import Schedule
from airflow_provider_videoretalk.waiting.waiter import Waiter, Watched

EPOCH = 1_795_000_000.0


class World:
    """A roster whose time stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.loop = asyncio.new_event_loop()
        self.forecast = Forecast()
        self.roster = Roster(forecast=self.forecast, clock=lambda: EPOCH + self.now, time=lambda: self.now)

    def waiter(self, task_id: str, *, age: float, **patience: Any) -> Waiter:
        schedule = Schedule(
            task_id=task_id,
            patience=Patience(**patience),
            submitted_at=EPOCH + self.now - age,
            forecast=self.forecast,
            chance=lambda: 0.0,
        )
        return Waiter(schedule=schedule, news=lambda news: None, ended=self.loop.create_future())

    def join(self, task_id: str, *, age: float = 100.0) -> Watched:
        waiter = self.waiter(task_id, age=age)
        return self.roster.join(task_id, submitted_at=EPOCH + self.now - age, waiter=waiter)

    def due(self) -> dict[str, tuple[str, float]]:
        """By which way each is due, and in how many seconds."""
        return {
            key: (way, round(agenda.time(key) - self.now, 3))
            for way, agenda in self.roster.due.items()
            for key in agenda
        }


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def closed(world: World) -> Any:
    yield
    world.loop.close()


def told(task_id: str, status: str, **output: Any) -> Task:
    return Task.parse({"output": {"task_id": task_id, "task_status": status, **output}})


def test_an_unknown_one_is_due_at_once_and_a_fresh_one_in_a_while(world: World) -> None:
    world.join("old")
    world.join("new", age=1.0)
    assert world.due() == {"old": ("RUNNING", 0), "new": ("RUNNING", 3)}


def test_the_last_to_leave_takes_the_task_along(world: World) -> None:
    watched = world.join("t")
    world.join("t")
    first, second = watched.waiters
    world.roster.leave(watched, first)
    assert world.roster.find("t") is watched
    world.roster.leave(watched, second)
    assert world.roster.find("t") is None
    assert world.due() == {}
    assert world.roster.waiters() == []


def test_news_of_one_that_has_gone_meanwhile_change_nothing(world: World) -> None:
    stays = world.join("stays", age=50.0)
    goes = world.join("goes", age=100.0)
    world.roster.sighted(stays, "PENDING")
    world.roster.sighted(goes, "PENDING")
    turn = world.roster.take("PENDING")
    assert turn[0] is goes
    world.roster.leave(goes, goes.waiters[0])
    before = world.due()
    assert world.roster.told(goes, told("goes", "PENDING")) is None
    world.roster.failed(goes, ThrottledError("m"))
    world.roster.throttled(turn, ThrottledError("m"))
    assert world.due() == before
    assert world.roster.settled("PENDING") == range(1, 2)


def test_one_that_is_asked_for_has_no_other_turn(world: World) -> None:
    watched = world.join("t")
    world.roster.take("RUNNING")
    world.join("t")
    world.roster.sighted(watched, "RUNNING")
    assert world.due() == {}
    world.roster.told(watched, told("t", "RUNNING"))
    assert world.due() == {"t": ("RUNNING", 4)}


def test_a_refused_query_keeps_its_turn(world: World) -> None:
    world.join("t")
    turn = world.roster.take("RUNNING")
    world.now += 30
    world.roster.throttled(turn, ThrottledError("m"))
    assert world.due() == {"t": ("RUNNING", -30)}


def test_who_comes_after_the_end_is_told_it_too(world: World) -> None:
    """Before those who were told it have gone."""
    watched = world.join("t")
    world.roster.take("RUNNING")
    world.roster.told(watched, told("t", "SUCCEEDED"))
    assert world.due() == {}
    world.join("t")
    world.roster.take("RUNNING")
    world.roster.told(watched, told("t", "SUCCEEDED"))
    assert [waiter.ended.result().status for waiter in watched.waiters] == ["SUCCEEDED", "SUCCEEDED"]


def test_what_no_list_shows_has_probably_ended(world: World) -> None:
    running, unknown = world.join("running"), world.join("unknown")
    world.roster.sighted(running, "RUNNING")
    world.roster.missed(running, "RUNNING")
    world.roster.missed(unknown, "RUNNING")
    assert world.due() == {"running": ("alone", -30), "unknown": ("PENDING", 0)}
    world.roster.missed(unknown, "PENDING")
    assert world.due()["unknown"] == ("alone", -30)
    # A row that shows it after all takes that back.
    world.roster.sighted(unknown, "PENDING")
    assert world.due()["unknown"][0] == "PENDING"


def test_what_the_list_need_not_know_yet_proves_nothing(world: World) -> None:
    fresh, asked = world.join("fresh", age=9.0), world.join("asked")
    world.roster.take("RUNNING")
    world.roster.told(asked, told("asked", "RUNNING"))
    world.now += 0.5
    world.roster.missed(fresh, "RUNNING")
    world.roster.missed(asked, "RUNNING")
    assert {way for way, _ in world.due().values()} == {"RUNNING"}


@pytest.mark.parametrize(
    ("age", "status", "right"),
    [
        (100.0, "SUCCEEDED", True),
        (100.0, "RUNNING", False),
        (15.0, "RUNNING", None),
        (15.0, "FAILED", True),
    ],
)
def test_the_list_is_judged_by_what_it_did_not_show(world: World, age: float, status: str, right: bool | None) -> None:
    watched = world.join("t", age=age)
    world.roster.sighted(watched, "RUNNING")
    world.roster.missed(watched, "RUNNING")
    world.roster.take("alone")
    assert world.roster.told(watched, told("t", status)) is right


def test_a_query_that_nobody_doubted_is_no_judgement(world: World) -> None:
    watched = world.join("t")
    world.roster.take("RUNNING")
    assert world.roster.told(watched, told("t", "SUCCEEDED")) is None


def test_how_many_there_may_be_without_a_surprise(world: World) -> None:
    tasks = [world.join(f"t{number}", age=100.0 - number) for number in range(5)]
    assert world.roster.settled("PENDING") == world.roster.settled("RUNNING") == range(0)
    world.roster.sighted(tasks[0], "RUNNING")
    for watched in tasks[1:]:
        world.roster.sighted(watched, "PENDING")
    # The one that renders may have ended, and been followed.
    assert world.roster.settled("PENDING") == range(3, 5)
    # One that queues may begin.
    assert world.roster.settled("RUNNING") == range(0)
    for watched in tasks[1:]:
        world.roster.sighted(watched, "RUNNING")
    assert world.roster.settled("RUNNING") == range(5, 6)


def test_an_end_makes_the_next_in_line_due(world: World) -> None:
    tasks = [world.join(f"t{number}", age=100.0 - number) for number in range(4)]
    world.roster.sighted(tasks[0], "RUNNING")
    for watched in tasks[1:]:
        world.roster.sighted(watched, "PENDING")
    assert world.due()["t2"] == world.due()["t3"] == ("PENDING", 300)
    world.now += 100
    world.roster.take("RUNNING")
    world.roster.told(tasks[0], told("t0", "SUCCEEDED"))
    assert world.due()["t1"][1] <= 4
    assert world.due()["t2"] == ("PENDING", 200)
