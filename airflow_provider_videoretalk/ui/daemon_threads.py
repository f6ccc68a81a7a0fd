"""Blocking calls in threads of these pages' own, so that none occupies a thread that Airflow's pages share.

The threads are daemons: one that hangs does not keep the API server from ending. Python's and anyio's pools would.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start_in_daemon_thread(function: Callable[[], T]) -> Future[T]:
    """Starts a blocking function. The caller bounds how many run at once."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=work, name="videoretalk-pages", daemon=True).start()
    return future


async def result_within(future: Future[T], seconds: float) -> T:
    """The function's result. The function goes on running after a time-out or a cancellation.

    :raises TimeoutError: there is no result yet
    """
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
    except asyncio.TimeoutError:
        if future.done():
            # The function itself has raised it.
            return future.result()
        # Python 3.10 has a class of its own.
        raise TimeoutError from None


class ThreadSlot:
    """Runs one blocking function at a time, and occupies a slot of a semaphore.

    Between :meth:`close` and the end of a function that still runs, the slot stays occupied.
    """

    def __init__(self, semaphore: threading.Semaphore) -> None:
        """
        :param semaphore: acquired by the caller
        """
        self._semaphore = semaphore
        self._last: Future[object] | None = None

    async def run(self, function: Callable[[], T], *, seconds: float) -> T:
        """The function's result.

        :raises TimeoutError: it has not returned in time. The slot can then only be closed
        """
        future = start_in_daemon_thread(function)
        self._last = future  # type: ignore[assignment]
        return await result_within(future, seconds)

    def close(self, clean_up: Callable[[], object]) -> None:
        """Frees the slot.

        :param clean_up: called first, as soon as no function runs
        """

        def free(_: object = None) -> None:
            try:
                clean_up()
            finally:
                self._semaphore.release()

        if self._last is None:
            free()
        else:
            self._last.add_done_callback(free)
