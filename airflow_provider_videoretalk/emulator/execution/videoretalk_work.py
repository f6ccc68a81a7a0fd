"""The work of a VideoRetalk job: downloads and checks the inputs, renders, stores the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.execution.media_engine import RenderOutcome, RenderRequest
from airflow_provider_videoretalk.emulator.execution.work import Work, wait_until
from airflow_provider_videoretalk.emulator.service.clock import service_day
from airflow_provider_videoretalk.emulator.service.job_inputs import VideoRetalkInputs
from airflow_provider_videoretalk.emulator.service.render_job import JobOutcome, RenderJob, ResultKey

if TYPE_CHECKING:
    from pathlib import Path

# How the service divides a render between RUNNING and POST-PROCESSING is not known. One sample gives the total only.
RUNNING_SHARE = 0.95


class VideoRetalkWork(Work):
    """The engine does the media work, in no less than the time of the settings."""

    async def do(self, job: RenderJob, folder: Path) -> JobOutcome:
        request = await self._fetch_inputs(job, folder)
        await self._engine.inspect(request)
        job.status = "RUNNING"
        started = self._state.clock()
        rendered = await self._engine.retalk(request)
        duration = self._state.settings.render_seconds(rendered.seconds)
        await wait_until(started + duration * RUNNING_SHARE, clock=self._state.clock)
        job.status = "POST-PROCESSING"
        await wait_until(started + duration, clock=self._state.clock)
        return self._store_result(job, request, rendered)

    async def _fetch_inputs(self, job: RenderJob, folder: Path) -> RenderRequest:
        inputs = job.inputs
        assert isinstance(inputs, VideoRetalkInputs)
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

    def _store_result(self, job: RenderJob, request: RenderRequest, rendered: RenderOutcome) -> JobOutcome:
        result = self._state.storage.add_result(
            key=f"videoretalk/{service_day(self._state.clock())}/{job.task_id}.mp4",
            path=request.output,
            media_type="video/mp4",
            checksums=rendered.checksums,
        )
        seconds = round(rendered.seconds, 2)
        usage = {
            "video_duration": seconds,
            "size": f"{rendered.width}*{rendered.height}",
            "video_ratio": "standard",
            "fps": round(rendered.fps),
        }
        output = {"video_url": ResultKey(result.key)}
        return JobOutcome(output=output, usage=usage, billed_seconds=seconds, face_found=rendered.face_found)
