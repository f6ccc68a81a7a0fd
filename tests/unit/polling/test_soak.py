"""Ten thousand tasks that start, are given up and end in random order, and what is left of it."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from typing import Any

import pytest
from unit.polling.virtual import Desk, Service, VirtualLoop, refusal, reply, run

from airflow_provider_videoretalk.dashscope import async_client as module
from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.dashscope.request import Reply, Request
from airflow_provider_videoretalk.polling.watched_job import Waiter, Watched

pytestmark = pytest.mark.exhaustive

COUNT = 10_000
GIVEN_UP = 0.2


def test_soak(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(loop: VirtualLoop) -> None:
        chance = random.Random(7)

        def fault(request: Request[Any]) -> Reply | Exception | None:
            number = chance.random()
            if number < 0.01:
                return reply(502, b"<html>")
            if number < 0.02:
                return TransportError("timed out")
            return refusal() if number < 0.03 else None

        service = Service(loop, slots=400, limit=100, fault=fault)
        monkeypatch.setattr(module, "AsyncClient", service.client)
        # Two connections, as when one changes meanwhile.
        desks = [Desk(service, queries_per_second=50), Desk(service, queries_per_second=50)]
        waiting: dict[str, asyncio.Task[Any]] = {}
        alarms = []
        for number in range(COUNT):
            task_id = f"t{number}"
            service.submit(task_id, chance.uniform(5, 60), outcome=chance.choice(["SUCCEEDED"] * 4 + ["FAILED"]))
            desk = desks[0] if number < COUNT / 3 else chance.choice(desks)
            waiting[task_id] = asyncio.create_task(desk.wait(task_id))
            if chance.random() < GIVEN_UP:
                alarms.append(loop.call_later(chance.uniform(0, 300), waiting[task_id].cancel))
            if chance.random() < 0.05:
                await asyncio.sleep(chance.uniform(0, 3))
        answers = await asyncio.gather(*waiting.values(), return_exceptions=True)

        outcomes = Counter(type(answer).__name__ for answer in answers)
        assert outcomes.keys() == {"Task", "CancelledError"}
        assert outcomes["Task"] > COUNT * (1 - GIVEN_UP)
        # Desk.wait itself checks that each got its own task, as it ended.
        assert sum(len(desk.got) for desk in desks) == outcomes["Task"]
        assert service.sessions == 0
        assert not any(desk.account._pollers for desk in desks)
        assert len(asyncio.all_tasks()) == 1
        for alarm in alarms:
            alarm.cancel()
        del answers, waiting, alarms, alarm
        # The loop itself still holds what it woke this task with.
        await asyncio.sleep(1)
        left = {id(thing) for thing in held()}
        assert not left - earlier

    # What other tests of this process hold yet.
    kept = held()
    earlier = {id(thing) for thing in kept}
    run(main)


def held() -> list[Any]:
    gc.collect()
    # Not isinstance: among all objects there are proxies that import what they stand for when they are looked at.
    return [thing for thing in gc.get_objects() if type(thing) in (Watched, Waiter)]
