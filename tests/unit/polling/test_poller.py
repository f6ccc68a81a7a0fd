"""The shared poller against a service in memory, in virtual time."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.polling.virtual import EPOCH, Desk, Service, VirtualLoop, refusal, reply, run, silent

from airflow_provider_videoretalk.dashscope import async_client as module
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    QueueTimeoutError,
    TaskTimeoutError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.request import Reply, Request
from airflow_provider_videoretalk.polling import account
from airflow_provider_videoretalk.polling.account import shared_poller
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.poller import Poller
from airflow_provider_videoretalk.polling.render_times import RenderTimes
from airflow_provider_videoretalk.polling.watched_jobs import WatchedJobs


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Service]:
    """Makes a service that every watcher talks to."""

    def serve(loop: VirtualLoop, **given: Any) -> Service:
        service = Service(loop, **given)
        monkeypatch.setattr(module, "AsyncClient", service.client)
        return service

    return serve


Serve = Callable[..., Service]


@pytest.fixture(autouse=True)
def one_chance() -> None:
    """Pauses and turns are shortened by chance: the same at each run."""
    random.seed(4)


def listing(request: Request[Any]) -> bool:
    return request.path == "tasks"


def lengths(count: int, mean: float) -> list[float]:
    chance = random.Random(4)
    return [mean * chance.uniform(0.7, 1.3) for _ in range(count)]


def fill(service: Service, count: int, mean: float, *, spacing: float = 0.0) -> None:
    """Submits so many, the last one now."""
    for place, length in enumerate(lengths(count, mean)):
        service.submit(f"t{place}", length, age=spacing * (count - place))


async def gone(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# What it costs, and how late it is.


@pytest.mark.parametrize("queued", [150, 1000])
def test_one_running(serve: Serve, queued: int) -> None:
    """64 s a clip: a fixed poll every 15 s takes 437 requests a clip, and is 30 s late."""

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        fill(service, queued, 64.0, spacing=1.0)
        desk = Desk(service)
        waiting = [asyncio.create_task(desk.wait(task_id)) for task_id in service.clips]
        await asyncio.gather(*waiting[:40])
        await gone(waiting)
        assert desk.requests_per_job <= 12
        assert desk.lag(0.5) <= 3
        assert desk.lag(0.95) <= 6
        assert service.asked["refused"] == service.sessions == 0

    run(main)


def test_a_thousand_running(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=1000)
        fill(service, 1000, 120.0)
        desk = Desk(service)
        await desk.wait_for_all()
        assert len(desk.got) == 1000
        assert desk.requests_per_job <= 1.6
        assert desk.lag(0.95) <= 6
        assert service.densest_second <= 20
        assert service.asked["refused"] == service.sessions == 0

    run(main)


def test_a_thousand_that_come_one_after_the_other(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=1000)
        desk, waiting = Desk(service), []
        for place, length in enumerate(lengths(1000, 120.0)):
            service.submit(f"t{place}", length)
            waiting.append(asyncio.create_task(desk.wait(f"t{place}")))
            await asyncio.sleep(0.33)
        await asyncio.gather(*waiting)
        assert desk.requests_per_job <= 1.6
        assert desk.lag(0.95) <= 6

    run(main)


def test_knowing_the_output_saves_looks(serve: Serve) -> None:
    async def looks(loop: VirtualLoop, *, told: bool) -> float:
        service = serve(loop)
        fill(service, 20, 300.0)
        desk = Desk(service)
        await asyncio.gather(
            *(
                desk.wait(task_id, expected_seconds=clip.render / 9 if told else None)
                for task_id, clip in service.clips.items()
            )
        )
        return desk.requests_per_job

    assert run(lambda loop: looks(loop, told=True)) < 0.8 * run(lambda loop: looks(loop, told=False))


def test_several_slots(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=5)
        fill(service, 60, 64.0, spacing=1.0)
        desk = Desk(service)
        await desk.wait_for_all()
        assert desk.requests_per_job <= 12
        assert desk.lag(0.95) <= 6

    run(main)


def test_an_order_that_does_not_hold_is_noticed(serve: Serve) -> None:
    """Last in, first out: once that is seen, nobody relies on the queue."""

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, picks="last")
        fill(service, 150, 64.0, spacing=1.0)
        desk = Desk(service)
        waiting = [asyncio.create_task(desk.wait(task_id)) for task_id in service.clips]
        await asyncio.gather(*waiting[-40:])
        await gone(waiting)
        # Those that rendered before it was seen.
        *rest, _, _ = sorted(desk.lags)
        assert rest[-1] <= 20
        assert max(desk.lags) < 200
        assert desk.requests_per_job < 20

    run(main)


def test_several_that_begin_at_once_are_found_one_by_the_other(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers leave five places free at the same time, of which only the first in the queue is looked at."""
    render_times = RenderTimes()
    for _ in range(50):
        render_times.note(60.0, output_seconds=None)
    monkeypatch.setattr(account, "RenderTimes", lambda: render_times)

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=5)
        for place in range(5):
            service.submit(f"stranger{place}", 300.0, age=100.0)
        mine = [service.submit(f"mine{place}", 70.0, age=50.0 - 5 * place).task_id for place in range(5)]
        desk = Desk(service)
        await asyncio.gather(*(desk.wait(task_id) for task_id in mine))
        assert max(desk.lags) <= 6

    run(main)


