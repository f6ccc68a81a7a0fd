"""The submits that a triggerer holds back, and their admission in the order of their arrival.

All triggers on an event loop that hold back submits of one account and model share one queue. It looks at the account
when a render job of the account has ended, when a submit has joined, and at least every five minutes. Each look takes
three requests to the service and one to Airflow, however many submits are held back.

Nothing of it is stored: a trigger that starts again, on any triggerer, takes its place by the time of its arrival.
Several triggerers do not know each other's places. Each takes an equal share of the room: it counts its own admissions
once for each triggerer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_videoretalk.dashscope.async_client import AsyncClient
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.polling.account import account_of
from airflow_provider_videoretalk.submission.admission import (
    ADMISSION_SECONDS,
    SHORT_QUEUE,
    ExpectedStart,
    JobToSubmit,
    Queue,
    expected_start,
    held_back_sentence,
    queue_requests,
)

# An admitted job that is not known to be submitted is counted for ADMISSION_SECONDS, or for this share of its limit.
_COUNTED_SHARE = 1 / 4

# Seconds between two looks at an account.
_SHORTEST_PAUSE, _USUAL_PAUSE, _LONGEST_PAUSE = 5.0, 60.0, 300.0

# Renders may take a quarter of the time that is expected of them.
_FASTEST_SHARE = 1 / 4

# Seconds before the first look: an older trigger may start after a younger one. No trigger fires earlier anyway.
_GATHERING_SECONDS = 10.0

# Log lines at a stretch, so that the event loop does not stand still.
_SLICE = 100

# The service takes a submit a second. With more at once, it would refuse some, and they would start a worker again.
_SECONDS_AN_ADMISSION = 1.0

_log = logging.getLogger(__name__)


class OtherTriggerers(Protocol):
    """See :class:`~airflow_provider_videoretalk.submission.admitting_triggerers.AdmittingTriggerers`."""

    async def enter(self) -> int: ...

    async def leave(self) -> None: ...


@dataclass(order=True, kw_only=True)
class HeldBack:
    """A submit that is held back.

    :param since: when it arrived, in seconds since the epoch
    :param task_instance: ``dag_id/run_id/task_id/map_index``
    :param on_position: called once with a sentence that says what is before it, in the context of the trigger. A
        triggerer tells by the context in which log a line belongs
    """

    since: float
    task_instance: str
    job: JobToSubmit = field(compare=False)
    on_position: Callable[[str], None] = field(compare=False)
    admitted: asyncio.Future[None] = field(compare=False, default_factory=lambda: asyncio.Future())
    context: Context = field(compare=False, default_factory=copy_context)


class AdmissionQueue:
    """Created by :func:`shared_admission_queue`; see the module.

    :param jobs: the render jobs of the account that triggers on this event loop wait for
    :param clock: seconds since the epoch; everything else goes by the event loop's own time
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        model: str,
        jobs: AccountJobs,
        triggerers: OtherTriggerers | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._jobs = jobs
        self._triggerers = triggerers
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._waiting: list[HeldBack] = []
        # Those whose triggers do not know yet what is before them.
        self._joined: list[HeldBack] = []
        # Admitted task instances that are not known to have submitted, with the time until which they count.
        self._admitted: dict[str, float] = {}
        self._others = 0
        self._wake_up = asyncio.Event()
        self._begun_at = self._loop.time()
        self._task: asyncio.Task[None] | None = None
        self.users = 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody uses it, and nothing that it remembers matters any more."""
        return not self.users and all(until <= self._loop.time() for until in self._admitted.values())

    async def wait(self, held: HeldBack) -> None:
        """Returns when the submit is admitted.

        :raises DashScopeError: the connection cannot be used
        """
        insort(self._waiting, held)
        self._joined.append(held)
        self.wake()
        self._begin()
        try:
            await held.admitted
        finally:
            self._forget(held)

    def wake(self) -> None:
        """Lets the queue look at the account soon."""
        self._wake_up.set()

    def submitted(self, task_instance: str) -> None:
        """Says that an admitted task instance has submitted its job, which the service counts from now on."""
        self._admitted.pop(task_instance, None)

    async def close(self) -> None:
        """Returns when nothing of it runs any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _begin(self) -> None:
        if self._waiting and (self._task is None or self._task.done()):
            # In a context of its own: the first trigger's would otherwise be kept, and its log have the others' lines.
            self._task = Context().run(self._loop.create_task, self._run())
            self._task.add_done_callback(lambda _: self._begin())

    def _forget(self, held: HeldBack) -> None:
        place = bisect_left(self._waiting, held)
        while place < len(self._waiting) and self._waiting[place] == held:
            if self._waiting[place] is held:
                del self._waiting[place]
                self.wake()
                return
            place += 1

    async def _run(self) -> None:
        try:
            account = account_of(self._endpoint)
            async with AsyncClient(
                self._endpoint, rate_limiter=account.rate_limiter, note_request=account.note_request
            ) as client:
                # Triggerers that begin together come to know each other.
                await self._count_triggerers()
                await asyncio.sleep(_GATHERING_SECONDS)
                while self._waiting:
                    self._wake_up.clear()
                    pause = await self._look(client)
                    await asyncio.sleep(_SHORTEST_PAUSE)
                    await self._sleep_until_woken(pause - _SHORTEST_PAUSE)
        except Exception as error:
            for held in list(self._waiting):
                self._forget(held)
                if not held.admitted.done():
                    held.admitted.set_exception(error)
        finally:
            await self._leave()

    async def _sleep_until_woken(self, pause: float) -> None:
        try:
            await asyncio.wait_for(self._wake_up.wait(), timeout=pause)
        except asyncio.TimeoutError:
            return

    async def _look(self, client: AsyncClient) -> float:
        """Admits those whose jobs would end in time; returns the seconds until the next look."""
        await self._count_triggerers()
        # Before the list is read: it may have those that submit in the meantime.
        admitted = self._admitted_jobs()
        queue = await self._queue(client)
        if queue is None:
            return _USUAL_PAUSE
        looked_at, ahead, triggerers = self._loop.time(), queue.ahead + admitted, 1 + self._others
        await self._inform(queue, ahead=ahead)
        while self._waiting and self._loop.time() - looked_at < _USUAL_PAUSE:
            first = self._waiting[0]
            start = self._start_of(first, queue, ahead=ahead)
            if ahead > SHORT_QUEUE and start is not None and start.seconds > start.limit:
                return _pause(start)
            self._admit(first)
            ahead += triggerers
            await asyncio.sleep(_SECONDS_AN_ADMISSION * triggerers)
        return _SHORTEST_PAUSE

    def _admit(self, held: HeldBack) -> None:
        self._forget(held)
        if not held.admitted.done():
            counted = min(ADMISSION_SECONDS, _COUNTED_SHARE * held.job.limit)
            self._admitted[held.task_instance] = self._loop.time() + counted
            held.admitted.set_result(None)

    def _admitted_jobs(self) -> int:
        """The jobs that this triggerer and the others have admitted, and that are not known to be submitted."""
        now = self._loop.time()
        self._admitted = {name: until for name, until in self._admitted.items() if until > now}
        return len(self._admitted) * (1 + self._others)

    def _start_of(self, held: HeldBack, queue: Queue, *, ahead: int) -> ExpectedStart | None:
        return expected_start(held.job, queue, ahead=ahead, render_times=account_of(self._endpoint).render_times)

    async def _queue(self, client: AsyncClient) -> Queue | None:
        """The queue by the service's list, else by the jobs that triggerers wait for.

        ``None`` if their number is not known yet: triggers join one after another when a triggerer starts.
        """
        requests = queue_requests(self._model)
        try:
            request = next(requests)
            while True:
                request = requests.send(await client.send(request))
        except StopIteration as end:
            queue: Queue = end.value
            return queue
        except DashScopeError:
            if self._loop.time() - self._begun_at < _USUAL_PAUSE:
                return None
            return Queue(ahead=self._jobs.count * (1 + self._others))

    async def _inform(self, queue: Queue, *, ahead: int) -> None:
        """Says to those who have joined what is before them."""
        now, triggerers = self._clock(), 1 + self._others
        joined, self._joined = self._joined, []
        for count, held in enumerate(joined, start=1):
            if not held.admitted.done():
                number = bisect_left(self._waiting, held)
                start = self._start_of(held, queue, ahead=ahead + number * triggerers)
                held.context.run(held.on_position, held_back_sentence(queue, start, now=now, held=number))
            if count % _SLICE == 0:
                await asyncio.sleep(0)

    async def _count_triggerers(self) -> None:
        if self._triggerers is None:
            return
        try:
            self._others = await self._triggerers.enter()
        except Exception as error:
            _log.warning("Airflow does not say which triggerers hold submits back: %s", error)

    async def _leave(self) -> None:
        try:
            if self._triggerers is not None:
                await self._triggerers.leave()
        except Exception as error:
            _log.warning("Airflow keeps the key of a triggerer that holds no submit back any more: %s", error)


