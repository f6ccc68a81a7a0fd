"""Worker processes for the media work: one job at a time each, replaced when they die."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from airflow_provider_videoretalk.emulator.work import jobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.work.engine_port import (
        RenderJob,
        RenderOutcome,
        SampleName,
        SpeechJob,
        SpeechOutcome,
    )

P = ParamSpec("P")
T = TypeVar("T")


class WorkerFarm:
    """`workers` spawned processes, each a pool of its own: when one dies, only its own job is lost.

    A worker is started by its first job. A job that is cancelled has its worker killed, as a render cannot be asked to
    stop.
    """

    def __init__(self, *, workers: int) -> None:
        self._idle: asyncio.LifoQueue[ProcessPoolExecutor | None] = asyncio.LifoQueue()
        self._pools: set[ProcessPoolExecutor] = set()
        for _ in range(workers):
            self._idle.put_nowait(None)

    async def run(self, job: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `job` in a worker; raise what it raises, or ``BrokenProcessPool`` when the worker died."""
        pool = await self._idle.get()
        kept: ProcessPoolExecutor | None = None
        try:
            pool = pool or self._start()
            future = pool.submit(job, *args, **kwargs)
            result = await asyncio.wrap_future(future)
        except (BrokenProcessPool, asyncio.CancelledError):
            # The pool stays in the set, so that close() joins what is left of it.
            if pool is not None:
                kill_workers(pool)
            raise
        except BaseException:
            kept = pool
            raise
        else:
            kept = pool
            return result
        finally:
            self._idle.put_nowait(kept)

    async def close(self) -> None:
        """Kill every worker and wait until all are gone."""
        pools, self._pools = self._pools, set()
        for pool in pools:
            kill_workers(pool)
        for pool in pools:
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(
            max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=jobs.start_worker
        )
        self._pools.add(pool)
        return pool


def kill_workers(pool: ProcessPoolExecutor) -> None:
    """Kill a pool's processes. ``ProcessPoolExecutor.kill_workers`` does this from Python 3.14 on."""
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.kill()


class FarmEngine:
    """The media engine over two farms, so that a speech does not wait for a render."""

    def __init__(self, *, workers: int) -> None:
        self._render = WorkerFarm(workers=workers)
        self._speech = WorkerFarm(workers=1)

    async def inspect(self, job: RenderJob) -> None:
        await self._render.run(jobs.inspect, job)

    async def retalk(self, job: RenderJob) -> RenderOutcome:
        return await self._render.run(jobs.retalk, job)

    async def speak(self, job: SpeechJob) -> SpeechOutcome:
        return await self._speech.run(jobs.speak, job)

    async def sample(self, name: SampleName, output: Path) -> None:
        await self._speech.run(jobs.sample, name, output)

    async def close(self) -> None:
        await self._render.close()
        await self._speech.close()
