"""The work of a transcription: downloads each recording, transcribes it, stores the transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.execution.media_engine import TranscriptionRequest
from airflow_provider_videoretalk.emulator.execution.work import Work, wait_until
from airflow_provider_videoretalk.emulator.service.clock import service_day
from airflow_provider_videoretalk.emulator.service.job_inputs import TranscriptionInputs
from airflow_provider_videoretalk.emulator.service.render_job import JobOutcome, RenderJob, ResultKey
from airflow_provider_videoretalk.model_catalog.transcription import MEDIA_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

# How long a transcription takes, for each second of the recording, is not known.
SECONDS_PER_SECOND = 0.1


class TranscriptionWork(Work):
    """A recording of several that is refused is a FAILED subtask. The only one of the other family fails the job."""

    async def do(self, job: RenderJob, folder: Path) -> JobOutcome:
        inputs = job.inputs
        assert isinstance(inputs, TranscriptionInputs)
        job.status = "RUNNING"
        if not inputs.is_list:
            key, seconds = await self._transcribe(job, inputs, number=0, folder=folder)
            return _outcome(inputs, {"result": {"transcription_url": key}}, seconds)
        rows: list[dict[str, Any]] = []
        total = 0.0
        for number, url in enumerate(inputs.urls):
            try:
                key, seconds = await self._transcribe(job, inputs, number=number, folder=folder)
            except MediaRefusedError as refusal:
                failed = {"code": refusal.code, "message": refusal.message, "subtask_status": "FAILED"}
                rows.append({"file_url": url, **failed})
            else:
                total += seconds
                rows.append({"file_url": url, "transcription_url": key, "subtask_status": "SUCCEEDED"})
        failures = sum(row["subtask_status"] == "FAILED" for row in rows)
        metrics = {"TOTAL": len(rows), "SUCCEEDED": len(rows) - failures, "FAILED": failures}
        return _outcome(inputs, {"results": rows, "task_metrics": metrics}, total)

    async def _transcribe(
        self, job: RenderJob, inputs: TranscriptionInputs, *, number: int, folder: Path
    ) -> tuple[ResultKey, float]:
        started, url = self._state.clock(), inputs.urls[number]
        name = f"{job.task_id}-{number}.json"
        request = TranscriptionRequest(
            recording=await self._fetcher.fetch(url=url, name="recording", job=job, folder=folder),
            output=self._state.storage.folder("results") / name,
            url=url,
            speeches=self._state.spoken_texts(),
            has_words=inputs.has_words,
            has_speakers=inputs.has_speakers,
        )
        outcome = await self._engine.transcribe(request)
        if not MEDIA_SECONDS.allows(outcome.seconds):
            raise MediaRefusedError(MEDIA_SECONDS.code, MEDIA_SECONDS.refusal(outcome.seconds))
        duration = outcome.seconds * SECONDS_PER_SECOND / self._state.settings.time_scale
        await wait_until(started + duration, clock=self._state.clock)
        result = self._state.storage.add_result(
            key=f"transcription/{service_day(self._state.clock())}/{name}",
            path=request.output,
            media_type="application/json",
            checksums=outcome.checksums,
        )
        return ResultKey(result.key), outcome.seconds


def _outcome(inputs: TranscriptionInputs, output: dict[str, Any], seconds: float) -> JobOutcome:
    """Whole seconds are billed."""
    billed = round(seconds)
    usage = {"duration" if inputs.is_list else "seconds": billed}
    return JobOutcome(output=output, usage=usage, billed_seconds=float(billed))
