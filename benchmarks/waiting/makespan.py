"""How long a batch of clips takes through a pool, against the physical limit: the sum of the render times.

    python -m benchmarks.waiting.makespan PLAN RESULT

A model in one process, not an Airflow: the submits, the service and the waiting are real, the pool is a semaphore, and
all that Airflow does between the end of a wait and the next submit in the same slot is a pause of
:data:`TURNAROUND_SECONDS`. ``PLAN`` is a JSON object: ``base_url``, ``api_key``, ``speed``, ``since``, ``slots``,
``lengths``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import undisturbed
from benchmarks.results import Goal, Result, Table, at_most, commit, setting
from benchmarks.waiting.clients import BY_NAME, OURS, Endpoint
from benchmarks.waiting.clock import FastClock, fast_loop, hurry
from benchmarks.waiting.figures import quantile
from benchmarks.waiting.measurement import child, service
from benchmarks.waiting.scenarios import lengths
from benchmarks.waiting.service import API_KEY, RENDER_FACTOR, clip_url

TURNAROUND_SECONDS = 5.0
"""The triggerer hands over its event, the scheduler queues the task, a worker ends it and frees its slot, the scheduler
queues another task and a worker starts and submits. Seven times through a real Airflow 3.3.2 with its LocalExecutor, on
two busy cores, that took 3.1 to 5.4 s.
"""

CLIPS = 30
SPEED = 40.0


@dataclass(frozen=True, kw_only=True)
class Makespan:
    """Of one pool, in seconds of the service.

    :param seconds: from the first submit until the last end was seen
    :param renders: the sum of the render times
    :param requests: status queries and list pages a clip
    :param lags: from each job's end until it was seen
    """

    slots: int
    seconds: float
    renders: float
    requests: float
    lags: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return self.seconds / self.renders


def measure(*, quick: bool) -> Result:
    spans, _ = undisturbed(makespans, what="pool")
    header = ("slots", "makespan, s", "sum of render times, s", "ratio", "requests a clip", "lag median / p95 / max, s")
    note = (
        f"{CLIPS} clips, whose length is known. Modelled with {TURNAROUND_SECONDS:g} s of Airflow between an end and "
        "the next submit in its slot."
    )
    table = Table(header=header, rows=[_row(span) for span in spans], note=note)
    return Result(setting=setting("apache-airflow"), commit=commit(), goals=list(_goals(spans)), tables=[table])


def makespans(slots: Iterable[int] = (1, 2, 3)) -> list[Makespan]:
    """All pools at the same time, each with a service of its own."""
    with ThreadPoolExecutor() as executor:
        return list(executor.map(makespan, slots))


def makespan(slots: int) -> Makespan:
    clips = lengths(CLIPS, mean=64.0)
    with service(running=1, speed=SPEED, spacing=0.0) as made:
        plan = {
            "base_url": made.base_url,
            "api_key": API_KEY,
            "speed": SPEED,
            "since": made.since,
            "slots": slots,
            "lengths": clips,
        }
        found = child("benchmarks.waiting.makespan", plan)
        books = made.books()
    asked = sum(count for what, count in books["asked"].items() if what.startswith(("query", "list")))
    return Makespan(
        slots=slots,
        seconds=max(found["seen"].values()) - found["begun"],
        renders=sum(clips),
        requests=asked / CLIPS,
        lags=tuple(seen - books["ended"][task_id] for task_id, seen in found["seen"].items()),
    )


def _row(span: Makespan) -> list[str]:
    lags = " / ".join(f"{lag:.1f}" for lag in (quantile(span.lags, 0.5), quantile(span.lags, 0.95), max(span.lags)))
    return [
        str(span.slots),
        f"{span.seconds:.0f}",
        f"{span.renders:.0f}",
        f"{span.ratio:.3f}",
        f"{span.requests:.2f}",
        lags,
    ]


def _goals(spans: Iterable[Makespan]) -> Iterator[Goal]:
    for span in spans:
        if span.slots == 1:
            yield at_most("pool of 1, length known: requests a clip", 3.5, span.requests, digits=2)
            yield at_most("pool of 1, length known: lag, p95", 6, quantile(span.lags, 0.95), unit=" s")
        if span.slots == 3:
            yield at_most("makespan of a pool of 3, of the sum of render times", 1.03, span.ratio, digits=3)


async def batch(plan: dict[str, Any]) -> dict[str, Any]:
    """Sends all clips through the pool; returns when it began, and when the end of each was seen."""
    from airflow_provider_videoretalk.dashscope.async_client import AsyncClient
    from airflow_provider_videoretalk.dashscope.endpoint import Endpoint as Account
    from airflow_provider_videoretalk.dashscope.errors import ThrottledError
    from airflow_provider_videoretalk.dashscope.task import Submission
    from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
    from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger

    pool, seen = asyncio.Semaphore(plan["slots"]), dict[str, float]()
    endpoint = Endpoint(base_url=plan["base_url"], api_key=plan["api_key"])

    async def submit(client: AsyncClient, length: float) -> Submission:
        url = clip_url(length)
        request = VIDEORETALK.submit_request(urls={"video_url": url, "audio_url": url}, parameters={})
        while True:
            try:
                return await client.send(request)
            except ThrottledError:
                # The operator defers for a moment, and then takes its turn again.
                await asyncio.sleep(1.5 + TURNAROUND_SECONDS)

    async def clip(client: AsyncClient, length: float) -> None:
        async with pool:
            submission = await submit(client, length)
            task = {"task_id": submission.task_id, "submitted_at": time.time()}
            arguments = {"expected_seconds": length / RENDER_FACTOR, **BY_NAME[OURS].arguments(task, endpoint)}
            async for event in DashScopeTaskTrigger(**arguments).run():
                if (status := BY_NAME[OURS].status(event.payload)) != "SUCCEEDED":
                    raise RuntimeError(f"a clip ended as {status}")
            seen[submission.task_id] = time.time()
            await asyncio.sleep(TURNAROUND_SECONDS)

    async with AsyncClient(Account(base_url=plan["base_url"], api_key=plan["api_key"])) as client:
        begun = time.time()
        await asyncio.gather(*(clip(client, length) for length in plan["lengths"]))
        return {"begun": begun, "seen": seen}


def main(plan: dict[str, Any], result: Path) -> None:
    hurry(FastClock(speed=plan["speed"], since=plan["since"]))
    with tempfile.TemporaryDirectory() as home:
        os.environ |= Endpoint(base_url=plan["base_url"], api_key=plan["api_key"]).environment
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING", "NO_PROXY": "127.0.0.1"}
        result.write_text(json.dumps(fast_loop().run_until_complete(batch(plan))))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
