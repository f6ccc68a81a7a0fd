"""The work of a photo that is made to speak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.execution.media_engine import PhotoRequest
from airflow_provider_videoretalk.emulator.execution.work import Work, wait_until
from airflow_provider_videoretalk.emulator.service.clock import service_day
from airflow_provider_videoretalk.emulator.service.job_inputs import PhotoInputs
from airflow_provider_videoretalk.emulator.service.render_job import JobOutcome, RenderJob, ResultKey
from airflow_provider_videoretalk.model_catalog.talking_photo import TALKING_PHOTO_MODELS

if TYPE_CHECKING:
    from pathlib import Path


class PhotoWork(Work):
    """How long the service takes is not known. Here it takes as long as a video of VideoRetalk."""

    async def do(self, job: RenderJob, folder: Path) -> JobOutcome:
        inputs = job.inputs
        assert isinstance(inputs, PhotoInputs)
        photo = await self._fetcher.fetch(url=inputs.image_url, name="photo", job=job, folder=folder)
        audio = await self._fetcher.fetch(url=inputs.audio_url, name="audio", job=job, folder=folder)
        job.status = "RUNNING"
        started = self._state.clock()
        output = self._state.storage.folder("results") / f"{job.task_id}.mp4"
        rendered = await self._engine.animate(PhotoRequest(photo=photo, audio=audio, output=output, side=inputs.side))
        seconds = round(rendered.seconds, 2)
        limit = TALKING_PHOTO_MODELS[job.model].media_inputs["audio_url"].seconds
        if limit is not None and not limit.allows(seconds):
            raise MediaRefusedError(limit.code, limit.refusal(seconds))
        await wait_until(started + self._state.settings.render_seconds(seconds), clock=self._state.clock)
        result = self._state.storage.add_result(
            key=f"{job.model}/{service_day(self._state.clock())}/{job.task_id}.mp4",
            path=output,
            media_type="video/mp4",
            checksums=rendered.checksums,
        )
        usage = {
            "video_duration": seconds,
            "size": f"{rendered.width}*{rendered.height}",
            "fps": round(rendered.fps),
            "video_count": 1,
        }
        found = {"results": {"video_url": ResultKey(result.key)}}
        return JobOutcome(output=found, usage=usage, billed_seconds=seconds, face_found=True)