def test_strangers_before_it_in_the_queue(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        for place in range(10):
            service.submit(f"stranger{place}", 64.0)
        service.submit("mine", 30.0)
        desk = Desk(service)
        await desk.wait("mine")
        assert desk.lags[0] <= 60
        assert service.asked["query"] < 40

    run(main)


def test_a_cancelled_task_in_the_queue_ends_its_wait(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        fill(service, 20, 100.0)
        desk = Desk(service)
        waiting = asyncio.gather(*(desk.wait(task_id) for task_id in service.clips))
        await asyncio.sleep(30)
        service.cancel("t15")
        await waiting
        assert desk.got["t15"].status == "CANCELED"

    run(main)


# Rates, fairness, limits.


@settings(max_examples=25)
@given(
    count=st.integers(1, 60),
    limit=st.integers(1, 30),
    slots=st.integers(1, 60),
    latency=st.floats(0.0, 2.0),
    floor=st.floats(0.5, 10.0),
    listed=st.booleans(),
)
def test_never_faster_than_the_rate_nor_a_task_than_the_floor(
    count: int, limit: int, slots: int, latency: float, floor: float, listed: bool
) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = Service(loop, slots=slots, limit=limit, latency=(latency, latency))
        service.fault = None if listed else lambda request: reply(404, {}) if listing(request) else None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "AsyncClient", service.client)
            fill(service, count, 40.0)
            desk = Desk(service, queries_per_second=limit, poll_interval=floor)
            await desk.wait_for_all()
        assert service.densest_second <= limit
        assert service.asked["refused"] == 0
        if not listed:
            for task_id in service.clips:
                looks = [time for time, asked in service.log if asked == task_id]
                assert all(later - look >= floor - 1e-6 for look, later in pairwise(looks))

    run(main)


def test_nobody_starves(serve: Serve) -> None:
    """With one query a second and no list, all are asked for in turn, though more is wanted than can be had."""

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=100, limit=1)
        service.fault = lambda request: reply(404, {}) if listing(request) else None
        fill(service, 100, 2000.0)
        desk = Desk(service, queries_per_second=1, max_poll_interval=20)
        waiting = [asyncio.create_task(desk.wait(task_id)) for task_id in service.clips]
        await asyncio.sleep(1000)
        await gone(waiting)
        for task_id in service.clips:
            looks = [time for time, asked in service.log if asked == task_id]
            assert max(later - look for look, later in pairwise(looks)) < 150

    run(main)


@pytest.mark.parametrize("listed", [True, False])
def test_never_later_than_the_ceiling(serve: Serve, listed: bool) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        service.fault = None if listed else lambda request: reply(404, {}) if listing(request) else None
        fill(service, 30, 5000.0)
        desk = Desk(service, max_poll_interval=100, render_timeout=4000)
        waiting = [asyncio.create_task(desk.wait(task_id)) for task_id in service.clips]
        await asyncio.sleep(2000)
        await gone(waiting)
        for task_id in service.clips:
            looks = [time for time, asked in service.log if asked in (task_id, "PENDING" if task_id != "t0" else "")]
            # Without a list, ten of the 29 that queue are asked for in that time, about in turn.
            assert max(later - look for look, later in pairwise(looks)) <= (101 if listed else 400)

    run(main)


