"""Worker processes. The jobs are functions of the standard library, because a spawned worker must import them."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool

import pytest

from airflow_provider_videoretalk.emulator.execution.worker_pool import WorkerPool


@pytest.fixture
def left_over() -> Callable[[], set[int]]:
    """The child processes that were started after the test began."""
    before = {child.pid for child in multiprocessing.active_children()}
    return lambda: {child.pid for child in multiprocessing.active_children()} - before


def test_worker_is_kept_between_jobs_and_errors_come_back(left_over: Callable[[], set[int]]) -> None:
    async def work() -> None:
        pool = WorkerPool(workers=2)
        first = await pool.run(os.getpid)
        with pytest.raises(ValueError, match=r"math domain|nonnegative"):
            await pool.run(math.sqrt, -1.0)
        assert await pool.run(os.getpid) == first != os.getpid()
        await pool.close()

    asyncio.run(work())
    assert left_over() == set()


def test_a_worker_that_ended_is_replaced(left_over: Callable[[], set[int]]) -> None:
    async def work() -> None:
        pool = WorkerPool(workers=1)
        first = await pool.run(os.getpid)
        with pytest.raises(BrokenProcessPool):
            await pool.run(os._exit, 1)
        assert await pool.run(os.getpid) != first
        await pool.close()

    asyncio.run(work())
    assert left_over() == set()


def test_cancelled_job_frees_its_worker(left_over: Callable[[], set[int]]) -> None:
    async def work() -> None:
        pool = WorkerPool(workers=1)
        await pool.run(os.getpid)
        job = asyncio.create_task(pool.run(time.sleep, 600))
        await asyncio.sleep(0)
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        assert await asyncio.wait_for(pool.run(math.sqrt, 4.0), 30) == 2
        await pool.close()

    asyncio.run(work())
    assert left_over() == set()


def test_close_does_not_wait_for_a_job(left_over: Callable[[], set[int]]) -> None:
    async def work() -> float:
        pool = WorkerPool(workers=1)
        await pool.run(os.getpid)
        job = asyncio.create_task(pool.run(time.sleep, 600))
        await asyncio.sleep(0)
        begun = time.monotonic()
        await pool.close()
        await asyncio.gather(job, return_exceptions=True)
        return time.monotonic() - begun

    assert asyncio.run(work()) < 30
    assert left_over() == set()
