"""A service in memory, and an event loop on which time passes by being waited for."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
import selectors
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal, TypeVar

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.request import Reply, Request
from airflow_provider_videoretalk.dashscope.request_outcome import NoteRequest, ignore_request
from airflow_provider_videoretalk.dashscope.task import BEIJING_TIME, Task
from airflow_provider_videoretalk.polling.account import account_of, shared_poller
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy

T = TypeVar("T")

EPOCH = 1_795_000_000.0
"""When the loop's time was 0, in seconds since the epoch."""

LONGEST = 50_000.0
"""The loop's time at which a test has failed, as nothing takes so long."""

_NUMBERS = itertools.count()


class _Jump(selectors.DefaultSelector):
    """Lets time that nobody uses pass at once."""

    passed = 1_000.0
    rounds = 0

    def select(self, timeout: float | None = None) -> Any:
        self.rounds += 1
        events = super().select(0)
        if not events:
            if timeout is None:
                raise RuntimeError("everybody waits, and nothing is going to happen")
            if self.passed > LONGEST:
                raise RuntimeError("it takes too long")
            self.passed += max(0.0, timeout)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    @property
    def rounds(self) -> int:
        """How often it has looked around so far."""
        return self._jump.rounds

    def time(self) -> float:
        return self._jump.passed

    def clock(self) -> float:
        """Seconds since the epoch."""
        return EPOCH + self.time()


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Runs ``main`` on a loop of its own; a task that it leaves behind is an error."""
    loop = VirtualLoop()
    try:
        answer = loop.run_until_complete(main(loop))
        assert not asyncio.all_tasks(loop)
        return answer
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@dataclass
class Clip:
    """A task of the service; times are the loop's."""

    task_id: str
    render: float
    submitted: float
    outcome: str = "SUCCEEDED"
    started: float | None = None
    ended: float | None = None

    def status(self, now: float) -> str:
        if self.ended is not None and self.ended <= now:
            return self.outcome
        return "RUNNING" if self.started is not None and self.started <= now else "PENDING"


Fault = Callable[[Request[Any]], Reply | Exception | None]
"""What goes wrong with a request: a reply in place of the service's, an exception, or nothing."""


@dataclass
class Service:
    """DashScope's task API, as far as those who wait see it.

    :param slots: tasks that render at once
    :param limit: queries let through in any second, and as many pages of the list
    :param latency: seconds from a request to its reply, least and most
    :param page_max: largest page size
    :param picks: which of the queued tasks begins next
    :param list_lag: by how many seconds the list is late
    """

    loop: VirtualLoop
    slots: int = 1
    limit: int = 20
    latency: tuple[float, float] = (0.03, 0.09)
    page_max: int = 100
    picks: Literal["first", "last"] = "first"
    list_lag: float = 0.0
    fault: Fault | None = None
    clips: dict[str, Clip] = field(default_factory=dict)
    sessions: int = 0
    opened_in: Context | None = None
    asked: Counter[str] = field(default_factory=Counter)
    log: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(4)
        self._queue: deque[Clip] = deque()
        self._running = 0
        self._passed: dict[bool, deque[float]] = {True: deque(), False: deque()}

    def submit(self, task_id: str, render: float, *, outcome: str = "SUCCEEDED", age: float = 0.0) -> Clip:
        """Queues a task.

        :param age: seconds since its submit
        """
        clip = self.clips[task_id] = Clip(task_id, render, self.loop.time() - age, outcome)
        self._queue.append(clip)
        self._begin()
        return clip

    def cancel(self, task_id: str) -> None:
        clip = self.clips[task_id]
        self._queue.remove(clip)
        clip.ended, clip.outcome = self.loop.time(), "CANCELED"

    def client(self, endpoint: Endpoint, *, note_request: NoteRequest = ignore_request) -> Client:
        """What stands for an ``AsyncClient``."""
        return Client(self, endpoint)

    async def reply(self, request: Request[Any]) -> Reply:
        half = self._chance.uniform(*self.latency) / 2
        await asyncio.sleep(half)
        answer = self._answer(request, self.loop.time())
        await asyncio.sleep(half)
        return answer

    @property
    def densest_second(self) -> int:
        """Most queries, or most pages of the list, that came within a second."""
        most = 0
        for listing in (True, False):
            times = [time for time, asked in self.log if (asked in ("PENDING", "RUNNING")) is listing]
            first = 0
            for count, time in enumerate(times, start=1):
                while times[first] <= time - 1.0:
                    first += 1
                most = max(most, count - first)
        return most

    def _begin(self) -> None:
        while self._running < self.slots and self._queue:
            clip = self._queue.popleft() if self.picks == "first" else self._queue.pop()
            self._running += 1
            clip.started = self.loop.time()
            self.loop.call_later(clip.render, self._end, clip)

    def _end(self, clip: Clip) -> None:
        clip.ended = self.loop.time()
        self._running -= 1
        self._begin()

    def _answer(self, request: Request[Any], now: float) -> Reply:
        listing = request.path == "tasks"
        self.asked["list" if listing else "query"] += 1
        self.log.append((now, request.query["status"] if listing else request.path.rpartition("/")[2]))
        passed = self._passed[listing]
        while passed and passed[0] <= now - 1.0:
            passed.popleft()
        if len(passed) >= self.limit:
            self.asked["refused"] += 1
            return refusal()
        passed.append(now)
        fault = self.fault(request) if self.fault else None
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            return fault
        return reply(200, self._page(request.query, now) if listing else self._task(request.path, now))

    def _task(self, path: str, now: float) -> dict[str, Any]:
        clip = self.clips[path.rpartition("/")[2]]
        output: dict[str, Any] = {"task_id": clip.task_id, "task_status": clip.status(now)}
        output["submit_time"] = moment(clip.submitted)
        if clip.started is not None:
            output["scheduled_time"] = moment(clip.started)
        if clip.ended is not None:
            output |= {"end_time": moment(clip.ended), "video_url": f"http://r/{clip.task_id}.mp4"}
        return {"request_id": "r", "output": output, "usage": {"video_duration": clip.render / 9}}

    def _page(self, query: Mapping[str, str], now: float) -> dict[str, Any]:
        size, page, then = int(query["page_size"]), int(query["page_no"]), now - self.list_lag
        if size > self.page_max:
            return {"code": "InvalidParameter", "message": "page_size", "request_id": "r"}
        clips = reversed(self.clips.values())
        found = [clip for clip in clips if clip.submitted <= then and clip.status(then) == query["status"]]
        rows = [
            {
                "task_id": clip.task_id,
                "status": query["status"],
                "gmt_create": int((EPOCH + clip.submitted) * 1000),
            }
            for clip in found[(page - 1) * size : page * size]
        ]
        pages = math.ceil(len(found) / size)
        return {"request_id": "r", "total": len(found), "total_page": pages, "page_no": page, "data": rows}