def _pause(start: ExpectedStart) -> float:
    """Seconds until the first job may have time.

    Nothing tells of the ends for which other triggerers and workers wait, so the queue may be empty earlier.
    """
    usual = max(start.seconds - start.limit, _USUAL_PAUSE)
    return max(min(usual, _LONGEST_PAUSE, start.seconds * _FASTEST_SHARE), _SHORTEST_PAUSE)


class AccountJobs:
    """The render jobs of an account that triggers on an event loop wait for.

    :ivar count: number of these jobs
    :ivar queues: by model, those that look at the account when a job has ended
    """

    def __init__(self) -> None:
        self.count = 0
        self.queues: dict[str, AdmissionQueue] = {}

    def is_idle(self) -> bool:
        return not self.count and all(queue.is_idle for queue in self.queues.values())


_JOBS: dict[tuple[asyncio.AbstractEventLoop, Endpoint], AccountJobs] = {}


@contextmanager
def job_of_account(endpoint: Endpoint, *, task_instance: str) -> Iterator[None]:
    """Counts a submitted render job while a trigger waits for it. At its end, held back submits are looked at."""
    jobs = _jobs_of(endpoint)
    jobs.count += 1
    for queue in jobs.queues.values():
        queue.submitted(task_instance)
    try:
        yield
    finally:
        jobs.count -= 1
        for queue in jobs.queues.values():
            queue.wake()


@asynccontextmanager
async def shared_admission_queue(
    endpoint: Endpoint,
    *,
    model: str,
    triggerers: Callable[[], OtherTriggerers | None],
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[AdmissionQueue]:
    """The queue that all users on this event loop share.

    :param triggerers: creates what knows the other triggerers; ``None`` if Airflow's Variables cannot be listed
    """
    jobs = _jobs_of(endpoint)
    queue = jobs.queues.get(model)
    if queue is None:
        queue = AdmissionQueue(endpoint, model=model, jobs=jobs, triggerers=triggerers(), clock=clock)
        jobs.queues[model] = queue
    queue.users += 1
    try:
        yield queue
    finally:
        queue.users -= 1
        if not queue.users:
            await queue.close()


def _jobs_of(endpoint: Endpoint) -> AccountJobs:
    """Those of this event loop. An idle account is forgotten with its key: keys are rotated."""
    loop = asyncio.get_running_loop()
    for known, jobs in list(_JOBS.items()):
        if known[0].is_closed() or (known[0] is loop and known[1] != endpoint and jobs.is_idle()):
            _JOBS.pop(known, None)
    return _JOBS.setdefault((loop, endpoint), AccountJobs())
