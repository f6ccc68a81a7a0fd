"""Runs tasks: takes them from their accounts' queues, downloads, inspects, renders, publishes."""

from __future__ import annotations

import asyncio
import logging
import shutil
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.engine.refusal import MediaRefusedError
from airflow_provider_videoretalk.emulator.service.task import Task, TaskUsage, service_day
from airflow_provider_videoretalk.emulator.work.engine_port import MediaEngine, RenderJob, RenderOutcome

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.service.account import Account
    from airflow_provider_videoretalk.emulator.service.state import EmulatorState
    from airflow_provider_videoretalk.emulator.work.fetch import Fetcher

logger = logging.getLogger(__name__)

# How often a paced render looks at the clock: a test may move it.
PACE_SECONDS = 0.02
SWEEP_SECONDS = 1.0
# How the service divides a render between RUNNING and POST-PROCESSING is not known; only the whole is, from one sample.
RUNNING_SHARE = 0.95


class TaskRunner:
    """Runs every task of a state on the event loop; media work is the engine's."""

    def __init__(self, *, state: EmulatorState, engine: MediaEngine, fetcher: Fetcher) -> None:
        self._state = state
        self._engine = engine
        self._fetcher = fetcher
        self._running: dict[str, asyncio.Task[None]] = {}
        state.on_timeout = self._abandon

    def start(self, account: Account) -> None:
        """Start as many of an account's queued tasks as it has free slots."""
        while (task := self._state.next_task(account)) is not None:
            running = asyncio.create_task(self._run(task), name=f"task {task.task_id}")
            self._running[task.task_id] = running
            # Not in the coroutine's own finally: one that is cancelled before its first step never gets there.
            running.add_done_callback(partial(self._done, task))

    async def keep_house(self) -> None:
        """Until cancelled: end tasks past the 3 h limit and delete files past their end."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._state.sweep()
            await asyncio.to_thread(self._state.storage.drop_expired)

    async def stop(self) -> None:
        """Abandon whatever runs and start nothing more."""
        for account in self._state.accounts.values():
            account.queue.clear()
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _abandon(self, task: Task) -> None:
        if (running := self._running.get(task.task_id)) is not None:
            running.cancel()

    def _done(self, task: Task, _: asyncio.Task[None]) -> None:
        self._state.release(task)
        self._running.pop(task.task_id, None)
        self.start(task.account)

    async def _run(self, task: Task) -> None:
        folder = self._state.storage.folder(f"work/{task.task_id}")
        try:
            await self._produce(task, folder)
        except MediaRefusedError as refusal:
            self._state.fail(task, refusal.code, refusal.message)
        except Exception:
            # A bug or a dead worker: the service would call either an algorithm error.
            logger.exception("task %s broke", task.task_id)
            self._state.fail(task, "InternalError.Algo", "Inference internal error.")
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _produce(self, task: Task, folder: Path) -> None:
        if task.planned_failure is not None:
            task.status = "RUNNING"
            raise MediaRefusedError(task.planned_failure.code, task.planned_failure.message)
        job = await self._job(task, folder)
        await self._engine.inspect(job)
        task.status = "RUNNING"
        started = self._state.clock()
        outcome = await self._engine.retalk(job)
        due = self._state.settings.render_seconds(outcome.seconds)
        await self._pace(until=started + due * RUNNING_SHARE)
        task.status = "POST-PROCESSING"
        await self._pace(until=started + due)
        self._publish(task, job, outcome)

    async def _job(self, task: Task, folder: Path) -> RenderJob:
        inputs = task.inputs
        video = await self._fetcher.fetch(url=inputs.video_url, name="video", task=task, folder=folder)
        audio = await self._fetcher.fetch(url=inputs.audio_url, name="audio", task=task, folder=folder)
        ref_image = None
        if inputs.ref_image_url is not None:
            ref_image = await self._fetcher.fetch(url=inputs.ref_image_url, name="ref_image", task=task, folder=folder)
        return RenderJob(
            video=video,
            audio=audio,
            ref_image=ref_image,
            output=self._state.storage.folder("results") / f"{task.task_id}.mp4",
            video_extension=inputs.video_extension,
            query_face_threshold=inputs.query_face_threshold,
        )

    async def _pace(self, *, until: float) -> None:
        # Polled, as nothing tells when a test moves its clock.
        while (left := until - self._state.clock()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, PACE_SECONDS))

    def _publish(self, task: Task, job: RenderJob, outcome: RenderOutcome) -> None:
        result = self._state.storage.publish(
            key=f"videoretalk/{service_day(self._state.clock())}/{task.task_id}.mp4",
            path=job.output,
            media_type="video/mp4",
            checksums=outcome.checksums,
        )
        usage = TaskUsage(
            video_duration=round(outcome.seconds, 2),
            size=f"{outcome.width}*{outcome.height}",
            fps=round(outcome.fps),
        )
        self._state.succeed(
            task,
            usage=usage,
            result_key=result.key,
            seconds=usage.video_duration,
            face_found=outcome.face_found,
        )
