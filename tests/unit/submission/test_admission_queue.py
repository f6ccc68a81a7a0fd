"""How a triggerer admits the submits that it holds back, on a virtual account and in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, cast

import pytest
from count_ceilings import check
from held_back import HOUR, RENDER, RENDERS, Account, Triggerer, map_without_pool, on_account
from unit.polling.virtual import EPOCH

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, RequestError
from airflow_provider_videoretalk.submission import admission_queue
from airflow_provider_videoretalk.submission.admission import JobToSubmit, Queue
from airflow_provider_videoretalk.submission.admission_queue import HeldBack, job_of_account, shared_admission_queue
from airflow_provider_videoretalk.submission.admitting_triggerers import AdmittingTriggerers


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    admission_queue._JOBS.clear()
    yield
    admission_queue._JOBS.clear()


@pytest.mark.parametrize("held", [1_000, 5_000])
def test_a_look_takes_as_many_requests_however_many_are_held_back(held: int) -> None:
    async def scenario(account: Account) -> None:
        account.hold_back(held, triggerer=account.triggerer())
        await account.render(10)

    account = on_account(scenario, queued=97)
    assert account.looks > 10
    assert account.sent["PENDING"] == account.sent["SUCCEEDED"] == account.looks
    # Each look lists the keys of the triggerers. One key is written for an hour.
    assert account.airflow.requests <= account.looks + 5
    assert account.airflow.asked_backends == 1
    assert len(account.lines) == held
    assert account.lines[2].startswith("97 render jobs are in the account's queue and 2 submits are held back before")


@pytest.mark.parametrize(("name", "clips"), [("1000 clips held back", 1_000), ("5000 clips held back", 5_000)])
def test_a_clip_starts_at_most_two_workers_before_its_submit(name: str, clips: int) -> None:
    batch = map_without_pool(clips)
    check(name, {"worker starts": batch.worker_starts, "requests to Airflow": batch.requests_a_look})
    assert batch.held > clips / 2
    # All jobs would end within three hours of their submit.
    assert batch.longest_wait < 3 * HOUR
    # One key of the triggerer in half an hour.
    assert batch.asked_backends <= 1 + RENDERS / 1_800


def test_each_line_is_logged_in_the_context_of_its_trigger() -> None:
    """By its context, a triggerer tells in which log a line belongs."""
    owner: ContextVar[str] = ContextVar("owner")
    owners: list[str] = []

    async def scenario(account: Account) -> None:
        for name in ("first", "second"):
            owner.set(name)
            held = HeldBack(
                since=1.0,
                task_instance=name,
                job=JobToSubmit(model="m", limit=HOUR),
                on_position=lambda _: owners.append(owner.get()),
            )
            account.waiting.append(account.loop.create_task(waits(account, held)))
        owner.set("another")
        await asyncio.sleep(20)

    async def waits(account: Account, held: HeldBack) -> None:
        async with shared_admission_queue(account.endpoint, model="m", triggerers=lambda: None) as queue:
            await queue.wait(held)

    on_account(scenario, queued=97)
    assert owners == ["first", "second"]


def test_the_end_of_a_render_admits_the_next_one() -> None:
    """Nine tenths of three hours less a render are room for 96 jobs."""
    moments: list[float] = []

    async def scenario(account: Account) -> None:
        account.hold_back(5)
        for ended in range(1, 4):
            await account.render(1)
            moments.append(account.loop.time())
            await asyncio.sleep(10)
            assert account.admitted == [f"task-{number:05}" for number in range(ended - 1)]
            await asyncio.sleep(60)

    account = on_account(scenario, queued=98)
    assert account.longest_queue <= 97


def test_renders_that_turn_out_shorter_leave_no_pause() -> None:
    """Another triggerer waits for these jobs, so nothing wakes this one."""

    async def scenario(account: Account) -> None:
        held = account.held("first", since=EPOCH, model="m", triggerer=None, limit=200.0)
        account.waiting.append(account.loop.create_task(held))
        await asyncio.sleep(10.1)
        # Five jobs of 100 s each were expected.
        while account.queued and not account.admitted:
            await asyncio.sleep(33.0)
            account.queued -= 1
            assert account.queued > 1 or account.admitted

    on_account(scenario, queued=5)


def test_after_a_minute_of_admissions_the_account_is_looked_at_again() -> None:
    async def scenario(account: Account) -> None:
        account.hold_back(90)
        await asyncio.sleep(10.5)
        assert (len(account.admitted), account.looks) == (1, 1)
        await asyncio.sleep(63)
        assert (len(account.admitted), account.looks) == (60, 1)
        await asyncio.sleep(5)
        assert (len(account.admitted) > 60, account.looks) == (True, 2)

    on_account(scenario, queued=0)


def test_those_who_come_at_once_have_a_place_each() -> None:
    async def scenario(account: Account) -> None:
        triggerer = account.triggerer()
        for name in ("a", "b", "c", "d", "e", "f"):
            held = account.held(name, since=EPOCH, model="m", triggerer=triggerer)
            account.waiting.append(account.loop.create_task(held))
        await asyncio.sleep(20)

    account = on_account(scenario, queued=500)
    assert [line.partition(" submits are")[0].rpartition(" ")[2] for line in account.lines] == list("012345")
    assert len({line.partition("begin: ")[2] for line in account.lines}) == 6


def test_they_are_admitted_in_the_order_of_their_arrival() -> None:
    """Also if their triggers start in another order, as after the restart of a triggerer."""

    async def scenario(account: Account) -> None:
        triggerer = account.triggerer()
        for first in (20, 10, 0):
            account.hold_back(10, triggerer=triggerer, first=first)
            await asyncio.sleep(2)
        await asyncio.sleep(200)

    account = on_account(scenario, queued=80)
    assert account.admitted == [f"task-{number:05}" for number in range(17)]


def test_admissions_do_not_overfill_the_queue_before_they_are_submitted() -> None:
    async def scenario(account: Account) -> None:
        account.hold_back(200)
        await asyncio.sleep(500)
        assert len(account.admitted) == 47

    account = on_account(scenario, queued=50, delay=400.0)
    assert account.longest_queue <= 97


def test_an_admission_that_is_never_used_is_passed_on() -> None:
    """Its task instance may have been marked as failed."""

    async def scenario(account: Account) -> None:
        account.hold_back(3)
        await asyncio.sleep(100)
        assert account.admitted == ["task-00000"]
        await asyncio.sleep(900)
        assert account.admitted == ["task-00000", "task-00001"]

    on_account(scenario, queued=96, delay=1e6)


def test_a_trigger_that_is_killed_leaves_its_place() -> None:
    async def scenario(account: Account) -> None:
        account.hold_back(5)
        await asyncio.sleep(20)
        for killed in account.waiting[:2]:
            killed.cancel()
        account.queued -= 1
        await asyncio.sleep(100)
        assert account.admitted == ["task-00002"]

    on_account(scenario, queued=97)


@pytest.mark.parametrize("after", [10.0, 10.1, 10.2, 10.3, 10.4, 10.5])
def test_who_joins_while_the_last_one_leaves_is_not_forgotten(after: float) -> None:
    """A triggerer takes 0.3 s to remove its key from Airflow."""

    async def scenario(account: Account) -> None:
        triggerer = account.triggerer()
        account.hold_back(1, triggerer=triggerer)
        await asyncio.sleep(after)
        account.hold_back(1, triggerer=triggerer, first=1)
        await asyncio.sleep(60)
        assert len(account.admitted) == 2

    on_account(scenario, queued=0)


def test_triggerers_share_the_room() -> None:
    """Each has an event loop of its own; here, they have one and differ in the account's URL."""

    async def scenario(account: Account) -> None:
        one, two = account.triggerer(), account.triggerer()
        account.hold_back(100, triggerer=one)
        await asyncio.sleep(0)
        (jobs,) = admission_queue._JOBS.values()
        admission_queue._JOBS.clear()
        account.hold_back(100, triggerer=two, first=100)
        await asyncio.sleep(400)
        assert jobs is not next(iter(admission_queue._JOBS.values()))
        shares = Counter(int(name[-5:]) >= 100 for name in account.admitted)
        assert abs(shares[True] - shares[False]) <= 2

    account = on_account(scenario, queued=50, delay=300.0)
    assert 90 <= account.longest_queue <= 99


