"""The service of the benchmarks: the emulator in a process of its own, with a fast clock and no media work.

    python -m benchmarks.waiting.service PLAN

``PLAN`` is a JSON object: ``port``, ``running``, ``speed``, ``since``, ``spacing``, ``latency`` (seconds by which each
reply is delayed) and ``has_list``. Ends with SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from airflow_provider_videoretalk.emulator.api.components import Components
from airflow_provider_videoretalk.emulator.execution.media_engine import RenderOutcome, RenderRequest
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.service.checksums import Checksums
from airflow_provider_videoretalk.emulator.service.job_inputs import VideoRetalkInputs
from airflow_provider_videoretalk.emulator.service.render_job import RenderJob
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings, MissingPart
from benchmarks.waiting.clock import FastClock

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.execution.input_fetcher import InputName

API_KEY = "sk-benchmark"
RENDER_FACTOR = 9.0
"""Seconds of render a second of output, as in the vendor's sample."""

# The emulator looks for tasks past the 3 h limit at each query, in time that grows with their number.
_SWEEP_SECONDS = 30.0
_NOTHING = Checksums(size=0, md5="0" * 32, crc64=0)


def clip_url(seconds: float) -> str:
    """A clip whose render takes this long."""
    return f"http://clips.invalid/{seconds:.3f}.mp4"


class NamedLengths:
    """A fetcher that downloads nothing: all there is to know of a clip is in its name."""

    async def fetch(self, *, url: str, name: InputName, job: RenderJob, folder: Path) -> Path:
        return folder / url.rpartition("/")[2]

    async def close(self) -> None:
        """Nothing to close."""


class Latency:
    """Delays every request of a client, half before it is answered and half after, by the fast clock."""

    def __init__(self, app: Any, *, pause: float) -> None:
        self.app, self.half = app, pause / 2

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/bench"):
            await self.app(scope, receive, send)
            return

        async def send_later(message: Any) -> None:
            if message["type"] == "http.response.start":
                await asyncio.sleep(self.half)
            await send(message)

        await asyncio.sleep(self.half)
        await self.app(scope, receive, send_later)


class SleepingEngine(FakeEngine):
    """Takes as long as the clip's name says, by the fast clock.

    The emulator's own pace looks at its clock fifty times a second for each task, which is too much for thousands.
    """

    def __init__(self, *, speed: float) -> None:
        super().__init__()
        self._speed = speed

    async def retalk(self, job: RenderRequest) -> RenderOutcome:
        length = float(job.video.stem)
        await asyncio.sleep(length / self._speed)
        return RenderOutcome(
            seconds=length / RENDER_FACTOR, width=720, height=1280, fps=25.0, face_found=True, checksums=_NOTHING
        )


def bench_routes(components: Components, *, spacing: float) -> APIRouter:
    """How a benchmark fills the queue without thousands of submits, and reads what was asked.

    :param spacing: seconds between two of the submits that are made up
    """
    router, state = APIRouter(prefix="/bench"), components.state

    @router.post("/clips")
    async def load(lengths: list[float]) -> list[dict[str, Any]]:
        """Queues clips of these render times, as if the last had been submitted now; :func:`start` renders them."""
        caller = state.authenticate(f"Bearer {API_KEY}")
        tasks = []
        for place, length in enumerate(lengths, start=1):
            inputs = VideoRetalkInputs(video_url=clip_url(length), audio_url=clip_url(length))
            task = state.submit(caller=caller, inputs=inputs, origin="")
            task.submitted -= (len(lengths) - place) * spacing
            tasks.append({"task_id": task.task_id, "submitted_at": task.submitted, "render_seconds": length})
        return tasks

    @router.post("/start")
    async def start() -> None:
        components.runner.start(state.authenticate(f"Bearer {API_KEY}").account)

    @router.get("/books")
    async def books() -> dict[str, Any]:
        """What was asked, by operation and status, when each task ended, and the CPU seconds spent on it."""
        asked = Counter(f"{entry['operation']} {entry['status']}" for entry in state.requests)
        ended = {task.task_id: task.ended for task in state.jobs.values() if task.ended}
        return {"asked": asked, "ended": ended, "cpu_seconds": time.process_time()}

    return router


def seldom(sweep: Callable[[], None], *, clock: Callable[[], float]) -> Callable[[], None]:
    """``sweep``, at most every :data:`_SWEEP_SECONDS`."""
    due = 0.0

    def swept() -> None:
        nonlocal due
        if clock() >= due:
            due = clock() + _SWEEP_SECONDS
            sweep()

    return swept


def main(plan: dict[str, Any]) -> None:
    clock = FastClock(speed=plan["speed"], since=plan["since"])
    # Rates and lifetimes go by the clock; only the render's length is the engine's own.
    missing: frozenset[MissingPart] = frozenset() if plan["has_list"] else frozenset({"list"})
    settings = EmulatorSettings(port=plan["port"], running=plan["running"], render_factor=0, missing=missing)
    emulator = Emulator(settings, clock=clock.time, engine=SleepingEngine(speed=plan["speed"]), fetcher=NamedLengths())
    emulator.state.requests = deque()
    emulator.state.end_overdue_jobs = seldom(emulator.state.end_overdue_jobs, clock=clock.time)  # type: ignore[method-assign]
    emulator.app.include_router(bench_routes(emulator.app.state.components, spacing=plan["spacing"]))
    if plan["latency"]:
        emulator.app.add_middleware(Latency, pause=plan["latency"] / plan["speed"])
    with emulator:
        print("ready", flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    # Before any thread starts, so that all of them leave the two signals to sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(json.loads(sys.argv[1]))
