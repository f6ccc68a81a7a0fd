"""The month: which DAG runs when with how many clips, and what is counted at its end."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import sys
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest import mock

from month.accounts import Account
from month.airflow_world import TaskInstance, TryFailedError, World
from unit.polling.virtual import EPOCH, VirtualLoop, run

from airflow_provider_videoretalk.airflow_adapters import triggerer_count, variable_store
from airflow_provider_videoretalk.airflow_adapters.job_history_writer import open_history
from airflow_provider_videoretalk.dashscope.async_client import AsyncClient
from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.job_history.fact_keys import day_of
from airflow_provider_videoretalk.job_history.facts import Published
from airflow_provider_videoretalk.operators import audit, base, job
from airflow_provider_videoretalk.operators.audit import AuditJobsOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.polling import account as account_module
from airflow_provider_videoretalk.submission import admission_queue
from airflow_provider_videoretalk.submission.registry import PREFIX, SubmissionRegistry
from airflow_provider_videoretalk.submission.resume import ResumePolicy
from airflow_provider_videoretalk.triggers import client as trigger_client
from airflow_provider_videoretalk.triggers import dashscope as trigger_module

if TYPE_CHECKING:
    from month.virtual_time import VirtualTime

DAY = 86400.0
DAYS, DAGS, CONNECTIONS = 30, 20, 8
RUN_CLIPS = 167
"""Clips of a DAG run: 100,000 a month, if each of 20 DAGs runs once a day."""

POOL_SLOTS = 3
SECONDS = 8.0
"""Of speech."""

MOST_CLIPS_AFTER = 200
"""Clips after the month, until one of them takes away the records of the month."""

FAILING, LOST, KILLED = 0.01, 0.002, 0.005
"""Shares of jobs that fail, of submits whose reply is lost, and of tasks that a person marks failed."""


@dataclass(frozen=True, kw_only=True)
class Month:
    """
    :param clips: of all DAGs together
    :param days: in which they are made
    """

    clips: int
    days: int = DAYS

    def runs(self) -> Iterator[tuple[float, int, int]]:
        """The begin of each DAG run in seconds of the month, the number of its DAG, and of its clips."""
        count = max(1, round(self.clips / RUN_CLIPS))
        for number in range(count):
            clips = self.clips * (number + 1) // count - self.clips * number // count
            # 7 and 20 have no common factor: each DAG runs once in twenty runs.
            day, dag = number * self.days // count, 7 * number % DAGS
            yield day * DAY + (dag % CONNECTIONS + 3 * (dag // CONNECTIONS)) * 3600.0, dag, clips


def simulate(month: Month, clock: VirtualTime) -> dict[str, Any]:
    """What the month left behind."""
    logging.disable(logging.CRITICAL)
    random.seed(4)
    loop = VirtualLoop(longest=(month.days + 10) * DAY)
    clock.loop = loop
    return run(lambda _: _Simulation(loop).play(month), loop=loop)


class _Simulation:
    def __init__(self, loop: VirtualLoop) -> None:
        self.loop, self.world, self.chance = loop, World(loop), random.Random(7)
        self.accounts = [Account(loop=loop, chance=self.chance, failing=FAILING, lost=LOST) for _ in range(CONNECTIONS)]
        self.pools = [asyncio.Semaphore(POOL_SLOTS) for _ in range(CONNECTIONS)]
        self.outcomes: Counter[str] = Counter()
        self.peak_accounts = 0

    async def play(self, month: Month) -> dict[str, Any]:
        with ExitStack() as stack:
            self._connect(stack)
            begin = (EPOCH + self.loop.time()) // DAY * DAY + DAY - EPOCH
            daily = asyncio.ensure_future(self._daily(begin, month.days))
            runs = [asyncio.ensure_future(self._run(begin + at, *plan)) for at, *plan in month.runs()]
            await asyncio.gather(*runs)
            await asyncio.sleep(begin + (month.days + 1) * DAY - self.loop.time())
            daily.cancel()
            await self._next_month()
            return self._books(begin)

    async def _next_month(self) -> None:
        """The first clips after the month take away what the last ones left."""
        await asyncio.sleep(DAY / 2)
        ended = f"{1000 * self.loop.clock():.0f}"
        registry = SubmissionRegistry(self.world.variables)
        for number in range(MOST_CLIPS_AFTER):
            await self._run(self.loop.time(), 0, 1)
            self.outcomes["clips of the next month"] = number + 1
            if all(key.rpartition("_")[2] >= ended for key in registry.store.names(PREFIX)):
                break
        self._audit()
        await asyncio.sleep(60.0)

    def _connect(self, stack: ExitStack) -> None:
        """Puts the virtual service and Airflow in place of the real ones."""
        for number in range(CONNECTIONS):
            value = {"conn_type": "dashscope", "password": f"sk-{number}", "host": f"https://{number}.example/api/v1"}
            os.environ[f"AIRFLOW_CONN_ACCOUNT{number}"] = json.dumps(value)
        world, self.world.loop = self.world, self.loop

        def put(owner: Any, name: str, value: Any) -> None:
            stack.enter_context(mock.patch.object(owner, name, value))

        put(variable_store, "VariableStore", lambda: world.variables)
        put(Client, "send", lambda client, request: self._sent(client, request))
        put(AsyncClient, "send", self._send_later())
        put(AsyncClient, "__aenter__", _opened)
        put(AsyncClient, "__aexit__", _closed)
        put(base, "SHORTEST_DEFERRAL", 0.0)
        put(trigger_client, "_LOADED", [logging])
        put(triggerer_count, "sync_to_async", _on_the_loop)
        put(trigger_module, "sync_to_async", _on_the_loop)
        put(trigger_module, "state_of", world.state_of)
        # Both are asked once in a worker's process. This process stands for all workers.
        put(job, "check_can_wait", lambda trigger: None)
        put(DashScopeHook, "get_connection", staticmethod(cache(DashScopeHook.get_connection)))
        # Airflow's own takes a thread, whose time is not virtual.
        put(DashScopeHook, "_look_up_endpoint", _endpoint)
        put(audit, "states_of_task", world.states_of_task)
        put(audit, "run_has_ended", world.run_has_ended)

    def _sent(self, client: Client, request: Any) -> Any:
        reply = self.accounts[_number(client)].answer(request)
        now = self.loop.clock()
        client.service_clock.observe(reply.headers, sent_at=now, received_at=now)
        return request.read(reply)

    def _send_later(self) -> Any:
        async def send(client: AsyncClient, request: Any) -> Any:
            await asyncio.sleep(0.06)
            return request.read(self.accounts[_number(client)].answer(request))

        return send

    async def _daily(self, begin: float, days: int) -> None:
        """The triggerer restarts, an audit runs, and expired task state is deleted."""
        for day in range(days + 1):
            await asyncio.sleep(max(0.0, begin + day * DAY + 5.5 * 3600 - self.loop.time()))
            self.world.restart_triggerer()
            await asyncio.sleep(1800.0)
            self._audit()
            self.world.task_states.clean()
            print(f"day {day}: {dict(self.outcomes)}", file=sys.stderr, flush=True)

    def _audit(self) -> None:
        pushed: dict[str, Any] = {}
        ti = mock.Mock(xcom_push=lambda key, value: pushed.update({key: value}))
        for result in AuditJobsOperator(task_id="audit").execute({"ti": ti}):
            self.outcomes["saved by the audit"] += 1
            self._publish(result["task_id"])
        self.peak_accounts = max(self.peak_accounts, len(account_module._ACCOUNTS))

    async def _run(self, at: float, dag: int, clips: int) -> None:
        await asyncio.sleep(max(0.0, at - self.loop.time()))
        name = f"scheduled__{self.loop.clock():.0f}"
        await asyncio.gather(*(self._clip(dag, name, number) for number in range(clips)))

    async def _clip(self, dag: int, run_id: str, number: int) -> None:
        """A clip waits for its turn in a pool; those of every fourth DAG have none, and are all submitted at once."""
        connection = dag % CONNECTIONS
        ti = TaskInstance(dag_id=f"dag_{dag}", run_id=run_id, map_index=number, xcoms=self.world.xcoms)
        audio = {"audio_url": f"https://clips.example/{dag}/{run_id}/{number}.wav", "format": "wav", "seconds": SECONDS}

        def make() -> VideoRetalkOperator:
            return VideoRetalkOperator(
                task_id=ti.task_id,
                video_url="https://clips.example/presenter.mp4",
                audio_url=audio,
                dashscope_conn_id=f"account{connection}",
                deferrable=True,
                preflight="off",
                resume=ResumePolicy(on_unknown_submit="reconcile"),
            )

        life: Coroutine[Any, Any, Any] = self.world.run_task(ti, make, tries=2, is_killed=self.chance.random() < KILLED)
        try:
            if dag % 4 != 3:
                async with self.pools[connection]:
                    result = await life
            else:
                result = await life
        except TryFailedError:
            self.outcomes["failed"] += 1
            return
        self.outcomes["published"] += 1
        await asyncio.sleep(10.0)
        self._publish(result["task_id"])

    def _publish(self, job_id: str) -> None:
        uri = f"s3://aws_default@videos/2026/11/{job_id}.mp4"
        open_history().note("published", Published(job_id=job_id, uri=uri, published_at=self.loop.clock()))

    def _books(self, begin: float) -> dict[str, Any]:
        records = open_history().load(day_of(EPOCH + begin))
        jobs = {job.job_id: job for account in self.accounts for job in account.jobs.values()}
        known = {record.job_id for record in records}
        billed = {record.job_id: record.billed_seconds for record in records}
        bills = Counter(record.task_instance for record in records if record.billed_seconds)
        asked = sum((account.asked for account in self.accounts), Counter())
        return {
            "jobs": len(jobs),
            "billed by the service": round(sum(job.billed_seconds for job in jobs.values()), 3),
            "billed by the books": round(sum(value or 0.0 for value in billed.values()), 3),
            "jobs not in the books": len(jobs.keys() - known),
            "billed without a book": round(sum(jobs[job_id].billed_seconds for job_id in jobs.keys() - known), 3),
            "jobs in the books alone": len(known - jobs.keys() - {None}),
            "jobs with another bill": [
                job_id
                for job_id in jobs.keys() & known
                if abs((billed[job_id] or 0.0) - jobs[job_id].billed_seconds) > 1e-6
            ],
            "submits of unknown outcome": sum(record.job_id is None for record in records),
            "bills of a clip at most": max(bills.values()),
            "lost replies": asked["lost replies"],
            "dropped by the service": asked["dropped"],
            "waiting at the service": sum(account.waiting for account in self.accounts),
            "waiting on the triggerer": len(self.world._triggers),
            "held back": sum(
                len(queue._waiting) for jobs in admission_queue._JOBS.values() for queue in jobs.queues.values()
            ),
            "longest queue": max(account.longest_queue for account in self.accounts),
            "accounts in memory": self.peak_accounts,
            "outcomes": dict(self.outcomes),
            "counts": dict(self.world.counts),
            "asked": dict(asked),
            "calls for Variables": dict(self.world.variables.calls),
            "calls for task state": dict(self.world.task_states.calls),
            "Variables": self.world.variables.sizes.to_json(),
            "task state": self.world.task_states.sizes.to_json(),
            "XComs": self.world.xcoms.to_json(),
            "loop rounds": self.loop.rounds,
        }


async def _endpoint(hook: DashScopeHook) -> Endpoint:
    return hook.endpoint


def _number(client: Any) -> int:
    return int(client.endpoint.api_key.removeprefix("sk-"))


def _on_the_loop(call: Any) -> Any:
    async def called(*arguments: Any) -> Any:
        return call(*arguments)

    return called


async def _opened(client: AsyncClient) -> AsyncClient:
    return client


async def _closed(client: AsyncClient, *_: object) -> None:
    await asyncio.sleep(0)
