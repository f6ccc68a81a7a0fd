"""Runs several emulators in one process, without media work: each returns every video unchanged.

With the setting ``release``, the path of a file, an emulator renders and transcribes until the file exists. With
``spoken``, it reports that a video is as long as its speech.

The one argument is a JSON object: name -> port and settings. SIGTERM ends the process.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import wave
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow_provider_videoretalk.emulator.execution.media_engine import (
    RenderOutcome,
    RenderRequest,
    TranscriptionOutcome,
    TranscriptionRequest,
)
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.service.checksums import checksums_of
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

# The fake engine reports three seconds of video: a render takes three seconds, and a render job may take nine minutes.
DEFAULTS: dict[str, Any] = {"time_scale": 20, "render_factor": 20, "submits_per_second": 1000}


class NamingEngine(FakeEngine):
    """The only sentence of a transcript is the URL of its recording."""

    async def transcribe(self, job: TranscriptionRequest) -> TranscriptionOutcome:
        sentence = {"begin_time": 0, "end_time": 100 * len(job.url), "text": job.url}
        transcript = {"transcripts": [{"channel_id": 0, "text": job.url, "sentences": [sentence]}]}
        job.output.write_text(json.dumps(transcript))
        return TranscriptionOutcome(seconds=self.seconds, checksums=checksums_of(job.output))


class HeldEngine(NamingEngine):
    """Renders and transcribes until the file ``release`` exists."""

    def __init__(self, *, release: Path) -> None:
        super().__init__()
        self.release = release

    async def retalk(self, job: RenderRequest) -> RenderOutcome:
        await self._released()
        return await super().retalk(job)

    async def transcribe(self, job: TranscriptionRequest) -> TranscriptionOutcome:
        await self._released()
        return await super().transcribe(job)

    async def _released(self) -> None:
        # A test makes the file, which gives no notice.
        while not self.release.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.2)


class SpokenEngine(NamingEngine):
    """Reports the length of the speech."""

    async def retalk(self, job: RenderRequest) -> RenderOutcome:
        with wave.open(str(job.audio)) as speech:
            seconds = speech.getnframes() / speech.getframerate()
        return replace(await super().retalk(job), seconds=seconds)


def main(plan: dict[str, dict[str, Any]]) -> None:
    with ExitStack() as stack:
        for settings in plan.values():
            missing = frozenset(settings.pop("missing", ()))
            release, spoken = settings.pop("release", None), settings.pop("spoken", False)
            wanted = EmulatorSettings(**DEFAULTS | settings, missing=missing)
            engine = HeldEngine(release=Path(release)) if release else SpokenEngine() if spoken else NamingEngine()
            stack.enter_context(Emulator(wanted, engine=engine))
        print("ready", flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    # Before any thread starts, so that all of them leave the two signals to sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(json.loads(sys.argv[1]))
