"""The media engine of a running emulator: it runs the media work in worker processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.execution import worker_functions
from airflow_provider_videoretalk.emulator.execution.worker_pool import WorkerPool

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.execution.media_engine import (
        PhotoRequest,
        RenderOutcome,
        RenderRequest,
        SampleName,
        SpeechOutcome,
        SpeechRequest,
        TranscriptionOutcome,
        TranscriptionRequest,
    )


class ProcessEngine:
    """A media engine with two worker pools, so that speech does not wait for a render."""

    def __init__(self, *, workers: int) -> None:
        self._render = WorkerPool(workers=workers)
        self._speech = WorkerPool(workers=1)

    async def inspect(self, job: RenderRequest) -> None:
        await self._render.run(worker_functions.inspect, job)

    async def retalk(self, job: RenderRequest) -> RenderOutcome:
        return await self._render.run(worker_functions.retalk, job)

    async def speak(self, job: SpeechRequest) -> SpeechOutcome:
        return await self._speech.run(worker_functions.speak, job)

    async def count_faces(self, photo: Path) -> int:
        return await self._render.run(worker_functions.count_faces, photo)

    async def animate(self, job: PhotoRequest) -> RenderOutcome:
        return await self._render.run(worker_functions.animate, job)

    async def transcribe(self, job: TranscriptionRequest) -> TranscriptionOutcome:
        return await self._speech.run(worker_functions.transcribe, job)

    async def sample(self, name: SampleName, output: Path) -> None:
        await self._speech.run(worker_functions.sample, name, output)

    async def close(self) -> None:
        await self._render.close()
        await self._speech.close()
