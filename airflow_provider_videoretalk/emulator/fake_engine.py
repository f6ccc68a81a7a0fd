"""A media engine without media work, for tests that need no real video."""

from __future__ import annotations

import asyncio
import json
import shutil
import wave
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.execution.media_engine import (
    RenderOutcome,
    SpeechOutcome,
    TranscriptionOutcome,
)
from airflow_provider_videoretalk.emulator.service.checksums import checksums_of

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
    from airflow_provider_videoretalk.emulator.execution.media_engine import (
        PhotoRequest,
        RenderRequest,
        SampleName,
        SpeechRequest,
        TranscriptionRequest,
    )

WAV_RATE = 8000


class FakeEngine:
    """Accepts any file as a video and returns it unchanged; speech is silence. The command never uses it.

    :param seconds: reported length of every video
    :param refusal: every inspection raises it, if given
    """

    def __init__(self, *, seconds: float = 3.0, refusal: MediaRefusedError | None = None) -> None:
        self.seconds = seconds
        self.refusal = refusal
        self.renders: list[RenderRequest] = []
        self.speeches: list[SpeechRequest] = []

    async def inspect(self, job: RenderRequest) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def retalk(self, job: RenderRequest) -> RenderOutcome:
        self.renders.append(job)
        await asyncio.to_thread(shutil.copyfile, job.video, job.output)
        sums = await asyncio.to_thread(checksums_of, job.output)
        return RenderOutcome(seconds=self.seconds, width=720, height=1280, fps=25.0, face_found=True, checksums=sums)

    async def speak(self, job: SpeechRequest) -> SpeechOutcome:
        self.speeches.append(job)
        seconds = max(2.0, len(job.text) / 15)
        await asyncio.to_thread(_write_silence, job.output, seconds)
        return SpeechOutcome(seconds=seconds, checksums=await asyncio.to_thread(checksums_of, job.output))

    async def count_faces(self, photo: Path) -> int:
        return 1

    async def animate(self, job: PhotoRequest) -> RenderOutcome:
        await asyncio.to_thread(shutil.copyfile, job.photo, job.output)
        sums = await asyncio.to_thread(checksums_of, job.output)
        return RenderOutcome(seconds=self.seconds, width=720, height=1280, fps=24.0, face_found=True, checksums=sums)

    async def transcribe(self, job: TranscriptionRequest) -> TranscriptionOutcome:
        transcript = {"transcripts": [{"channel_id": 0, "text": "", "sentences": []}]}
        await asyncio.to_thread(job.output.write_text, json.dumps(transcript))
        return TranscriptionOutcome(seconds=self.seconds, checksums=await asyncio.to_thread(checksums_of, job.output))

    async def sample(self, name: SampleName, output: Path) -> None:
        await asyncio.to_thread(_write_silence, output, 3.0)

    async def close(self) -> None:
        """Nothing to close."""


def _write_silence(path: Path, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(WAV_RATE)
        file.writeframes(bytes(2 * round(seconds * WAV_RATE)))
