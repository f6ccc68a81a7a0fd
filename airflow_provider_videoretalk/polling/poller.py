"""Asks for the render jobs of one account for all callers that wait on one event loop.

Five rules. What each buys is counted by ``tests/unit/polling/scenarios.py``, in requests a job:

1. **Each job has one due time.** A :class:`~airflow_provider_videoretalk.polling.schedule.Schedule` computes it: a
   render is due one interval after it may be over, by the renders before it, or a second after it should be over at
   the latest. One by one, jobs of a known length take 1.5 requests, and a render of which nothing is known takes 30.
2. **After an end, it is asked once who has begun**, by the list of RUNNING or of the first in the queue. A queued job
   itself is seldom due. Without this rule, with 150 queued, the p95 lag is 203 s in place of 4 s.
   See :class:`~airflow_provider_videoretalk.polling.queued_jobs.QueuedJobs`.
3. **If more jobs of a status are due than its list has pages, the list is read.** Else they are asked for singly. What
   the list does not show is asked for singly, too: it has no results. With a thousand rendering, it is 1.2 requests in
   place of 3.1, at a p95 lag of 5 s in place of 49 s. Jobs that share the cost of a look are looked at the oftener:
   with 1,500 that end at once, that is up to 4 s of the lag.
   See :class:`~airflow_provider_videoretalk.polling.list_reading.JobList`.
4. **Of queued jobs that are asked for singly, ten are due in** ``max_poll_interval``, in turn. With 150 queued and no
   list, it is 9 requests in place of 39.
5. **No job delays another**, see :mod:`~airflow_provider_videoretalk.polling.send_limits`. Limits need no answer.

Queries and pages of the list have a
:class:`~airflow_provider_videoretalk.dashscope.rate_limiter.RateLimiter` each, as the service counts them apart.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, ThrottledError
from airflow_provider_videoretalk.dashscope.rate_limiter import RateLimiter
from airflow_provider_videoretalk.dashscope.task import Task, get_task
from airflow_provider_videoretalk.dashscope.task_list import TaskPage
from airflow_provider_videoretalk.polling.list_reading import JobList, Reading
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.progress_log import OnProgress
from airflow_provider_videoretalk.polling.render_times import RenderTimes
from airflow_provider_videoretalk.polling.schedule import Schedule
from airflow_provider_videoretalk.polling.send_limits import InFlight, Throttling
from airflow_provider_videoretalk.polling.watched_job import Listed, Waiter, Watched
from airflow_provider_videoretalk.polling.watched_jobs import WatchedJobs

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.async_client import AsyncClient

Choice = Literal["alone", "failing", "PENDING", "RUNNING", "list PENDING", "list RUNNING", "page", "head"]

# So many queued jobs are asked for singly in the longest pause.
_PROBES = 10
# After so many seconds without a page of a reading, jobs are asked for singly meanwhile.
_STALLED_SECONDS = 2.0
# The list may have a limit of its own, which leaves queries for single jobs alone.
_MOST_REFUSALS = 8
# Jobs handled at a stretch, so that the event loop does not stand still.
_SLICE = 100


class _Wish(NamedTuple):
    """Something to send.

    :param due: its urgency, and the time from which it is wanted
    :param turn: the time from which it may be sent
    """

    due: float
    turn: float
    choice: Choice


class Poller:
    """Created by :meth:`~airflow_provider_videoretalk.polling.account.Account.poller`; see the module."""

    def __init__(
        self,
        client: AsyncClient,
        *,
        query_rate: RateLimiter,
        list_rate: RateLimiter,
        render_times: RenderTimes,
        clock: Callable[[], float],
    ) -> None:
        self.users = 0
        self._clock = clock
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._render_times = render_times
        self._jobs = WatchedJobs(render_times=render_times, clock=clock, time=self._loop.time)
        self._list = JobList()
        self._reading: Reading | None = None
        self._query_rate, self._list_rate = query_rate, list_rate
        self._next_probe = -math.inf
        self._in_flight = InFlight()
        self._throttling = Throttling()
        self._wake_up = asyncio.Event()
        self._error: Exception | None = None
        # In a context of its own: the first waiter's would otherwise be kept, and its log hear of everything.
        self._task = Context().run(self._loop.create_task, self._live())

    async def wait(
        self,
        *,
        task_id: str,
        submitted_at: float,
        poll_policy: PollPolicy,
        on_progress: OnProgress,
        expected_seconds: float | None = None,
    ) -> Task:
        """The task once it ended.

        :param submitted_at: in seconds since the epoch, 0 where that is not known
        :param expected_seconds: of output, where they are known
        :raises TaskTimeoutError: the limits of ``poll_policy`` were reached
        :raises DashScopeError: asking again cannot help
        """
        if self._error is not None:
            raise self._error
        schedule = Schedule(
            task_id=task_id,
            poll_policy=poll_policy,
            submitted_at=submitted_at,
            waiting_since=self._clock(),
            render_times=self._render_times,
            expected_seconds=expected_seconds,
        )
        waiter = Waiter(schedule=schedule, on_progress=on_progress, ended=self._loop.create_future())
        watched = self._jobs.join(task_id, submitted_at=submitted_at, waiter=waiter)
        self._wake_up.set()
        try:
            return await waiter.ended
        finally:
            self._jobs.leave(watched, waiter)
            if not watched.waiters:
                self._throttling.forget(task_id)

    @property
    def over(self) -> bool:
        """Whether it asks no more."""
        return self._task.done() or self._error is not None

    async def close(self) -> None:
        """Ends it; returns when nothing of it is left. Cancelled, it ends all the same."""
        self._wake_up.set()
        await asyncio.wait([self._task])

    async def _live(self) -> None:
        try:
            async with self._client:
                try:
                    await self._work()
                finally:
                    await self._cancel_requests()
        except Exception as error:
            self._error = error
        finally:
            for waiter in self._jobs.waiters():
                if self._error is not None:
                    waiter.fail(self._error)
                else:
                    waiter.ended.cancel()

    async def _work(self) -> None:
        while self.users:
            # Before the queries, as a limit that is reached makes one due.
            until_check = self._jobs.check_limits()
            pause = min(self._send_out(), until_check)
            alarm = None if pause == math.inf else self._loop.call_later(pause, self._wake_up.set)
            try:
                await self._wake_up.wait()
            finally:
                if alarm is not None:
                    alarm.cancel()
            self._wake_up.clear()
            if self._error is not None:
                raise self._error

    async def _cancel_requests(self) -> None:
        requests = list(self._in_flight.requests)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)

    def _send_out(self) -> float:
        """Starts the requests that may be sent now; returns the seconds until there may be another."""
        while not self._in_flight.is_full:
            now = self._loop.time()
            wishes = list(self._wishes(now))
            ready = [wish for wish in wishes if max(wish.due, wish.turn) <= now]
            if not ready:
                return min((max(wish.due, wish.turn) for wish in wishes), default=math.inf) - now
            task = self._loop.create_task(self._choose(min(ready).choice, now))
            self._in_flight.requests.add(task)
            task.add_done_callback(self._returned)
        return math.inf

    def _returned(self, request: asyncio.Task[None]) -> None:
        self._in_flight.requests.discard(request)
        error = None if request.cancelled() else request.exception()
        if isinstance(error, Exception):
            self._error = error
        self._wake_up.set()

    # Which request comes next.

    def _wishes(self, now: float) -> Iterator[_Wish]:
        query, page = self._query_rate.next_turn(now), self._list_rate.next_turn(now)
        jobs, reading = self._jobs, self._reading
        yield _Wish(jobs.due["alone"].first[0], query, "alone")
        yield _Wish(jobs.due["failing"].first[0], max(query, self._in_flight.failing_turn), "failing")
        if reading is not None:
            if reading.todo:
                yield _Wish(reading.begun, page, "page")
            # A page that does not arrive holds up no job.
            query = max(query, reading.last_reply_at + _STALLED_SECONDS)
        running, pending = jobs.due["RUNNING"].first[0], jobs.due["PENDING"].first[0]
        list_running = max(page, self._next_reading("RUNNING", now))
        if reading is None and self._is_list_cheaper("RUNNING", now):
            yield _Wish(min(running, self._list.again_at), list_running, "list RUNNING")
        else:
            yield _Wish(running, query, "RUNNING")
        if reading is None and self._is_list_cheaper("PENDING", now):
            yield _Wish(pending, max(page, self._next_reading("PENDING", now)), "list PENDING")
        else:
            yield _Wish(pending, max(query, self._next_probe), "PENDING")
        head = jobs.next_in_queue() if reading is None else None
        if head is not None and self._list.usable(now) and not jobs.queue.asks_first:
            yield _Wish(jobs.queue.check_at, list_running, "list RUNNING")
        elif head is not None:
            turn = max(query, head.answered_at + head.poll_policy.poll_interval)
            yield _Wish(jobs.queue.check_at, turn, "head")

    def _choose(self, choice: Choice, now: float) -> Coroutine[Any, Any, None]:
        """Takes a turn for what is wanted."""
        head = self._jobs.next_in_queue() if choice in ("head", "list RUNNING") else None
        if head is not None:
            self._jobs.queue.asked(now=now, policy=head.poll_policy)
        if choice == "head" and head is not None:
            return self._ask(head, now)
        if choice == "list RUNNING" or choice == "list PENDING":
            status: Listed = "RUNNING" if choice == "list RUNNING" else "PENDING"
            self._reading = self._list.begin(status, dict.fromkeys(self._jobs.due[status]), now=now)
        if self._reading is not None and choice in ("page", "list RUNNING", "list PENDING"):
            self._list_rate.take(now)
            return self._read(self._reading, self._reading.take())
        assert choice == "alone" or choice == "failing" or choice == "PENDING" or choice == "RUNNING"
        watched = self._jobs.first(choice)
        if choice == "PENDING":
            self._next_probe = now + watched.poll_policy.max_poll_interval / _PROBES
        return self._ask(watched, now)

    def _is_list_cheaper(self, status: Listed, now: float) -> bool:
        return self._list.is_cheaper(status, self._jobs.due[status], self._jobs.policy(status), now=now)

    def _cost(self, status: Listed) -> float:
        return self._list.cost(status, ours=len(self._jobs.due[status]), now=self._loop.time())

    def _next_reading(self, status: Listed, now: float) -> float:
        ours, backlog = len(self._jobs.due[status]), self._jobs.ended_unseen(now) / self._query_rate.per_second(now)
        rate, policy = self._list_rate.per_second(now), self._jobs.policy(status)
        return self._list.next_reading(status, policy, ours=ours, backlog=backlog, per_second=rate, now=now)

    # Queries for one job.

    def _ask(self, watched: Watched, now: float) -> Coroutine[Any, Any, None]:
        self._query_rate.take(now)
        way = self._jobs.take(watched)
        if way == "failing":
            self._in_flight.begin_failing(now=now, per_second=self._query_rate.per_second(now))
        return self._query(watched, is_failing=way == "failing")

    async def _query(self, watched: Watched, *, is_failing: bool) -> None:
        sent_at = self._loop.time()
        try:
            task = await self._client.send(get_task(watched.task_id))
        except DashScopeError as error:
            if isinstance(error, ThrottledError):
                self._slow_down(watched.task_id, error, sent_at=sent_at)
            # Also a query that was refused as all are waits for its next turn, so that others come first: their
            # answers show whom the refusals concern.
            self._jobs.failed(watched, error)
        else:
            self._throttling.answered(watched.task_id)
            if self._jobs.note_reply(watched, task):
                self._list.stands_still(now=self._loop.time())
        finally:
            if is_failing:
                self._in_flight.end_failing()

    def _slow_down(self, query: str, error: ThrottledError, *, sent_at: float) -> None:
        """After a refusal. That of one query alone costs the others nothing."""
        throttled = self._throttling.refused(query)
        if throttled != "one":
            retry_after = error.retry_after if throttled == "account" else None
            self._query_rate.refused(sent_at=sent_at, now=self._loop.time(), retry_after=retry_after)

    # Readings of the list, for many jobs.

    async def _read(self, reading: Reading, number: int) -> None:
        sent_at = self._loop.time()
        try:
            page = await self._client.send(self._list.request(reading, number))
        except ThrottledError as error:
            reading.last_reply_at = self._loop.time()
            self._list_rate.refused(sent_at=sent_at, now=self._loop.time())
            reading.refused(number)
            if reading.refusals == _MOST_REFUSALS or error.retry_after:
                self._give_up(reading, error)
        except DashScopeError as error:
            # Not any job's own: if it stays, a query for a job will meet it too.
            self._give_up(reading, error)
        else:
            if reading is self._reading:
                await self._take_in(reading, page)

    def _give_up(self, reading: Reading, error: DashScopeError) -> None:
        if reading is self._reading:
            self._list.failed(error, now=self._loop.time())
            self._reading = None

    async def _take_in(self, reading: Reading, page: TaskPage) -> None:
        self._list.read(reading, page, expected=self._jobs.settled(reading.status), now=self._loop.time())
        cost = self._cost(reading.status)
        for row in page.rows:
            if (watched := self._jobs.find(row.task_id)) is not None:
                reading.ours += 1
                reading.unseen.pop(row.task_id, None)
                self._jobs.note_status(watched, row.status, cost=cost)
        reading.read(page)
        if reading.over:
            await self._finish(reading, total=page.total)

    async def _finish(self, reading: Reading, *, total: int) -> None:
        """Applies what missing rows, and rows that need not be read, say about their jobs."""
        before = self._jobs.ended_unseen(self._loop.time())
        if reading.is_unchanged:
            await self._in_slices(reading, partial(self._jobs.note_status, cost=self._cost(reading.status)))
        elif not reading.partial:
            await self._in_slices(reading, self._jobs.missed)
        if reading.status == "RUNNING":
            self._jobs.prove_one()
            if not (reading.ours or reading.partial):
                self._jobs.queue.none_renders()
        now = self._loop.time()
        found = self._jobs.ended_unseen(now) - before
        self._list.finished(reading, total=total, backlog=found / self._query_rate.per_second(now))
        self._reading = None

    async def _in_slices(self, reading: Reading, handle: Callable[[Watched, Listed], None]) -> None:
        for number, task_id in enumerate(reading.unseen, start=1):
            watched = self._jobs.find(task_id)
            # Others may have been asked for, or have gone, since the reading began.
            if watched is not None and watched.way == reading.status:
                handle(watched, reading.status)
            if not number % _SLICE:
                await asyncio.sleep(0)
