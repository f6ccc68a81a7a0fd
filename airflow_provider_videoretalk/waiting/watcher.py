"""One poller for all that wait on an event loop for tasks of one endpoint.

It asks for each task singly, or for many at once through the list, whichever takes fewer requests now; keeps to a
:class:`~airflow_provider_videoretalk.waiting.rate.Rate` of its own below the endpoint's; and bears throttling, server
errors, odd replies and an endpoint without a list by slowing down. When to look at a task is for its
:class:`~airflow_provider_videoretalk.waiting.schedule.Schedule` to say.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, Literal, TypeVar

from airflow_provider_videoretalk.dashscope.client import AsyncClient
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, ThrottledError, TransportError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Task, TaskPage, TaskStatus, get_task
from airflow_provider_videoretalk.waiting.census import Census
from airflow_provider_videoretalk.waiting.forecast import forecast_of
from airflow_provider_videoretalk.waiting.narrator import News
from airflow_provider_videoretalk.waiting.patience import Patience
from airflow_provider_videoretalk.waiting.rate import Rate
from airflow_provider_videoretalk.waiting.roster import Roster, Turn
from airflow_provider_videoretalk.waiting.schedule import Schedule
from airflow_provider_videoretalk.waiting.sweep import Listed, Sweep
from airflow_provider_videoretalk.waiting.waiter import Waiter, Watched

T = TypeVar("T")
Errand = Coroutine[Any, Any, None]
Wish = Literal["alone", "PENDING", "RUNNING", "page", "harvest"]

# So that the latency of one reply doesn't bound the rate.
_IN_FLIGHT = 8
# A queued task's look may come so much earlier, as a share of the longest pause, if many are had at once.
_QUEUE_SLACK = 1 / 4
# Of the rate that sweeps of one status may take, so that many who join one by one are not looked for page by page.
_SWEEP_SHARE = 0.35
# The list may have a limit of its own, which leaves queries for single tasks alone.
_MOST_REFUSALS = 8
# Tasks handled at a stretch, so that the event loop does not stand still.
_SLICE = 100


@asynccontextmanager
async def watching(endpoint: Endpoint, *, clock: Callable[[], float] = time.time) -> AsyncIterator[Watcher]:
    """The poller that all who wait on this event loop for this endpoint share; it ends with the last of them.

    :param clock: seconds since the epoch; all else goes by the event loop's own time
    """
    _forget_closed_loops()
    here = asyncio.get_running_loop(), endpoint
    watcher = _WATCHERS.get(here)
    if watcher is None or watcher.over:
        watcher = _WATCHERS[here] = Watcher(endpoint, clock=clock)
    watcher.users += 1
    try:
        yield watcher
    finally:
        watcher.users -= 1
        if not watcher.users:
            if _WATCHERS.get(here) is watcher:
                del _WATCHERS[here]
            await watcher.close()


_WATCHERS: dict[tuple[asyncio.AbstractEventLoop, Endpoint], Watcher] = {}


def _forget_closed_loops() -> None:
    for here in [here for here in _WATCHERS if here[0].is_closed()]:
        del _WATCHERS[here]


class Watcher:
    """See :func:`watching`, which makes it, and the module."""

    def __init__(self, endpoint: Endpoint, *, clock: Callable[[], float]) -> None:
        self.users = 0
        self._clock = clock
        self._client = AsyncClient(endpoint)
        self._loop = asyncio.get_running_loop()
        self._forecast = forecast_of(endpoint)
        self._roster = Roster(forecast=self._forecast, clock=clock, time=self._loop.time)
        self._census = Census()
        self._sweep: Sweep | None = None
        self._rate = Rate(endpoint.queries_per_second)
        self._errands: set[asyncio.Task[None]] = set()
        self._bell = asyncio.Event()
        self._error: Exception | None = None
        # In a context of its own: the first waiter's would otherwise be kept, and its log hear of everything.
        self._task = Context().run(self._loop.create_task, self._live())

    async def wait(
        self,
        *,
        task_id: str,
        submitted_at: float,
        patience: Patience,
        news: News,
        expected_seconds: float | None = None,
    ) -> Task:
        """The task once it ended.

        :param submitted_at: in seconds since the epoch, 0 where that is not known
        :param expected_seconds: of output, where they are known
        :raises TaskTimeoutError: the limits of ``patience`` were reached
        :raises DashScopeError: asking again can't help
        """
        if self._error is not None:
            raise self._error
        schedule = Schedule(
            task_id=task_id,
            patience=patience,
            submitted_at=submitted_at,
            forecast=self._forecast,
            expected_seconds=expected_seconds,
        )
        waiter = Waiter(schedule=schedule, news=news, ended=self._loop.create_future())
        watched = self._roster.join(task_id, submitted_at=submitted_at, waiter=waiter)
        status = self._census.recall(task_id, now=self._loop.time())
        if watched.status is None and status is not None:
            self._roster.sighted(watched, status)
        self._bell.set()
        try:
            return await waiter.ended
        finally:
            self._roster.leave(watched, waiter)

    @property
    def over(self) -> bool:
        """Whether it asks no more."""
        return self._task.done() or self._error is not None

    async def close(self) -> None:
        """Ends it; returns when nothing of it is left. Cancelled, it ends all the same."""
        self._bell.set()
        await asyncio.wait([self._task])

    async def _live(self) -> None:
        try:
            async with self._client:
                try:
                    await self._work()
                finally:
                    await self._drop_errands()
        except Exception as error:
            self._error = error
        finally:
            for waiter in self._roster.waiters():
                if self._error is not None:
                    waiter.fail(self._error)
                else:
                    waiter.ended.cancel()

    async def _work(self) -> None:
        while self.users:
            pause = self._send_out()
            alarm = None if pause == math.inf else self._loop.call_later(pause, self._bell.set)
            try:
                await self._bell.wait()
            finally:
                if alarm is not None:
                    alarm.cancel()
            self._bell.clear()
            if self._error is not None:
                raise self._error

    async def _drop_errands(self) -> None:
        errands = list(self._errands)
        for errand in errands:
            errand.cancel()
        await asyncio.gather(*errands, return_exceptions=True)

    def _send_out(self) -> float:
        """Starts the queries that may be sent now; returns the seconds until there may be another."""
        while len(self._errands) < _IN_FLIGHT:
            now = self._loop.time()
            turn = self._rate.turn(now)
            if turn > now:
                return turn - now
            errand = self._pick(now)
            if isinstance(errand, float):
                return errand - now
            self._rate.take(now)
            task = self._loop.create_task(errand)
            self._errands.add(task)
            task.add_done_callback(self._returned)
        return math.inf

    def _returned(self, errand: asyncio.Task[None]) -> None:
        self._errands.discard(errand)
        error = None if errand.cancelled() else errand.exception()
        if isinstance(error, Exception):
            self._error = error
        self._bell.set()

    # What to ask next.

    def _pick(self, now: float) -> Errand | float:
        """The most urgent query, or the time from which on there may be one."""
        later = math.inf
        for due, wish in sorted(self._wishes()):
            if due > now:
                return min(later, due)
            choice = self._choose(wish, now)
            if not isinstance(choice, float):
                return choice
            later = min(later, choice)
        return later

    def _wishes(self) -> list[tuple[float, Wish]]:
        """What is to be asked for, and from when on."""
        wishes: list[tuple[float, Wish]] = [
            (agenda.first[0], way) for way, agenda in self._roster.due.items() if agenda.first
        ]
        if self._sweep is not None and self._sweep.todo:
            wishes.append((self._sweep.begun, "page"))
        if self._sweep is None and self._roster.due["RUNNING"]:
            wishes.append((max(self._census.harvest_at, self._may_sweep("RUNNING", 1 / 2)), "harvest"))
        return wishes

    def _choose(self, wish: Wish, now: float) -> Errand | float:
        """A query that fulfils a wish, or the time from which on there may be one."""
        if wish == "page":
            assert self._sweep is not None
            return self._read(self._sweep, self._sweep.take())
        if wish == "harvest":
            return self._begin_sweep("RUNNING", now)
        if wish == "alone":
            return self._ask(self._roster.take(wish))
        if self._sweep is not None:
            return math.inf
        if not self._is_sweep_cheaper(wish, now):
            return self._ask(self._roster.take(wish))
        again = self._may_sweep(wish)
        return again if again > now else self._begin_sweep(wish, now)

    def _is_sweep_cheaper(self, status: Listed, now: float) -> bool:
        """Whether a sweep takes fewer requests than there are tasks that it would soon spare one each."""
        agenda, patience = self._roster.due[status], self._roster.first(status).patience
        slack = patience.poll_interval if status == "RUNNING" else _QUEUE_SLACK * patience.max_poll_interval
        pages = self._census.pages(status, ours=len(agenda), now=now)
        return self._census.usable(now) and agenda.count(until=now + slack) > pages

    def _may_sweep(self, status: Listed, share: float = 1.0) -> float:
        """From when on: a sweep is a look at each task that it shows."""
        now = self._loop.time()
        pages = self._census.pages(status, ours=len(self._roster.due[status]), now=now)
        pause = share * self._roster.first(status).patience.poll_interval
        return self._census.swept(status) + max(pause, pages / (_SWEEP_SHARE * self._rate.per_second(now)))

    # Asking for one task.

    async def _ask(self, turn: Turn) -> None:
        watched, sent_at = turn[0], self._loop.time()
        try:
            task = await self._send(get_task(watched.task_id))
            if task.task_id != watched.task_id:
                raise TransportError(f"the reply is about task {task.task_id}, not {watched.task_id}")
        except ThrottledError as error:
            self._rate.refused(sent_at=sent_at, now=self._loop.time(), retry_after=error.retry_after)
            self._roster.throttled(turn, error)
        except DashScopeError as error:
            self._roster.failed(watched, error)
        else:
            right = self._roster.told(watched, task)
            if right is not None:
                self._census.judged(right=right, now=self._loop.time())

    async def _send(self, request: Request[T]) -> T:
        try:
            return await self._client.send(request)
        except DashScopeError:
            raise
        except Exception as error:
            # Nothing that a reply may hold is worth a paid task.
            raise TransportError(f"the reply can't be read ({type(error).__name__})") from error

    # Asking for many.

    def _begin_sweep(self, status: Listed, now: float) -> Errand:
        self._sweep = self._census.sweep(status, self._roster.due[status], now=now)
        return self._read(self._sweep, self._sweep.take())

    async def _read(self, sweep: Sweep, number: int) -> None:
        sent_at = self._loop.time()
        try:
            page = await self._send(self._census.request(sweep, number))
        except ThrottledError as error:
            self._rate.refused(sent_at=sent_at, now=self._loop.time(), retry_after=error.retry_after)
            sweep.refused(number)
            if sweep.refusals == _MOST_REFUSALS:
                self._give_up(sweep, error)
        except DashScopeError as error:
            # Not any task's own: if it stays, a query for a task will meet it too.
            self._give_up(sweep, error)
        else:
            if sweep is self._sweep:
                await self._take_in(sweep, page)

    def _give_up(self, sweep: Sweep, error: DashScopeError) -> None:
        if sweep is self._sweep:
            self._census.failed(error, now=self._loop.time())
            self._sweep = None

    async def _take_in(self, sweep: Sweep, page: TaskPage) -> None:
        self._census.read(sweep, page, now=self._loop.time())
        sweep.glanced = self._census.is_as_foreseen(sweep, page, ours=self._roster.settled(sweep.status))
        for row in page.rows:
            if (watched := self._roster.find(row.task_id)) is None:
                self._census.note(sweep, row)
                continue
            sweep.ours += 1
            sweep.unseen.pop(row.task_id, None)
            self._roster.sighted(watched, row.status)
        sweep.read(page)
        if sweep.over:
            await self._finish(sweep)

    async def _finish(self, sweep: Sweep) -> None:
        """What the rows that were not there, or need not be read, say of their tasks."""
        found = 0
        if sweep.glanced:
            await self._in_slices(sweep, self._roster.sighted)
        elif not sweep.partial:
            found = len(sweep.unseen)
            await self._in_slices(sweep, self._roster.missed)
        first = self._roster.due[sweep.status].first
        self._census.finished(sweep, found=found, next_look=first[0] if first else math.inf)
        self._sweep = None

    async def _in_slices(self, sweep: Sweep, handle: Callable[[Watched, TaskStatus], None]) -> None:
        for number, task_id in enumerate(sweep.unseen, start=1):
            watched = self._roster.find(task_id)
            # Others may have been asked for, or have gone, since the sweep began.
            if watched is not None and watched.way == sweep.status:
                handle(watched, sweep.status)
            if not number % _SLICE:
                await asyncio.sleep(0)
