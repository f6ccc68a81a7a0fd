"""Runs render jobs: takes them from the queues, downloads and checks the inputs, renders, stores the results."""

from __future__ import annotations

import asyncio
import logging
import shutil
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.execution.media_engine import MediaEngine, RenderOutcome, RenderRequest
from airflow_provider_videoretalk.emulator.service.clock import service_day
from airflow_provider_videoretalk.emulator.service.render_job import JobUsage, RenderJob

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.execution.input_fetcher import Fetcher
    from airflow_provider_videoretalk.emulator.service.account import Account
    from airflow_provider_videoretalk.emulator.service.state import EmulatorState

logger = logging.getLogger(__name__)

# How often a waiting render reads the clock, which a test may move.
CLOCK_POLL_SECONDS = 0.02
MAINTENANCE_SECONDS = 1.0
# How the service divides a render between RUNNING and POST-PROCESSING is not known. One sample gives the total only.
RUNNING_SHARE = 0.95


class JobRunner:
    """Runs every render job of a state on the event loop; the engine does the media work."""

    def __init__(self, *, state: EmulatorState, engine: MediaEngine, fetcher: Fetcher) -> None:
        self._state = state
        self._engine = engine
        self._fetcher = fetcher
        self._running: dict[str, asyncio.Task[None]] = {}
        state.on_timeout = self._cancel

    def start(self, account: Account) -> None:
        """Start as many queued render jobs of an account as it has free slots."""
        while (job := self._state.start_next_job(account)) is not None:
            running = asyncio.create_task(self._run(job), name=f"task {job.task_id}")
            self._running[job.task_id] = running
            # A finally block in the coroutine does not run if it is cancelled before its first step.
            running.add_done_callback(partial(self._finish, job))

    async def run_maintenance(self) -> None:
        """Until cancelled: end render jobs at their 3 h limit and delete expired files."""
        while True:
            await asyncio.sleep(MAINTENANCE_SECONDS)
            self._state.end_overdue_jobs()
            await asyncio.to_thread(self._state.storage.delete_expired)

    async def stop(self) -> None:
        """Cancel all running render jobs and start no others."""
        self._state.clear_queues()
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _cancel(self, job: RenderJob) -> None:
        if (running := self._running.get(job.task_id)) is not None:
            running.cancel()

    def _finish(self, job: RenderJob, _: asyncio.Task[None]) -> None:
        self._state.release_slot(job.account)
        self._running.pop(job.task_id, None)
        self.start(job.account)

    async def _run(self, job: RenderJob) -> None:
        folder = self._state.storage.folder(f"work/{job.task_id}")
        try:
            await self._render(job, folder)
        except MediaRefusedError as refusal:
            self._state.fail(job, refusal.code, refusal.message)
        except Exception:
            # A bug or a worker that ended: the service reports both as an algorithm error.
            logger.exception("Render job %s failed", job.task_id)
            self._state.fail(job, "InternalError.Algo", "Inference internal error.")
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _render(self, job: RenderJob, folder: Path) -> None:
        if job.planned_failure is not None:
            job.status = "RUNNING"
            raise MediaRefusedError(job.planned_failure.code, job.planned_failure.message)
        request = await self._fetch_inputs(job, folder)
        await self._engine.inspect(request)
        job.status = "RUNNING"
        started = self._state.clock()
        outcome = await self._engine.retalk(request)
        duration = self._state.settings.render_seconds(outcome.seconds)
        await self._wait_until(started + duration * RUNNING_SHARE)
        job.status = "POST-PROCESSING"
        await self._wait_until(started + duration)
        self._store_result(job, request, outcome)

    async def _fetch_inputs(self, job: RenderJob, folder: Path) -> RenderRequest:
        inputs = job.inputs
        video = await self._fetcher.fetch(url=inputs.video_url, name="video", job=job, folder=folder)
        audio = await self._fetcher.fetch(url=inputs.audio_url, name="audio", job=job, folder=folder)
        ref_image = None
        if inputs.ref_image_url is not None:
            ref_image = await self._fetcher.fetch(url=inputs.ref_image_url, name="ref_image", job=job, folder=folder)
        return RenderRequest(
            video=video,
            audio=audio,
            ref_image=ref_image,
            output=self._state.storage.folder("results") / f"{job.task_id}.mp4",
            video_extension=inputs.video_extension,
            query_face_threshold=inputs.query_face_threshold,
        )

    async def _wait_until(self, moment: float) -> None:
        # Polled, because a clock that a test moves gives no notice.
        while (left := moment - self._state.clock()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, CLOCK_POLL_SECONDS))

    def _store_result(self, job: RenderJob, request: RenderRequest, outcome: RenderOutcome) -> None:
        result = self._state.storage.add_result(
            key=f"videoretalk/{service_day(self._state.clock())}/{job.task_id}.mp4",
            path=request.output,
            media_type="video/mp4",
            checksums=outcome.checksums,
        )
        usage = JobUsage(
            video_duration=round(outcome.seconds, 2),
            size=f"{outcome.width}*{outcome.height}",
            fps=round(outcome.fps),
        )
        self._state.succeed(
            job,
            usage=usage,
            result_key=result.key,
            seconds=usage.video_duration,
            face_found=outcome.face_found,
        )