def test_without_a_list_the_jobs_that_triggers_wait_for_count() -> None:
    async def scenario(account: Account) -> None:
        account.has_list = False
        times = admission_queue.account_of(account.endpoint).render_times
        times.note(RENDER, output_seconds=None)
        rendering = [account.loop.create_task(account.render(1)) for _ in range(98)]
        account.hold_back(5)
        await asyncio.sleep(90)
        assert account.admitted == []
        (jobs,) = admission_queue._JOBS.values()
        assert jobs.count == 98
        await asyncio.gather(*rendering)
        assert jobs.count == 0
        await asyncio.sleep(20)
        assert len(account.admitted) == 5

    on_account(scenario, queued=98)


def test_an_account_that_cannot_be_used_ends_the_wait() -> None:
    async def scenario(account: Account) -> None:
        account.failure = ConfigurationError("no such CA bundle")
        account.hold_back(3)
        done = await asyncio.gather(*account.waiting, return_exceptions=True)
        assert [type(error) for error in done] == [ConfigurationError] * 3

    on_account(scenario, queued=97)


def test_nothing_is_held_back_for_ever() -> None:
    """A job that alone takes longer than its limit does not end in time later either."""

    async def scenario(account: Account) -> None:
        held = account.held("long", since=1.0, model="m", triggerer=None, limit=0.0)
        account.waiting.append(account.loop.create_task(held))
        await account.render(1)
        await asyncio.sleep(20)
        assert account.admitted == []
        await account.render(1)
        await asyncio.sleep(20)
        assert account.admitted == ["long"]

    on_account(scenario, queued=5)


