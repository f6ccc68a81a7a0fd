"""Worker processes. Jobs are functions of the standard library, as a spawned worker has to import them."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool

import pytest

from airflow_provider_videoretalk.emulator.work.farm import WorkerFarm


@pytest.fixture
def left_over() -> Callable[[], set[int]]:
    """Tells the processes that are there now and were not when the test began."""
    before = {child.pid for child in multiprocessing.active_children()}
    return lambda: {child.pid for child in multiprocessing.active_children()} - before


def test_worker_is_kept_between_jobs_and_errors_come_back(left_over: Callable[[], set[int]]) -> None:
    async def work() -> None:
        farm = WorkerFarm(workers=2)
        first = await farm.run(os.getpid)
        with pytest.raises(ValueError, match=r"math domain|nonnegative"):
            await farm.run(math.sqrt, -1.0)
        assert await farm.run(os.getpid) == first != os.getpid()
        await farm.close()

    asyncio.run(work())
    assert left_over() == set()


def test_dead_worker_is_replaced(left_over: Callable[[], set[int]]) -> None:
    async def work() -> None:
        farm = WorkerFarm(workers=1)
        first = await farm.run(os.getpid)
        with pytest.raises(BrokenProcessPool):
            await farm.run(os._exit, 1)
        assert await farm.run(os.getpid) != first
        await farm.close()

    asyncio.run(work())
    assert left_over() == set()


def test_cancelled_job_frees_its_worker(left_over: Callable[[], set[int]]) -> None:
    async def work() -> None:
        farm = WorkerFarm(workers=1)
        await farm.run(os.getpid)
        job = asyncio.create_task(farm.run(time.sleep, 600))
        await asyncio.sleep(0)
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        assert await asyncio.wait_for(farm.run(math.sqrt, 4.0), 30) == 2
        await farm.close()

    asyncio.run(work())
    assert left_over() == set()


def test_close_does_not_wait_for_a_job(left_over: Callable[[], set[int]]) -> None:
    async def work() -> float:
        farm = WorkerFarm(workers=1)
        await farm.run(os.getpid)
        job = asyncio.create_task(farm.run(time.sleep, 600))
        await asyncio.sleep(0)
        begun = time.monotonic()
        await farm.close()
        await asyncio.gather(job, return_exceptions=True)
        return time.monotonic() - begun

    assert asyncio.run(work()) < 30
    assert left_over() == set()
