"""A triggerer that is watched: Airflow's own ``TriggerRunner``, in a process of its own, without its supervisor.

    python -m benchmarks.waiting.triggerer PLAN RESULT

``PLAN`` is a JSON object: ``client``, ``base_url``, ``api_key``, ``speed``, ``since``, ``lengths`` (render times to
load), ``limit`` (most seconds to wait). ``RESULT`` is the file that gets the :class:`Sightings`.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import resource
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import deque
from pathlib import Path
from typing import Any

from benchmarks.waiting.clients import BY_NAME, Client, Endpoint
from benchmarks.waiting.clock import FastClock, fast_loop, hurry

BEAT_SECONDS = 0.01
"""Between two looks at the loop, by the wall's clock."""

_BEATS_A_LOOK = 25
_SETTLING_TURNS = 4
_SCHEDULE = Path("/proc/thread-self/schedstat")
_PAGE = resource.getpagesize()


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def open_files() -> int:
    """Files and sockets that this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def queued_seconds() -> float:
    """How long this thread was ready to run while others had the core; 0 where Linux does not tell."""
    try:
        return int(_SCHEDULE.read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


class Gauge:
    """What waiting costs this process from now on: CPU, memory, and how long its event loop stood still.

    :param memory: bytes that do not count
    """

    def __init__(self, *, speed: float, memory: int) -> None:
        self._pause = BEAT_SECONDS * speed
        self._memory, self._cpu = memory, cpu_seconds()
        self._begun, self._queued = time.perf_counter(), queued_seconds()
        self.peak, self.stall = resident_bytes(), 0.0
        self.files = self._files = open_files()
        self._task = asyncio.create_task(self._beat())

    def read(self) -> dict[str, float]:
        """CPU seconds, megabytes and files of growth, and in seconds of the wall's clock the longest stall, the time it
        took, and how much of that other processes had the core.
        """
        self._task.cancel()
        return {
            "cpu_seconds": cpu_seconds() - self._cpu,
            "megabytes": (self.peak - self._memory) / 1e6,
            "files": self.files - self._files,
            "stall_seconds": self.stall,
            "wall_seconds": time.perf_counter() - self._begun,
            "queued_seconds": queued_seconds() - self._queued,
        }

    async def _beat(self) -> None:
        beats = 0
        while True:
            # Without what other processes on the machine took.
            before = time.perf_counter() - queued_seconds()
            await asyncio.sleep(self._pause)
            self.stall = max(self.stall, time.perf_counter() - queued_seconds() - before - BEAT_SECONDS)
            beats += 1
            if beats % _BEATS_A_LOOK == 0:
                self.peak = max(self.peak, resident_bytes())
                self.files = max(self.files, open_files())


def tell(plan: dict[str, Any], path: str, body: Any = None) -> Any:
    """A request to the service's side entrance."""
    url = f"{plan['base_url'].removesuffix('/api/v1')}/bench/{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def workload(number: int, client: Client, arguments: dict[str, Any]) -> Any:
    """A trigger as the supervisor hands it over."""
    from airflow.executors.workloads.task import TaskInstanceDTO
    from airflow.executors.workloads.trigger import RunTrigger
    from airflow.models.trigger import Trigger

    instance = TaskInstanceDTO(
        id=uuid.uuid4(),
        dag_id="bench",
        task_id="wait",
        run_id="run",
        map_index=number,
        try_number=1,
        dag_version_id=uuid.uuid4(),
        pool_slots=1,
        priority_weight=1,
    )
    kwargs = Trigger.encrypt_kwargs(arguments)
    return RunTrigger(id=number, classpath=client.classpath, encrypted_kwargs=kwargs, ti=instance)


