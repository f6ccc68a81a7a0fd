"""Submits that a triggerer holds back, on a virtual account, with Airflow's Variables, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from state_store import TaskStateStore
from unit.polling.virtual import EPOCH, VirtualLoop, run

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import DashScopeError, RequestError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.submission import admission_queue
from airflow_provider_videoretalk.submission.admission import Admission, HeldBackError, JobToSubmit
from airflow_provider_videoretalk.submission.admission_queue import HeldBack, job_of_account, shared_admission_queue
from airflow_provider_videoretalk.submission.admitting_triggerers import AdmittingTriggerers
from airflow_provider_videoretalk.submission.record import ClearCount, Intent
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry

HOUR = 3600.0
RENDER = 100.0
RENDERS = 25_000.0
"""Seconds of all renders of a mapped batch: many times as long as a job may queue."""

_WORKERS, _WORKER_START = 8, 2.0
_NUMBERS = itertools.count()


class Airflow(TaskStateStore):
    """Airflow's Variables, which count requests, and the values that secrets backends are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = self.asked_backends = 0

    def set(self, key: str, value: Any) -> None:
        self.requests += 1
        self.asked_backends += 1
        super().set(key, value)

    def delete(self, key: str) -> None:
        self.requests += 1
        super().delete(key)

    def names(self, prefix: str) -> list[str]:
        found = super().names(prefix)
        self.requests += 1 + len(found) // 1000
        return found


class Triggerer:
    """What a triggerer's process knows of the others."""

    def __init__(self, airflow: Airflow, clock: Callable[[], float]) -> None:
        self._triggerers = AdmittingTriggerers(airflow, "account", model="m", clock=clock)

    async def enter(self) -> int:
        return self._triggerers.enter()

    async def leave(self) -> None:
        await asyncio.sleep(0.3)
        self._triggerers.leave()


class Account:
    """An account whose jobs render one after another, and the submits that are held back.

    :param queued: jobs in its queue
    :param delay: seconds from an admission until a worker has submitted the job
    :param render: seconds of a render
    """

    def __init__(self, loop: VirtualLoop, *, queued: int, delay: float = 5.0, render: float = RENDER) -> None:
        self.loop, self.render_seconds = loop, render
        self.queued, self.delay = queued, delay
        self.has_list = True
        self.failure: DashScopeError | None = None
        self.longest_queue = 0
        self.airflow = Airflow()
        self.sent: Counter[str] = Counter()
        self.admitted: list[str] = []
        # Seconds since the beginning.
        self.looked_at: list[float] = []
        self.admitted_at: list[float] = []
        self.begun_at = loop.time()
        self.lines: list[str] = []
        self.open_clients = 0
        base_url = f"http://account-{next(_NUMBERS)}.invalid"
        self.endpoint = Endpoint(api_key="sk-virtual", base_url=base_url, queries_per_second=1000)
        self.waiting: list[asyncio.Task[None]] = []

    def client(self, endpoint: Endpoint, *, rate_limiter: object, note_request: object) -> Account:
        return self

    async def __aenter__(self) -> Account:
        if self.failure is not None:
            raise self.failure
        self.open_clients += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.open_clients -= 1

    async def send(self, request: Request[Any]) -> Any:
        await asyncio.sleep(0.05)
        return self.answer(request)

    def answer(self, request: Request[Any]) -> Any:
        status = request.query["status"]
        self.sent[status] += 1
        if status == "RUNNING":
            self.looked_at.append(self.loop.time() - self.begun_at)
        if not self.has_list:
            raise RequestError("no list")
        total = {"RUNNING": min(self.queued, 1), "PENDING": max(self.queued - 1, 0), "SUCCEEDED": 1}[status]
        begun = int(EPOCH) * 1000
        row = {
            "task_id": "t",
            "status": status,
            "start_time": begun,
            "end_time": begun + int(self.render_seconds * 1000),
        }
        return request.parse({"total": total, "total_page": 1, "data": [row]})

    @property
    def looks(self) -> int:
        return self.sent["RUNNING"]

    def hold_back(self, number: int, *, triggerer: Any = None, model: str = "m", first: int = 0) -> None:
        """Task instances that arrive one after another, and wait on one triggerer."""
        for each in range(first, first + number):
            held = self.held(f"task-{each:05}", since=EPOCH + each, model=model, triggerer=triggerer)
            self.waiting.append(self.loop.create_task(held))

    async def held(self, name: str, *, since: float, model: str, triggerer: Any, limit: float = 3 * HOUR) -> None:
        triggerer = triggerer or self.triggerer()
        async with shared_admission_queue(
            self.endpoint, model=model, triggerers=lambda: triggerer, clock=self.loop.clock
        ) as queue:
            job = JobToSubmit(model=model, limit=limit)
            await queue.wait(HeldBack(since=since, task_instance=name, job=job, on_position=self.lines.append))
        self.admitted.append(name)
        self.admitted_at.append(self.loop.time() - self.begun_at)
        await asyncio.sleep(self.delay)
        self.queued += 1
        self.longest_queue = max(self.longest_queue, self.queued)
        # The trigger that waits for the job.
        with job_of_account(self.endpoint, task_instance=name):
            await asyncio.sleep(1.0)

    def triggerer(self) -> Triggerer:
        return Triggerer(self.airflow, self.loop.clock)

    async def render(self, number: int) -> None:
        """Ends jobs one after another. A trigger waits for each."""
        for _ in range(number):
            with job_of_account(self.endpoint, task_instance="another"):
                await asyncio.sleep(self.render_seconds)
                self.queued -= 1

    async def stop(self) -> None:
        for task in self.waiting:
            task.cancel()
        await asyncio.gather(*self.waiting, return_exceptions=True)


