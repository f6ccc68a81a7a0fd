"""An engine that leaves the media work out, for tests of everything around it."""

from __future__ import annotations

import asyncio
import shutil
import wave
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.service.checksum import checksums_of
from airflow_provider_videoretalk.emulator.work.engine_port import RenderOutcome, SpeechOutcome

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.engine.refusal import MediaRefusedError
    from airflow_provider_videoretalk.emulator.work.engine_port import RenderJob, SampleName, SpeechJob

WAV_RATE = 8000


class StandInEngine:
    """Takes any file for a video and hands it back unchanged; speech is silence. Never used by the command.

    :param seconds: length it claims for every video
    :param refusal: raised by every inspection, if given
    """

    def __init__(self, *, seconds: float = 3.0, refusal: MediaRefusedError | None = None) -> None:
        self.seconds = seconds
        self.refusal = refusal
        self.renders: list[RenderJob] = []
        self.speeches: list[SpeechJob] = []

    async def inspect(self, job: RenderJob) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def retalk(self, job: RenderJob) -> RenderOutcome:
        self.renders.append(job)
        await asyncio.to_thread(shutil.copyfile, job.video, job.output)
        sums = await asyncio.to_thread(checksums_of, job.output)
        return RenderOutcome(seconds=self.seconds, width=720, height=1280, fps=25.0, face_found=True, checksums=sums)

    async def speak(self, job: SpeechJob) -> SpeechOutcome:
        self.speeches.append(job)
        seconds = max(2.0, len(job.text) / 15)
        await asyncio.to_thread(_silence, job.output, seconds)
        return SpeechOutcome(seconds=seconds, checksums=await asyncio.to_thread(checksums_of, job.output))

    async def sample(self, name: SampleName, output: Path) -> None:
        await asyncio.to_thread(_silence, output, 3.0)

    async def close(self) -> None:
        """Nothing to close."""


def _silence(path: Path, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(WAV_RATE)
        file.writeframes(bytes(2 * round(seconds * WAV_RATE)))