def test_what_queues_until_the_service_drops_it_is_given_up_before(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        service.submit("long", 20_000.0)
        service.submit("late", 10.0)
        desk = Desk(service)
        begun = loop.time()
        waiting = asyncio.create_task(desk.wait("long"))
        with pytest.raises(
            QueueTimeoutError, match="render job late is still queued 10680 s after its submit; the service drops"
        ):
            await desk.wait("late")
        assert loop.time() - begun == pytest.approx(10_680, abs=1)
        await gone([waiting])

    run(main)


def test_a_deadline_is_kept_though_the_service_is_away(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        service.fault = lambda request: TransportError("away")
        service.submit("t", 10.0)
        begun = loop.time()
        with pytest.raises(TaskTimeoutError):
            await Desk(service, deadline=loop.clock() + 500).wait("t")
        assert loop.time() - begun == pytest.approx(503, abs=1)
        assert service.asked["query"] < 20

    run(main)


# What goes wrong.


@pytest.mark.parametrize(("slots", "count", "seconds"), [(1, 15, 1.0), (30, 200, 3.0)])
def test_renders_that_are_over_before_anybody_looks(serve: Serve, slots: int, count: int, seconds: float) -> None:
    """No list of RUNNING shows most of them."""

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=slots)
        fill(service, count, seconds)
        desk = Desk(service)
        await desk.wait_for_all()
        assert max(desk.lags) <= 20

    run(main)


def test_a_storm_of_refusals_slows_down_and_loses_nobody(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=100)
        fill(service, 100, 60.0)
        calm = loop.time() + 300
        service.fault = lambda request: refusal() if loop.time() < calm else None
        desk = Desk(service)
        await desk.wait_for_all()
        assert sum(time < calm for time, _ in service.log) < 300
        assert loop.time() < calm + 60
        assert len(desk.got) == 100

    run(main)


@pytest.mark.parametrize(("asked", "granted"), [("8", 8), ("1000000000", 10)])
def test_a_wish_to_hear_nothing_is_granted_for_ten_seconds_at_most(serve: Serve, asked: str, granted: float) -> None:
    """If it concerns the account: several queries are refused in a row."""

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=50)
        fill(service, 50, 30.0)
        refused_at: list[float] = []

        def at_first(request: Request[Any]) -> Reply | None:
            if refused_at and loop.time() > refused_at[0] + 5:
                return None
            refused_at.append(loop.time())
            return refusal(**{"retry-after": asked})

        service.fault = at_first
        desk = Desk(service)
        await desk.wait_for_all()
        assert len(refused_at) < 12
        later = [time for time, _ in service.log if time > refused_at[-1]]
        assert min(later) - refused_at[-1] == pytest.approx(granted, abs=0.5)
        assert len(desk.got) == 50

    run(main)


def test_several_watchers_share_the_rate_of_an_account(serve: Serve) -> None:
    """As several triggerers do: no more of what they send is refused than it takes to find the limit."""

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=3000)
        service.fault = lambda request: reply(404, {}) if listing(request) else None
        fill(service, 300, 400.0)
        desks = [Desk(service, poll_interval=4, max_poll_interval=20) for _ in range(3)]
        tasks = [asyncio.create_task(desks[place % 3].wait(task_id)) for place, task_id in enumerate(service.clips)]
        await asyncio.gather(*tasks)
        asked = service.asked["query"]
        assert service.asked["refused"] / asked < 0.1
        assert asked / (loop.time() - 1000) > 10
        assert [len(desk.got) for desk in desks] == [100, 100, 100]

    run(main)


def test_a_triggerer_with_few_jobs_is_not_starved_by_one_with_many(serve: Serve) -> None:
    """Both share the account's limit without knowing each other: refusals stay few, and both see their ends."""

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=3000)
        fill(service, 1_010, 200.0)
        few, many = Desk(service), Desk(service)
        desks = [few] * 10 + [many] * 1_000
        await asyncio.gather(*(desk.wait(job) for desk, job in zip(desks, service.clips, strict=True)))
        assert (len(few.got), len(many.got)) == (10, 1_000)
        assert service.asked["refused"] / (service.asked["query"] + service.asked["list"]) < 0.02
        assert few.lag(0.9) <= 8.0
        assert many.lag(0.9) <= 10.0

    run(main)


