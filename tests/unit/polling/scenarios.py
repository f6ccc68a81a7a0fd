"""Cases of waiting at the virtual service, and what they cost: ``python scenarios.py [name...]`` prints them."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from unit.polling.virtual import Desk, Service, VirtualLoop, reply, run

from airflow_provider_videoretalk.dashscope import async_client as module
from airflow_provider_videoretalk.dashscope.request import Reply, Request


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """
    :param count: clips, and their mean render in seconds
    :param waited: how many are waited for to the end
    :param spacing: seconds between two submits
    :param trickle: seconds between two submits, each of which is waited for at once
    :param known: whether the length of the output is known
    :param shared: whether every second clip is of others, who wait for it elsewhere
    :param listed: whether there is a list
    :param stuck: whether the list shows nothing
    :param service: how the service is
    """

    count: int
    mean: float = 64.0
    waited: int | None = None
    spacing: float = 0.0
    trickle: float = 0.0
    serial: bool = False
    known: bool = False
    shared: bool = False
    listed: bool = True
    stuck: bool = False
    spread: float = 0.3
    service: dict[str, Any] = field(default_factory=dict)


_BEGUN_SECONDS = 60.0
MANY = {"slots": 100_000}
SCENARIOS: dict[str, Scenario] = {
    "single": Scenario(count=1, mean=180.0),
    "three": Scenario(count=3, spacing=1.0),
    "one10": Scenario(count=10, spacing=1.0),
    "one150": Scenario(count=150, waited=40, spacing=1.0),
    "one1000": Scenario(count=1000, waited=40, spacing=1.0),
    "many10": Scenario(count=10, mean=120.0, service=MANY),
    "many100": Scenario(count=100, mean=120.0, service=MANY),
    "many1000": Scenario(count=1000, mean=120.0, service=MANY),
    "many10000": Scenario(count=10_000, mean=120.0, service=MANY),
    "long10000": Scenario(count=10_000, mean=380.0, service=MANY),
    "slots5": Scenario(count=60, spacing=1.0, service={"slots": 5}),
    "shared": Scenario(count=60, spacing=1.0, shared=True, service={"slots": 2}),
    "lifo": Scenario(count=30, spacing=1.0, service={"picks": "last"}),
    "lag10": Scenario(count=100, mean=120.0, service=MANY | {"list_lag": 10.0}),
    "trickle": Scenario(count=1000, mean=120.0, trickle=0.33, service=MANY),
    "liar": Scenario(count=200, mean=600.0, stuck=True, service={"slots": 200}),
    "nolist": Scenario(count=150, waited=40, spacing=1.0, listed=False),
    "serial": Scenario(count=40, mean=64.0, serial=True),
    "serial_known": Scenario(count=40, mean=64.0, serial=True, known=True),
    "one150_known": Scenario(count=150, waited=40, spacing=1.0, known=True),
    "at_once_50": Scenario(count=1500, mean=120.0, spread=0.0, service=MANY | {"latency": (0.05, 0.05)}),
    "at_once_120": Scenario(count=1500, mean=120.0, spread=0.0, service=MANY | {"latency": (0.12, 0.12)}),
    "at_once_500": Scenario(count=1500, mean=120.0, spread=0.0, service=MANY | {"latency": (0.5, 0.5)}),
    "at_once_1000": Scenario(count=1500, mean=120.0, spread=0.0, service=MANY | {"latency": (1.0, 1.0)}),
}


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Requests for each job that was waited for to its end, and how late those are, in seconds.

    :param busiest: most callbacks of one round of the event loop, once all waits have begun
    """

    requests: float
    queries: int
    lists: int
    refused: int
    median: float
    p95: float
    most: float
    densest: int
    unfinished: int
    busiest: int


def play(name: str) -> Counts:
    """Plays a scenario. The same at each run."""
    random.seed(4)
    scenario = SCENARIOS[name]

    async def main(loop: VirtualLoop) -> Counts:
        service = Service(loop, fault=_fault(scenario), **scenario.service)
        desk = Desk(service)
        # By then, a triggerer has begun all triggers that it was given at once.
        loop.call_later(_BEGUN_SECONDS, loop.forget_busiest)
        with mock.patch.object(module, "AsyncClient", service.client):
            await _wait(service, desk, scenario)
        asked = service.asked
        return Counts(
            requests=desk.requests_per_job,
            queries=asked["query"],
            lists=asked["list"],
            refused=asked["refused"],
            median=desk.lag(0.5),
            p95=desk.lag(0.95),
            most=max(desk.lags),
            densest=service.densest_second,
            busiest=loop.busiest,
            unfinished=len(service.clips) - len(desk.got) if scenario.waited is None and not scenario.shared else 0,
        )

    return run(main)


def _fault(scenario: Scenario) -> Any:
    def fault(request: Request[Any]) -> Reply | None:
        if request.path != "tasks" or (scenario.listed and not scenario.stuck):
            return None
        if scenario.listed:
            return reply(200, {"total": 0, "total_page": 1, "data": []})
        return reply(404, {"code": "NotFound", "message": "there is no list", "request_id": "r"})

    return fault


async def _wait(service: Service, desk: Desk, scenario: Scenario) -> None:
    chance = random.Random(4)
    renders = [scenario.mean * chance.uniform(1 - scenario.spread, 1 + scenario.spread) for _ in range(scenario.count)]

    def wait(number: int) -> asyncio.Task[Any]:
        known = renders[number] / 9 if scenario.known else None
        return asyncio.create_task(desk.wait(f"t{number}", expected_seconds=known))

    waiting = []
    for number, render in enumerate(renders):
        service.submit(f"t{number}", render, age=scenario.spacing * (scenario.count - number))
        if scenario.serial:
            await wait(number)
        elif scenario.trickle:
            waiting.append(wait(number))
            await asyncio.sleep(scenario.trickle)
    if not (scenario.serial or scenario.trickle):
        waiting = [wait(number) for number in range(0, scenario.count, 2 if scenario.shared else 1)]
    await asyncio.gather(*waiting[: scenario.waited])
    left = [task for task in waiting if not task.done()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or SCENARIOS:
        since = time.process_time()
        counts = play(name)
        print(
            f"| {name} | {counts.requests:.2f} | {counts.queries} | {counts.lists} | {counts.refused} "
            f"| {counts.median:.1f} | {counts.p95:.1f} | {counts.most:.1f} | {counts.densest} "
            f"| {time.process_time() - since:.1f} |",
            flush=True,
        )
