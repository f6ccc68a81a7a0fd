"""What stands for Airflow during the month: workers, a triggerer that restarts, states of task instances, XComs."""

from __future__ import annotations

import asyncio
import importlib
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred
from month.stores import Sizes, TaskStates, Variables
from unit.polling.virtual import VirtualLoop

from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger

WORKERS = 16
START_SECONDS = 2.0
SHORTEST_DEFERRAL = 15.0
"""A shorter pause is slept through on the worker, which is here a deferral that keeps the worker's slot."""

RESTART_SECONDS = 30.0
TASK = "retalk"


class TryFailedError(Exception):
    """The try of a task failed."""


class TaskInstance:
    """The part of a task instance that operators and triggers use."""

    task_id, max_tries = TASK, 1

    def __init__(self, *, dag_id: str, run_id: str, map_index: int, xcoms: Sizes) -> None:
        self.dag_id, self.run_id, self.map_index = dag_id, run_id, map_index
        self._xcoms = xcoms
        self._pushed: dict[str, int] = {}

    @property
    def name(self) -> str:
        return f"{self.dag_id}/{self.run_id}/{self.task_id}/{self.map_index}"

    def xcom_push(self, key: str, value: Any) -> None:
        size = len(json.dumps(value).encode())
        self._xcoms.add("XComs", size=size - self._pushed.get(key, 0), rows=key not in self._pushed)
        self._pushed[key] = size


class World:
    """
    :ivar states: of the task instances of a run, by map index
    :ivar counts: worker starts, held back, restarted triggers and so on
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.variables, self.task_states, self.xcoms = Variables(), TaskStates(loop.clock), Sizes()
        self.states: dict[tuple[str, str], dict[int, str]] = {}
        self.counts: Counter[str] = Counter()
        self.chance = random.Random(20)
        self._workers = asyncio.Semaphore(WORKERS)
        # In order, so that each run is the same.
        self._triggers: dict[asyncio.Task[Any], None] = {}

    # What the package asks Airflow.

    def state_of(self, ti: Any) -> str | None:
        return self.states[ti.dag_id, ti.run_id].get(ti.map_index, "removed")

    def states_of_task(self, dag_id: str, task_id: str, run_ids: Collection[str]) -> Mapping[tuple[str, int], str]:
        found = {run_id: self.states.get((dag_id, run_id), {}) for run_id in run_ids}
        return {(run_id, index): state for run_id, states in found.items() for index, state in states.items()}

    def run_has_ended(self, dag_id: str, run_id: str) -> bool:
        return all(state in ("success", "failed") for state in self.states.get((dag_id, run_id), {}).values())

    # What Airflow does.

    async def run_task(self, ti: TaskInstance, make: Callable[[], Any], *, tries: int, is_killed: bool) -> Any:
        """A task instance to its end.

        :param is_killed: a person marks it failed while it waits for its render job
        :raises TryFailedError: its last try failed
        """
        states = self.states.setdefault((ti.dag_id, ti.run_id), {})
        for number in range(tries):
            states[ti.map_index] = "running"
            try:
                result = await self._try(ti, make, is_killed=is_killed)
            except TryFailedError:
                states[ti.map_index] = "up_for_retry"
                self.counts["failed tries"] += 1
                if is_killed or number == tries - 1:
                    states[ti.map_index] = "failed"
                    raise
                await asyncio.sleep(300.0)
                continue
            ti.xcom_push("return_value", result)
            states[ti.map_index] = "success"
            return result
        raise AssertionError("unreachable")

    async def _try(self, ti: TaskInstance, make: Callable[[], Any], *, is_killed: bool) -> Any:
        context = {
            "ti": ti,
            "dag_run": SimpleNamespace(clear_number=0),
            "task_state_store": self.task_states.of(ti.name),
        }
        method, arguments = "execute", {}
        while True:
            async with self._workers:
                await asyncio.sleep(START_SECONDS)
                self.counts["worker starts"] += 1
                while True:
                    try:
                        return getattr(make(), method)(context, **arguments)
                    except TaskDeferred as deferral:
                        deferred = deferral
                    except Exception as error:
                        self.counts[type(error).__name__] += 1
                        raise TryFailedError(str(error)) from error
                    pause = getattr(deferred.trigger, "moment", math.inf) - self.loop.clock()
                    if pause >= SHORTEST_DEFERRAL:
                        break
                    await asyncio.sleep(max(0.0, pause))
                    method, arguments = deferred.method_name, {"event": deferred.trigger.note}
            waits = isinstance(deferred.trigger, DashScopeTaskTrigger)
            self.counts["waits" if waits else type(deferred.trigger).__name__] += 1
            event = await self._fired(deferred.trigger, ti, is_killed=is_killed and waits)
            method, arguments = deferred.method_name, {"event": json.loads(json.dumps(event))}

    async def _fired(self, made: Any, ti: TaskInstance, *, is_killed: bool) -> Any:
        """The payload of a trigger's event, however often its triggerer restarts."""
        path, stored = made.serialize()
        module, _, name = path.rpartition(".")
        stored = json.loads(json.dumps(stored))
        while True:
            trigger = getattr(importlib.import_module(module), name)(**stored)
            trigger.task_instance = ti
            running = self.loop.create_task(_first_event(trigger))
            self._triggers[running] = None
            try:
                kill_at = self.chance.uniform(0, 900) if is_killed else None
                done, _ = await asyncio.wait([running], timeout=kill_at)
                if not done:
                    self.states[ti.dag_id, ti.run_id][ti.map_index] = "failed"
                    await trigger.on_kill()
                    running.cancel()
                    await asyncio.wait([running])
                    raise TryFailedError("marked failed")
                return running.result()
            except asyncio.CancelledError:
                self.counts["restarted triggers"] += 1
                await asyncio.sleep(RESTART_SECONDS)
            finally:
                del self._triggers[running]

    def restart_triggerer(self) -> None:
        for running in list(self._triggers):
            running.cancel()


async def _first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger fired no event")
