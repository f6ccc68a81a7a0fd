"""Runs render jobs: takes them from the queues, and has them done by the work of their model."""

from __future__ import annotations

import asyncio
import logging
import shutil
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.execution.work import Work
    from airflow_provider_videoretalk.emulator.service.account import Account
    from airflow_provider_videoretalk.emulator.service.job_inputs import JobInputs
    from airflow_provider_videoretalk.emulator.service.render_job import RenderJob
    from airflow_provider_videoretalk.emulator.service.state import EmulatorState

logger = logging.getLogger(__name__)

MAINTENANCE_SECONDS = 1.0


class JobRunner:
    """Runs every render job of a state on the event loop.

    :param works: the work of each kind of job, by the class of its inputs
    """

    def __init__(self, *, state: EmulatorState, works: Mapping[type[JobInputs], Work]) -> None:
        self._state = state
        self._works = works
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
        self._state.release_slot(job)
        self._running.pop(job.task_id, None)
        self.start(job.account)

    async def _run(self, job: RenderJob) -> None:
        folder = self._state.storage.folder(f"work/{job.task_id}")
        try:
            await self._do(job, folder)
        except MediaRefusedError as refusal:
            self._state.fail(job, refusal.code, refusal.message)
        except Exception:
            # A bug or a worker that ended: the service reports both as an algorithm error.
            logger.exception("Render job %s failed", job.task_id)
            self._state.fail(job, "InternalError.Algo", "Inference internal error.")
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _do(self, job: RenderJob, folder: Path) -> None:
        if job.planned_failure is not None:
            job.status = "RUNNING"
            raise MediaRefusedError(job.planned_failure.code, job.planned_failure.message)
        work = self._works[type(job.inputs)]
        self._state.succeed(job, await work.do(job, folder))