@pytest.mark.parametrize(
    ("queued", "render", "limit", "looked_at"),
    [
        # Each look takes 0.15 s. Of 10,800 s, nine tenths less a render are time: 9,630 s with renders of 100 s.
        (500, 100.0, 3 * HOUR, [10.05, 310.20, 610.35]),
        (97, 100.0, 3 * HOUR, [10.05, 80.20, 150.35]),
        (102, 95.0, 3 * HOUR, [10.05, 70.20, 130.35]),
        # Its turn is expected in 200 s. Renders may take a quarter of their time.
        (4, 50.0, 100.0, [10.05, 60.20, 110.35]),
    ],
)
def test_the_next_look_is_when_the_first_one_may_have_time(
    queued: int, render: float, limit: float, looked_at: list[float]
) -> None:
    """After a minute at the earliest if the queue is long, and five minutes at the latest."""

    async def scenario(account: Account) -> None:
        held = account.held("task", since=EPOCH, model="m", triggerer=None, limit=limit)
        account.waiting.append(account.loop.create_task(held))
        await asyncio.sleep(looked_at[-1] + 10)

    account = on_account(scenario, queued=queued, render=render)
    assert account.looked_at == pytest.approx(looked_at)


@pytest.mark.parametrize(("joins_at", "looks_at"), [(12.0, 15.2), (100.0, 100.05)])
def test_who_joins_is_looked_at_soon(joins_at: float, looks_at: float) -> None:
    """Five seconds after another look at the earliest."""

    async def scenario(account: Account) -> None:
        account.hold_back(1)
        await asyncio.sleep(joins_at)
        account.hold_back(1, first=1)
        await asyncio.sleep(20)

    account = on_account(scenario, queued=500)
    assert account.looked_at == pytest.approx([10.05, looks_at])


def test_a_triggerer_that_starts_without_a_list_waits_for_its_triggers() -> None:
    async def scenario(account: Account) -> None:
        account.has_list = False
        account.hold_back(1)
        await asyncio.sleep(80)

    account = on_account(scenario, queued=0)
    assert account.looked_at == pytest.approx([10.05, 70.1])
    assert account.admitted_at == pytest.approx([70.1], abs=0.35)