class Client:
    def __init__(self, service: Service, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._service = service

    async def __aenter__(self) -> Client:
        self._service.sessions += 1
        self._service.opened_in = copy_context()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)
        self._service.sessions -= 1

    async def send(self, request: Request[T]) -> T:
        return request.read(await self._service.reply(request))


def reply(status: int, body: Any, **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status=status, headers=headers, content=content)


def refusal(**headers: str) -> Reply:
    return reply(429, {"code": "Throttling.RateQuota", "message": "slow down", "request_id": "r"}, **headers)


def moment(time: float) -> str:
    written = datetime.fromtimestamp(EPOCH + time, tz=timezone.utc).astimezone(BEIJING_TIME)
    return written.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def silent(news: object) -> None:
    """Tells nobody."""


class Desk:
    """Those who wait for a service's tasks, and what they got."""

    def __init__(self, service: Service, *, queries_per_second: float = 20.0, **poll_policy: Any) -> None:
        self.service = service
        self.loop = service.loop
        self.poll_policy = PollPolicy(**poll_policy)
        self.endpoint = Endpoint(
            api_key="sk-virtual",
            base_url=f"http://service-{next(_NUMBERS)}.invalid",
            queries_per_second=queries_per_second,
        )
        self.account = account_of(self.endpoint)
        self.got: dict[str, Task] = {}
        self.lags: list[float] = []

    async def wait(self, task_id: str, **arguments: Any) -> Task:
        clip = self.service.clips[task_id]
        given = {"submitted_at": EPOCH + clip.submitted, "poll_policy": self.poll_policy, "on_progress": silent}
        async with shared_poller(self.endpoint, clock=self.loop.clock) as watcher:
            task = await watcher.wait(task_id=task_id, **given | arguments)
        assert task.task_id == task_id
        assert task.status == clip.outcome
        self.got[task_id] = task
        assert clip.ended is not None
        self.lags.append(self.loop.time() - clip.ended)
        return task

    async def wait_for_all(self, **arguments: Any) -> None:
        await asyncio.gather(*(self.wait(task_id, **arguments) for task_id in self.service.clips))

    @property
    def requests_per_job(self) -> float:
        return (self.service.asked["query"] + self.service.asked["list"]) / len(self.got)

    def lag(self, share: float) -> float:
        """What this share of all lags stays below."""
        return sorted(self.lags)[int(share * (len(self.lags) - 1))]
