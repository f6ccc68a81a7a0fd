"""A pool of worker processes: each runs one job at a time, and a worker that ended is replaced."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import parent_process
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class WorkerPool:
    """`workers` spawned processes, each with an executor of its own: if one ends, only its own job is lost.

    The first job of a worker starts it. A cancelled job kills its worker, because a render cannot be interrupted.
    """

    def __init__(self, *, workers: int) -> None:
        self._idle: asyncio.LifoQueue[ProcessPoolExecutor | None] = asyncio.LifoQueue()
        self._executors: set[ProcessPoolExecutor] = set()
        for _ in range(workers):
            self._idle.put_nowait(None)

    async def run(self, job: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `job` in a worker; raise its exception, or ``BrokenProcessPool`` if the worker ended."""
        executor = await self._idle.get()
        reusable: ProcessPoolExecutor | None = None
        try:
            executor = executor or self._start_executor()
            future = executor.submit(job, *args, **kwargs)
            result = await asyncio.wrap_future(future)
        except (BrokenProcessPool, asyncio.CancelledError):
            # The executor stays in the set, so that close() joins its remaining threads.
            if executor is not None:
                kill_workers(executor)
            raise
        except BaseException:
            reusable = executor
            raise
        else:
            reusable = executor
            return result
        finally:
            self._idle.put_nowait(reusable)

    async def close(self) -> None:
        """Kill every worker, and wait until all have ended."""
        executors, self._executors = self._executors, set()
        for executor in executors:
            kill_workers(executor)
        for executor in executors:
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)

    def _start_executor(self) -> ProcessPoolExecutor:
        executor = ProcessPoolExecutor(
            max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=initialize_worker
        )
        self._executors.add(executor)
        return executor


def kill_workers(executor: ProcessPoolExecutor) -> None:
    """Kill the processes of an executor. ``ProcessPoolExecutor.kill_workers`` does this from Python 3.14 on."""
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        process.kill()


def initialize_worker() -> None:
    """Prepare a worker: it ignores Ctrl-C, which the server handles, and ends with the server's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with_parent, args=(parent.sentinel,), daemon=True).start()


def _exit_with_parent(sentinel: int) -> None:
    wait([sentinel])
    os._exit(0)
