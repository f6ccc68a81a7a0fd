"""How long a batch of clips takes through a pool, against the physical limit: the sum of the render times.

    python -m benchmarks.makespan PLAN RESULT

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
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import child, service
from benchmarks.clients import BY_NAME, OURS, Endpoint
from benchmarks.clock import FastClock, fast_loop, hurry
from benchmarks.scenarios import lengths
from benchmarks.service import API_KEY, clip_url

TURNAROUND_SECONDS = 5.0
"""The triggerer hands over its event, the scheduler queues the task, a worker ends it and frees its slot, the scheduler
queues another task and a worker starts and submits. Seven times through a real Airflow 3.3.2 with its LocalExecutor, on
two busy cores, that took 3.1 to 5.4 s.
"""

CLIPS = 30
SPEED = 40.0


@dataclass(frozen=True, kw_only=True)
class Makespan:
    """Of one pool, in seconds of the service: from the first submit until the last end was seen."""

    slots: int
    seconds: float
    renders: float

    @property
    def ratio(self) -> float:
        return self.seconds / self.renders


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
        return Makespan(slots=slots, seconds=child("benchmarks.makespan", plan), renders=sum(clips))


async def batch(plan: dict[str, Any]) -> float:
    """Sends all clips through the pool; returns the seconds that took."""
    from airflow_provider_videoretalk.dashscope.client import AsyncClient
    from airflow_provider_videoretalk.dashscope.endpoint import Endpoint as Account
    from airflow_provider_videoretalk.dashscope.errors import ThrottledError
    from airflow_provider_videoretalk.dashscope.task import Submission
    from airflow_provider_videoretalk.dashscope.videoretalk import submit_videoretalk
    from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger

    pool, ends = asyncio.Semaphore(plan["slots"]), []
    endpoint = Endpoint(base_url=plan["base_url"], api_key=plan["api_key"])

    async def submit(client: AsyncClient, length: float) -> Submission:
        request = submit_videoretalk(video_url=clip_url(length), audio_url=clip_url(length))
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
            async for event in DashScopeTaskTrigger(**BY_NAME[OURS].arguments(task, endpoint)).run():
                if (status := BY_NAME[OURS].status(event.payload)) != "SUCCEEDED":
                    raise RuntimeError(f"a clip ended as {status}")
            ends.append(time.time())
            await asyncio.sleep(TURNAROUND_SECONDS)

    async with AsyncClient(Account(base_url=plan["base_url"], api_key=plan["api_key"])) as client:
        begun = time.time()
        await asyncio.gather(*(clip(client, length) for length in plan["lengths"]))
        return max(ends) - begun


def main(plan: dict[str, Any], result: Path) -> None:
    hurry(FastClock(speed=plan["speed"], since=plan["since"]))
    with tempfile.TemporaryDirectory() as home:
        os.environ |= Endpoint(base_url=plan["base_url"], api_key=plan["api_key"]).environment
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING", "NO_PROXY": "127.0.0.1"}
        result.write_text(json.dumps(fast_loop().run_until_complete(batch(plan))))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