ODD: dict[str, Reply | Exception] = {
    "server error": reply(500, {"code": "InternalError", "message": "m"}),
    "unavailable": reply(503, {"code": "ServiceUnavailable", "message": "m"}),
    "bad gateway": reply(502, b"<html>"),
    "empty": reply(200, b""),
    "cut off": reply(200, b'{"output": {"task_id"'),
    "list of nothing": reply(200, []),
    "no fields": reply(200, {"request_id": "r"}),
    "null": reply(200, {"output": None, "data": None}),
    "year 33658": reply(200, {"data": [{"task_id": "t1", "gmt_create": 10**30}], "output": {"task_id": 1}}),
    "no reply": TransportError("timed out"),
    "two layers": reply(200, {"code": "InternalError", "message": "algorithm process error."}),
    "somebody else's": reply(200, {"output": {"task_id": "other", "task_status": "SUCCEEDED"}, "data": []}),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_replies_cost_time_but_no_task(serve: Serve, odd: Reply | Exception) -> None:
    async def main(loop: VirtualLoop) -> None:
        chance = random.Random(1)
        service = serve(loop, slots=100)
        service.fault = lambda request: odd if chance.random() < 0.4 else None
        fill(service, 100, 60.0)
        desk = Desk(service)
        await desk.wait_for_all()
        assert len(desk.got) == 100
        assert max(desk.lags) < 400

    run(main)


def test_an_error_that_stays_ends_the_waits_it_is_about(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=10)
        fill(service, 10, 60.0)

        def refuse(request: Request[Any]) -> Reply | None:
            if listing(request) or request.path.endswith("/t3"):
                return reply(401, {"code": "InvalidApiKey", "message": "m"})
            return None

        service.fault = refuse
        desk = Desk(service)
        answers = await asyncio.gather(*(desk.wait(task_id) for task_id in service.clips), return_exceptions=True)
        assert isinstance(answers[3], AccessError)
        assert len(desk.got) == 9

    run(main)


@pytest.mark.parametrize("status", [404, 405, 401])
def test_without_a_list_each_is_asked_for(serve: Serve, status: int) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=100)
        service.fault = lambda request: reply(status, {}) if listing(request) else None
        fill(service, 100, 60.0)
        desk = Desk(service)
        await desk.wait_for_all()
        assert service.asked["list"] == 2
        assert desk.lag(0.95) < 15

    run(main)


def test_smaller_pages_where_large_ones_are_refused(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=200, page_max=10)
        fill(service, 200, 60.0)
        desk = Desk(service)
        await desk.wait_for_all()
        assert service.asked["list"] > 20
        assert desk.requests_per_job < 3

    run(main)


def test_a_list_with_a_limit_of_its_own_does_not_stop_the_rest(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=100)
        service.fault = lambda request: refusal() if listing(request) else None
        fill(service, 100, 60.0)
        desk = Desk(service)
        await desk.wait_for_all()
        assert max(desk.lags) < 60

    run(main)


@pytest.mark.parametrize(("lag", "requests"), [(10.0, 2), (60.0, 15)])
def test_a_list_that_is_late_makes_all_late_by_no_more(serve: Serve, lag: float, requests: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=200, list_lag=lag)
        fill(service, 200, 120.0)
        desk = Desk(service)
        await desk.wait_for_all()
        assert max(desk.lags) < lag + 30
        assert desk.requests_per_job < requests

    run(main)


def test_a_list_that_stands_still_hides_no_end_for_ever(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=50)
        fill(service, 50, 60.0)
        rows = [{"task_id": task_id, "status": "RUNNING"} for task_id in service.clips]
        stale = {"total": 50, "total_page": 1, "data": rows}
        service.fault = lambda request: reply(200, stale) if listing(request) else None
        desk = Desk(service)
        await desk.wait_for_all()
        assert max(desk.lags) < 310

    run(main)