def intent(name: str) -> Intent:
    clear_count = ClearCount(max_tries=1, clear_number=0)
    return Intent(task_instance=name, connection_id="c", fingerprint="f", model="m", clear_count=clear_count)


def on_account(scenario: Callable[[Account], Coroutine[Any, Any, None]], **arguments: Any) -> Account:
    """Plays a scenario. Afterwards nothing may be left of it.

    :param arguments: of the account
    """

    async def main(loop: VirtualLoop) -> Account:
        account = Account(loop, **arguments)
        with patch.object(admission_queue, "AsyncClient", account.client):
            try:
                await scenario(account)
            finally:
                await account.stop()
        assert account.open_clients == 0
        assert dict(account.airflow) == {}
        return account

    return run(main)


@dataclass(frozen=True, kw_only=True)
class MappedBatch:
    """What a batch that was mapped without a pool has cost until all its jobs were submitted.

    :param held: how many clips were held back
    :param worker_starts: of a clip before its submit, at most
    :param requests_a_look: requests to Airflow for a look at the account, by a worker or a triggerer, at most
    :param asked_backends: how often a secrets backend was asked
    :param longest_wait: seconds of the longest queue of submitted jobs
    """

    clips: int
    held: int
    worker_starts: int
    requests_a_look: float
    asked_backends: int
    longest_wait: float


def map_without_pool(clips: int) -> MappedBatch:
    """All clips start at once. Eight workers take two seconds for each start."""
    starts: Counter[str] = Counter()
    workers = asyncio.Semaphore(_WORKERS)
    of_a_decision = 0

    def decide(account: Account, name: str) -> None:
        nonlocal of_a_decision
        before = account.airflow.requests
        try:
            Admission(
                client=cast("Any", SimpleNamespace(send=account.answer)),
                registry=SubmissionRegistry(account.airflow, clock=account.loop.clock),
                triggerers=AdmittingTriggerers(account.airflow, "account", model="m", clock=account.loop.clock),
                limit=3 * HOUR,
            ).check(intent(name), now=account.loop.clock())
        finally:
            of_a_decision = max(of_a_decision, account.airflow.requests - before)

    async def clip(account: Account, name: str) -> None:
        async with workers:
            starts[name] += 1
            await asyncio.sleep(_WORKER_START)
            try:
                decide(account, name)
            except HeldBackError as error:
                held = error.job
            else:
                account.queued += 1
                return
        async with shared_admission_queue(
            account.endpoint, model="m", triggerers=account.triggerer, clock=account.loop.clock
        ) as queue:
            since = account.loop.clock()
            await queue.wait(HeldBack(since=since, task_instance=name, job=held, on_position=account.lines.append))
        async with workers:
            starts[name] += 1
            await asyncio.sleep(_WORKER_START)
            account.queued += 1
            account.longest_queue = max(account.longest_queue, account.queued)
        with job_of_account(account.endpoint, task_instance=name):
            await asyncio.sleep(1)

    async def scenario(account: Account) -> None:
        for number in range(clips):
            account.waiting.append(account.loop.create_task(clip(account, f"task-{number:05}")))
        await asyncio.sleep(10)
        await account.render(clips)
        assert account.queued == 0

    account = on_account(scenario, queued=0, render=RENDERS / clips)
    assert len(starts) == clips
    return MappedBatch(
        clips=clips,
        held=len(account.lines),
        worker_starts=max(starts.values()),
        requests_a_look=max(of_a_decision, account.airflow.requests / account.looks),
        asked_backends=account.airflow.asked_backends,
        longest_wait=account.longest_queue * account.render_seconds,
    )