def watched_runner(plan: dict[str, Any], client: Client) -> Any:
    """Airflow's runner with all triggers of the plan; its ``over`` is set when all have ended, or at the limit."""
    from airflow.jobs.triggerer_job_runner import TriggerRunner

    class Events(deque[Any]):
        """Airflow's queue of events, which also notes when each came."""

        def __init__(self) -> None:
            super().__init__()
            self.seen: dict[int, tuple[float, str]] = {}

        def append(self, entry: Any) -> None:
            self.seen[entry.trigger_id] = (time.time(), client.status(entry.event.payload))
            super().append(entry)

    class WatchedRunner(TriggerRunner):
        def __init__(self) -> None:
            super().__init__()
            self.events = Events()
            self.failed: dict[int, str] = {}
            self.turns = 0
            self.over = asyncio.Event()
            self.waiting: list[Any] = []

        async def init_comms(self) -> None:
            # In place of the connection to the supervisor.
            self.comms_decoder = type("Nobody", (), {"_reader_task": asyncio.create_task(asyncio.sleep(1e9))})()
            self.gauge: Gauge | None = None

        async def sync_state_to_supervisor(self, finished_ids: list[int]) -> None:
            if self.gauge is not None:
                told = self.process_trigger_events(finished_ids)
                self.failed |= {number: (trace or ["no event"])[-1] for number, trace in told.failures or ()}
                if len(self.events.seen) + len(self.failed) >= len(self.tasks):
                    self.finish()
                return
            # Measured some turns later: what a triggerer does once only, it has done by then.
            self.turns += 1
            if self.turns == 1:
                self.waiting = self.workloads()
            elif self.turns > _SETTLING_TURNS:
                await asyncio.to_thread(tell, plan, "start")
                self.to_create.extend(self.waiting)
                self.waiting.clear()
                self.begun = time.time()
                self.gauge = Gauge(speed=plan["speed"], memory=self.memory)
                asyncio.get_running_loop().call_later(plan["limit"], self.finish)

        def workloads(self) -> list[Any]:
            gc.collect()
            self.memory = resident_bytes()
            self.tasks: list[dict[str, Any]] = tell(plan, "clips", plan["lengths"])
            endpoint = Endpoint(base_url=plan["base_url"], api_key=plan["api_key"])
            return [
                workload(number, client, client.arguments(task, endpoint)) for number, task in enumerate(self.tasks)
            ]

        def finish(self) -> None:
            if not self.over.is_set() and self.gauge is not None:
                self.read, self.stopped = self.gauge.read(), time.time()
                self.over.set()

        def sightings(self) -> dict[str, Any]:
            """When each task's end was seen and as what, by the service's clock, and what it cost."""
            seen = {self.tasks[number]["task_id"]: sight for number, sight in self.events.seen.items()}
            failed = {self.tasks[number]["task_id"]: reason for number, reason in self.failed.items()}
            times = {"begun": self.begun, "stopped": self.stopped}
            return {"seen": seen, "failed": failed, "gauge": self.read, **times}

    return WatchedRunner()


async def watch(plan: dict[str, Any], client: Client) -> dict[str, Any]:
    """What is seen of a triggerer until it is over; it is left to itself then."""
    runner = watched_runner(plan, client)
    life = asyncio.create_task(runner.arun())
    over = asyncio.create_task(runner.over.wait())
    await asyncio.wait({life, over}, return_when=asyncio.FIRST_COMPLETED)
    if not over.done():
        life.result()
    sightings: dict[str, Any] = runner.sightings()
    return sightings


def main(plan: dict[str, Any], result: Path) -> None:
    hurry(FastClock(speed=plan["speed"], since=plan["since"]))
    client = BY_NAME[plan["client"]]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as home, Path(os.devnull).open("wb", buffering=0) as nowhere:
        os.environ |= Endpoint(base_url=plan["base_url"], api_key=plan["api_key"]).environment
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "_AIRFLOW_PROCESS_CONTEXT": "client",
            "NO_PROXY": "127.0.0.1",
        }
        from airflow.sdk.log import configure_logging

        configure_logging(json_output=True, output=nowhere, sending_to_supervisor=True)
        for module in ("airflow.serialization.decoders", client.classpath.rpartition(".")[0], *client.modules):
            importlib.import_module(module)
        # What still waits has no orderly end, and is not worth one.
        loop = fast_loop()
        asyncio.set_event_loop(loop)
        result.write_text(json.dumps(loop.run_until_complete(watch(plan, client))))
    os._exit(0)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
