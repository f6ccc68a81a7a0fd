"""Answers to slow questions, shared by all readers. No question holds up a page for long, nor Airflow's own pages.

- Each question runs in a thread of its own. Only so many run at once, in all and for each source.
- The same question runs once at a time. All readers that wait for it share its answer.
- An answer is kept for some seconds. A source that gave no answer is not asked for a while.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from airflow_provider_videoretalk.ui.daemon_threads import result_within, start_in_daemon_thread

T = TypeVar("T")

# Seconds between two looks for a free thread.
_PAUSE = 0.05


@dataclass(frozen=True, kw_only=True)
class Unanswered:
    """There is no answer.

    :param cause: ``failed``: the question raised an error. ``slow``: it takes too long. ``busy``: no thread was free
    :param error: of a question that ``failed``
    """

    cause: Literal["failed", "slow", "busy"]
    error: BaseException | None = None


@dataclass(kw_only=True)
class SharedAnswers(Generic[T]):
    """Answers by key. Threads and event loops may share it.

    :param seconds: how long a reader waits at most
    :param kept_seconds: how long an answer is kept
    :param silent_seconds: how long a source is not asked after a question that failed or took too long
    :param threads: how many questions run at once
    :param threads_each: how many of them ask the same source
    """

    seconds: float
    kept_seconds: float = 5.0
    silent_seconds: float = 20.0
    threads: int = 8
    threads_each: int = 2
    clock: Callable[[], float] = time.monotonic
    # Reentrant: a question may end before its callback is added.
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _running: dict[Hashable, Future[T]] = field(default_factory=dict, init=False)
    _asked: Counter[str] = field(default_factory=Counter, init=False)
    _kept: dict[Hashable, tuple[float, T]] = field(default_factory=dict, init=False)
    _silent: dict[str, tuple[float, Unanswered]] = field(default_factory=dict, init=False)

    async def get(self, key: Hashable, ask: Callable[[], T], *, source: str) -> T | Unanswered:
        """The answer to a question, or why there is none in time.

        :param ask: blocks. Its exception means that the source gave no answer
        :param source: what is asked, such as a connection
        """
        deadline = self.clock() + self.seconds
        while True:
            with self._lock:
                now = self.clock()
                kept = self._kept.get(key)
                if kept is not None and kept[0] > now:
                    return kept[1]
                until, silence = self._silent.get(source, (0.0, Unanswered(cause="busy")))
                if now < until:
                    return silence
                if now >= deadline:
                    return Unanswered(cause="busy")
                future = self._running.get(key) or self._start(key, ask, source)
            if future is not None:
                return await self._result(future, source, deadline - now)
            await asyncio.sleep(_PAUSE)

    def _start(self, key: Hashable, ask: Callable[[], T], source: str) -> Future[T] | None:
        """Starts a question; ``None`` if no thread is free for it."""
        if len(self._running) >= self.threads or self._asked[source] >= self.threads_each:
            return None
        self._asked[source] += 1
        future = self._running[key] = start_in_daemon_thread(ask)
        future.add_done_callback(lambda done: self._end(key, source, done))
        return future

    def _end(self, key: Hashable, source: str, future: Future[T]) -> None:
        with self._lock:
            now = self.clock()
            self._running.pop(key, None)
            self._asked[source] -= 1
            # Removes the sources that are not asked any more.
            self._asked = +self._asked
            if (error := future.exception()) is not None:
                self._note_silence(source, Unanswered(cause="failed", error=error))
                return
            self._kept = {other: kept for other, kept in self._kept.items() if kept[0] > now}
            self._kept[key] = (now + self.kept_seconds, future.result())

    async def _result(self, future: Future[T], source: str, seconds: float) -> T | Unanswered:
        try:
            return await result_within(future, seconds)
        except Exception as error:
            silence = Unanswered(cause="failed", error=error) if future.done() else Unanswered(cause="slow")
            with self._lock:
                self._note_silence(source, silence)
            return silence

    def _note_silence(self, source: str, silence: Unanswered) -> None:
        now = self.clock()
        self._silent = {other: kept for other, kept in self._silent.items() if kept[0] > now}
        self._silent[source] = (now + self.silent_seconds, silence)