def test_a_list_that_shows_none_of_them_is_not_believed_for_long(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=200)
        fill(service, 200, 600.0)
        empty = {"total": 0, "total_page": 1, "data": []}
        service.fault = lambda request: reply(200, empty) if listing(request) else None
        desk = Desk(service)
        waiting = [asyncio.create_task(desk.wait(task_id)) for task_id in service.clips]
        await asyncio.sleep(300)
        assert service.asked["list"] < 40
        await asyncio.gather(*waiting)

    run(main)


def test_a_gateway_that_ignores_the_filter(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=50)
        fill(service, 50, 60.0)

        def everything(request: Request[Any]) -> Reply | None:
            if not listing(request):
                return None
            rows = [{"task_id": clip.task_id, "status": clip.status(loop.time())} for clip in service.clips.values()]
            return reply(200, {"total": 50, "total_page": 1, "data": rows})

        service.fault = everything
        desk = Desk(service)
        await desk.wait_for_all()
        assert desk.requests_per_job < 3
        assert desk.lag(0.95) < 8

    run(main)


# Who comes and goes.


def test_the_loop_is_not_held_up_by_many(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one short reply is news of all."""
    handled: Counter[int] = Counter()
    note_status = WatchedJobs.note_status

    async def main(loop: VirtualLoop) -> None:
        def counted(jobs: Any, watched: Any, status: Any, **cost: float) -> None:
            handled[loop.rounds] += 1
            note_status(jobs, watched, status, **cost)

        monkeypatch.setattr(WatchedJobs, "note_status", counted)
        service = serve(loop, slots=2000)
        fill(service, 2000, 60.0)
        desk = Desk(service)
        waiting = [asyncio.create_task(desk.wait(task_id)) for task_id in service.clips]
        await asyncio.sleep(40)
        await gone(waiting)

    run(main)
    assert sum(handled.values()) > 10_000
    assert max(handled.values()) <= 200


def test_those_who_come_one_by_one_are_not_looked_for_again(serve: Serve) -> None:
    """What was read of others' tasks is remembered: a triggerer takes seconds to begin some thousand triggers."""

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        fill(service, 2000, 64.0, spacing=1.0)
        desk = Desk(service)
        waiting = []
        for group in range(40):
            waiting += [asyncio.create_task(desk.wait(f"t{50 * group + place}")) for place in range(50)]
            await asyncio.sleep(1)
        # Twenty pages a reading.
        assert service.asked["list"] <= 60
        await gone(waiting)

    run(main)


def test_two_who_wait_for_one_task_share_its_queries(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        service.submit("t", 60.0)
        desk = Desk(service)
        alone = asyncio.create_task(desk.wait("t"))
        await asyncio.sleep(20)
        first, second = await asyncio.gather(alone, desk.wait("t"))
        assert first is second
        assert service.asked["query"] < 20

    run(main)


def test_who_comes_while_it_is_asked_for_shares_the_answer(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, latency=(2.0, 2.0))
        service.submit("t", 5.0)
        desk = Desk(service)
        first = asyncio.create_task(desk.wait("t"))
        await asyncio.sleep(9)
        asking = len(service.log)
        second = asyncio.create_task(desk.wait("t"))
        await asyncio.gather(first, second)
        assert len(service.log) == asking + 1

    run(main)


def test_each_has_limits_of_its_own(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        service.submit("t", 60.0)
        desk = Desk(service)
        patient, hasty = await asyncio.gather(
            desk.wait("t"), desk.wait("t", poll_policy=PollPolicy(render_timeout=20)), return_exceptions=True
        )
        assert isinstance(hasty, TaskTimeoutError)
        assert patient is desk.got["t"]

    run(main)


def test_one_that_is_not_dated_is_asked_for_at_once(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        clip = service.submit("t", 60.0)
        clip.ended = loop.time()
        begun = loop.time()
        await Desk(service).wait("t", submitted_at=0.0)
        assert loop.time() - begun < 0.2
        assert service.asked == {"query": 1}

    run(main)


def test_many_that_are_not_dated_are_listed_once_they_are(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=200)
        fill(service, 200, 120.0)
        desk = Desk(service)
        await desk.wait_for_all(submitted_at=0.0)
        # Until each has said when it was submitted, as a list goes back a day only.
        queries = [asked for _, asked in service.log if asked in service.clips]
        assert set(queries[:200]) == set(service.clips)
        assert service.asked["list"] > 10
        assert desk.requests_per_job < 3

    run(main)


@pytest.mark.parametrize("slots", [1, 2], ids=["queued", "running"])
@pytest.mark.parametrize("after", [0.0, 3.0, 4.5, 4.9, 10.0, 20.0])
def test_one_that_is_cancelled_is_forgotten_at_once(serve: Serve, slots: int, after: float) -> None:
    """Also while it is being asked for, as it is a second out of four."""

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=slots, latency=(1.0, 1.0))
        fill(service, 2, 100.0)
        desk = Desk(service)
        stays, goes = (asyncio.create_task(desk.wait(task_id)) for task_id in service.clips)
        await asyncio.sleep(after)
        goes.cancel()
        await asyncio.sleep(0)
        left_at = loop.time()
        assert goes.cancelled()
        await stays
        assert desk.lags[0] <= 6
        assert not [time for time, asked in service.log if asked == "t1" and time > left_at + 1]
        assert service.sessions == 0

    run(main)


@pytest.mark.parametrize("after", [0.0, 0.01, 4.5, 10.0])
def test_the_last_to_leave_leaves_nothing_behind(serve: Serve, after: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, latency=(2.0, 2.0))
        fill(service, 5, 60.0)
        desk = Desk(service)
        waiting = [asyncio.create_task(desk.wait(task_id)) for task_id in service.clips]
        await asyncio.sleep(after)
        for task in waiting:
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        # A second cancellation does not wait for the end, which comes all the same.
        await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == 1
        assert service.sessions == 0
        assert not desk.account._pollers

    run(main)


def test_who_comes_while_the_last_one_leaves_gets_a_new_one(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=2)
        service.submit("a", 10.0)
        service.submit("b", 30.0)
        desk = Desk(service)
        first = asyncio.create_task(desk.wait("a"))
        await asyncio.sleep(5)
        first.cancel()
        await asyncio.sleep(0)
        await desk.wait("b")
        assert service.sessions == 0

    run(main)


def test_another_key_is_another_watcher(serve: Serve) -> None:
    """A Connection that changes: who waits goes on as before, who comes asks with the new key."""

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=2)
        fill(service, 2, 60.0)
        old, new = (Endpoint(api_key=key, base_url="http://service.invalid") for key in ("sk-old", "sk-new"))
        seen: list[Poller] = []

        async def wait(endpoint: Endpoint, task_id: str) -> None:
            async with shared_poller(endpoint, clock=loop.clock) as watcher:
                seen.append(watcher)
                await watcher.wait(
                    task_id=task_id, submitted_at=loop.clock(), poll_policy=PollPolicy(), on_progress=silent
                )

        first = asyncio.create_task(wait(old, "t0"))
        await asyncio.sleep(1)
        second = asyncio.create_task(wait(new, "t1"))
        await asyncio.sleep(1)
        assert len(set(seen)) == 2
        assert service.sessions == 2
        await gone([first])
        assert service.sessions == 1
        await second
        assert service.sessions == 0

    run(main)


def test_two_loops_have_two_watchers(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint(api_key="sk-1", base_url="http://two-loops.invalid")
    services: dict[int, Service] = {}
    monkeypatch.setattr(module, "AsyncClient", lambda asked, **_: services[threading.get_ident()].client(asked))

    def wait() -> None:
        async def main(loop: VirtualLoop) -> None:
            service = services[threading.get_ident()] = Service(loop, slots=50)
            fill(service, 50, 60.0)
            desk = Desk(service)
            desk.endpoint = endpoint
            await desk.wait_for_all()
            assert service.sessions == 0
            done.append(len(desk.got))

        run(main)

    done: list[int] = []
    threads = [threading.Thread(target=wait) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [50, 50]


def test_a_loop_that_is_torn_down(serve: Serve) -> None:
    loop = VirtualLoop()
    service = serve(loop, slots=3)
    fill(service, 3, 60.0)
    desk = Desk(service)
    tasks = [loop.create_task(desk.wait(task_id)) for task_id in service.clips]
    loop.run_until_complete(asyncio.sleep(4.05))
    left = asyncio.all_tasks(loop)
    assert len(left) > 3
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    assert all(task.cancelled() for task in tasks)
    assert not asyncio.all_tasks(loop)
    assert service.sessions == 0
    loop.close()


def test_a_loop_that_died_is_not_kept(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = VirtualLoop()
    dead.close()

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        service.submit("t", 5.0)
        desk = Desk(service)
        monkeypatch.setitem(desk.account._pollers, dead, object())
        await desk.wait("t")
        assert not desk.account._pollers

    run(main)


def test_a_session_that_cannot_be_opened_ends_all_waits_and_the_next_try_is_a_fresh_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = Service(loop)
        service.submit("t", 10.0)

        class Broken:
            def __init__(self, endpoint: Endpoint, *, note_request: object) -> None:
                pass

            async def __aenter__(self) -> None:
                await asyncio.sleep(1)
                raise OSError("no bundle")

            async def __aexit__(self, *_: object) -> None:
                raise AssertionError

        desk = Desk(service)
        monkeypatch.setattr(module, "AsyncClient", Broken)
        answers = await asyncio.gather(desk.wait("t"), desk.wait("t"), return_exceptions=True)
        assert [str(answer) for answer in answers] == ["no bundle"] * 2
        monkeypatch.setattr(module, "AsyncClient", service.client)
        await desk.wait("t")

    run(main)


def test_who_comes_after_a_breakdown_gets_a_new_one(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=2)
        fill(service, 2, 10.0)
        desk = Desk(service)
        async with shared_poller(desk.endpoint, clock=loop.clock) as broken:
            with monkeypatch.context() as patch:
                patch.setattr(WatchedJobs, "note_reply", lambda *_: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    await desk.wait("t0")
            assert broken.over
            await desk.wait("t1")
        assert service.sessions == 0

    run(main)


def test_a_bug_ends_all_waits_rather_than_hang_them(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=3)
        fill(service, 3, 10.0)
        desk = Desk(service)
        monkeypatch.setattr(WatchedJobs, "note_reply", lambda *_: 1 / 0)
        answers = await asyncio.gather(*(desk.wait(task_id) for task_id in service.clips), return_exceptions=True)
        assert {type(answer) for answer in answers} == {ZeroDivisionError}
        assert service.sessions == 0

    run(main)


# What is told.


def test_news_are_told_in_the_context_of_who_waits(serve: Serve) -> None:
    """Airflow knows by context variables into which task's log a line goes."""
    whose: ContextVar[str] = ContextVar("whose")

    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=30)
        fill(service, 30, 60.0)
        desk = Desk(service)
        told: list[tuple[str, str]] = []

        async def wait(task_id: str) -> None:
            whose.set(task_id)
            await desk.wait(task_id, on_progress=lambda news: told.append((whose.get(), news.task_id)))

        await asyncio.gather(*(wait(task_id) for task_id in service.clips))
        assert {speaker for speaker, _ in told} == set(service.clips)
        assert all(speaker == task_id for speaker, task_id in told)
        assert service.opened_in is not None
        assert whose not in service.opened_in

    run(main)


def test_a_log_that_fails_ends_the_wait_it_belongs_to(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop, slots=2)
        fill(service, 2, 10.0)
        desk = Desk(service)

        def broken(news: object) -> None:
            raise OSError("disk full")

        answers = await asyncio.gather(desk.wait("t0", on_progress=broken), desk.wait("t1"), return_exceptions=True)
        assert isinstance(answers[0], OSError)
        assert "t1" in desk.got

    run(main)


def test_the_place_in_the_queue_is_told(serve: Serve) -> None:
    async def main(loop: VirtualLoop) -> None:
        service = serve(loop)
        fill(service, 6, 60.0, spacing=1.0)
        desk = Desk(service, max_poll_interval=60)
        told: list[Any] = []
        for task_id in ("t0", "t1", "t2", "t3", "t4"):
            asyncio.create_task(desk.wait(task_id))  # noqa: RUF006
        await desk.wait("t5", on_progress=told.append)
        queued = [news for news in told if news.stage == "PENDING"]
        assert queued[0].ahead == 4
        assert queued[0].begins_at is None
        assert queued[-1].ahead < 4
        begun_at = EPOCH + (service.clips["t5"].started or 0.0)
        assert queued[-1].begins_at == pytest.approx(begun_at, abs=60)
        assert told[-1].stage == "SUCCEEDED"

    run(main)