@pytest.mark.parametrize(("others", "seconds"), [(None, 1.0), (0, 1.0), (1, 2.0), (2, 3.0)])
def test_all_triggerers_together_admit_one_a_second(others: int | None, seconds: float) -> None:
    """The service takes a submit a second."""

    async def scenario(account: Account) -> None:
        known = [AdmittingTriggerers(account.airflow, "account", model="m") for _ in range(others or 0)]
        for triggerer in known:
            triggerer.enter()
        account.waiting = [
            account.loop.create_task(waits(account, number, triggerer=None if others is None else account.triggerer()))
            for number in range(4)
        ]
        await asyncio.gather(*account.waiting)
        for triggerer in known:
            triggerer.leave()

    async def waits(account: Account, number: int, *, triggerer: Triggerer | None) -> None:
        async with shared_admission_queue(account.endpoint, model="m", triggerers=lambda: triggerer) as queue:
            job = JobToSubmit(model="m", limit=HOUR)
            name = f"task-{number}"
            await queue.wait(HeldBack(since=number, task_instance=name, job=job, on_position=account.lines.append))
        account.admitted_at.append(account.loop.time() - account.begun_at)

    account = on_account(scenario, queued=0)
    # The last one leaves Airflow, too.
    assert account.admitted_at == pytest.approx([10.1 + number * seconds for number in range(4)], abs=0.35)


def test_a_share_of_the_room_without_a_list() -> None:
    """The other triggerer may wait for as many jobs."""

    async def scenario(account: Account) -> None:
        account.has_list = False
        admission_queue.account_of(account.endpoint).render_times.note(RENDER, output_seconds=None)
        other = AdmittingTriggerers(account.airflow, "account", model="m", clock=account.loop.clock)
        other.enter()
        rendering = [account.loop.create_task(account.render(1)) for _ in range(49)]
        account.hold_back(1)
        await asyncio.sleep(90)
        assert account.lines == [
            "98 render jobs are in the account's queue and 0 submits are held back before this "
            "one, at about 100 s each. Expected to begin: 14:07 UTC, or later"
        ]
        assert account.admitted == []
        other.leave()
        await asyncio.gather(*rendering)

    on_account(scenario, queued=98)


def test_the_position_counts_what_the_other_triggerers_admit_meanwhile() -> None:
    async def scenario(account: Account) -> None:
        other = AdmittingTriggerers(account.airflow, "account", model="m", clock=account.loop.clock)
        other.enter()
        account.hold_back(3)
        await asyncio.sleep(20)
        other.leave()

    account = on_account(scenario, queued=97)
    # 97 renders of 100 s each, then one held back and one of the other triggerer, then two of each.
    assert [line[-19:] for line in account.lines] == [
        "14:05 UTC, or later",
        "14:08 UTC, or later",
        "14:11 UTC, or later",
    ]


def test_a_triggerer_that_joins_counts_in_the_next_look() -> None:
    """It may have admitted as many. Nine tenths of the limit are room for seven renders."""

    async def scenario(account: Account) -> None:
        for number in range(2):
            held = account.held(f"task-{number}", since=number, model="m", triggerer=None, limit=800.0)
            account.waiting.append(account.loop.create_task(held))
        await asyncio.sleep(12)
        assert (account.looks, account.admitted) == (1, ["task-0"])
        other = AdmittingTriggerers(account.airflow, "account", model="m", clock=account.loop.clock)
        other.enter()
        account.queued -= 1
        with job_of_account(account.endpoint, task_instance="another"):
            pass
        await asyncio.sleep(60)
        assert (account.looks > 1, account.admitted) == (True, ["task-0"])
        other.leave()

    on_account(scenario, queued=7, delay=1e6)


def test_an_admission_counts_for_a_quarter_of_a_short_limit() -> None:
    """200 s. Nine tenths of the limit are room for seven renders."""

    async def scenario(account: Account) -> None:
        for number in range(2):
            held = account.held(f"task-{number}", since=number, model="m", triggerer=None, limit=800.0)
            account.waiting.append(account.loop.create_task(held))
        await asyncio.sleep(300)

    account = on_account(scenario, queued=7, delay=1e6)
    assert account.admitted_at == pytest.approx([10.15, 256.9], abs=0.35)


def test_one_task_instance_may_be_held_back_twice() -> None:
    """A triggerer that was taken for dead may go on while another one, or itself, starts the trigger again."""
    ended: list[int] = []
    trigger: ContextVar[int] = ContextVar("trigger")

    async def waits(account: Account, number: int) -> None:
        trigger.set(number)
        async with shared_admission_queue(account.endpoint, model="m", triggerers=lambda: None) as queue:
            job = JobToSubmit(model="m", limit=HOUR + number)
            await queue.wait(HeldBack(since=1.0, task_instance="t", job=job, on_position=lambda _: None))
        ended.append(number)

    async def scenario(account: Account) -> None:
        account.waiting = [account.loop.create_task(waits(account, number)) for number in range(3)]
        await asyncio.sleep(5)
        account.waiting[1].cancel()
        await asyncio.sleep(20)
        assert sorted(ended) == [0, 2]

    on_account(scenario, queued=0)


def test_what_counts_at_the_very_moment() -> None:
    """An admission counts until its time, and a triggerer without a list waits for a minute."""

    class Client:
        async def send(self, request: object) -> None:
            raise RequestError("no list")

    async def scenario(account: Account) -> None:
        client = cast("Any", Client())
        async with shared_admission_queue(account.endpoint, model="m", triggerers=lambda: None) as queue:
            now = account.loop.time()
            queue._admitted = {"a": now, "b": now + 0.001}
            assert queue._admitted_jobs() == 1
            queue._begun_at = now - 59.999
            assert await queue._queue(client) is None
            queue._begun_at = now - 60.0
            assert await queue._queue(client) == Queue(ahead=0)
        assert not queue.is_idle
        queue._admitted = {"a": account.loop.time()}
        assert queue.is_idle

    on_account(scenario, queued=0)


def test_one_that_leaves_has_no_place_any_more() -> None:
    """Also if it cannot be told from others but by its object."""

    async def scenario(account: Account) -> None:
        for _ in range(3):
            held = account.held("t", since=EPOCH, model="m", triggerer=None)
            account.waiting.append(account.loop.create_task(held))
        await asyncio.sleep(5)
        account.waiting[1].cancel()
        await asyncio.sleep(10)
        account.hold_back(1, first=10)
        await asyncio.sleep(100)

    lines = on_account(scenario, queued=500).lines
    places = [line.partition(" and ")[2].partition(" submits")[0] for line in lines]
    assert places == ["0", "0", "2"]


def test_many_lines_leave_turns_to_others() -> None:
    counts: set[int] = set()

    class Lines(list[str]):
        def append(self, line: str) -> None:
            asyncio.get_running_loop().call_soon(lambda: counts.add(len(self)))
            super().append(line)

    async def scenario(account: Account) -> None:
        account.lines = Lines()
        account.hold_back(250, triggerer=account.triggerer())
        await asyncio.sleep(20)

    on_account(scenario, queued=500)
    assert counts == {100, 200, 250}


def test_airflow_need_not_know_the_triggerers() -> None:
    """Submits are admitted while its API server is away."""

    class Away:
        async def enter(self) -> int:
            raise RuntimeError("away")

        leave = enter

    async def scenario(account: Account) -> None:
        account.hold_back(2, triggerer=Away())
        await asyncio.sleep(30)

    account = on_account(scenario, queued=0)
    assert account.admitted_at == pytest.approx([10.1, 11.1])


def test_an_account_is_forgotten_when_nothing_of_it_counts() -> None:
    """An admission that is not known to be used counts for ten minutes."""

    async def scenario(account: Account) -> None:
        def is_known() -> bool:
            with job_of_account(another, task_instance="x"):
                return any(endpoint == account.endpoint for _, endpoint in admission_queue._JOBS)

        another = Endpoint(api_key="sk-other", base_url="http://another.invalid")
        with job_of_account(account.endpoint, task_instance="y"):
            assert is_known()
        assert not is_known()
        account.hold_back(1)
        await asyncio.sleep(5)
        assert is_known()
        await asyncio.sleep(605)
        assert account.admitted == ["task-00000"]
        assert is_known()
        await asyncio.sleep(1)
        assert not is_known()

    on_account(scenario, queued=0, delay=1e6)


def test_an_event_loop_that_is_closed_is_forgotten() -> None:
    async def scenario(account: Account) -> None:
        with job_of_account(account.endpoint, task_instance="x"):
            assert [endpoint for _, endpoint in admission_queue._JOBS] == [account.endpoint]

    for _ in range(2):
        on_account(scenario, queued=0)
