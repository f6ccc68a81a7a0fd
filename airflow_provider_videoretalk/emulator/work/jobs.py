"""The media work itself, run in a worker process.

The engine's libraries (av, numpy, onnxruntime) are imported inside these functions and nowhere else in the service, so
that the server process never loads them and a crash in one of them cannot take it down.
"""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.emulator.service.checksum import checksums_of
from airflow_provider_videoretalk.emulator.work.engine_port import (
    RenderJob,
    RenderOutcome,
    SampleName,
    SpeechJob,
    SpeechOutcome,
)

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE_SPEECH = "Hello. This clip was made on your own machine, and the lips you see follow these words."


def start_worker() -> None:
    """Prepare a worker: Ctrl-C is the server's business, and a worker must not outlive a killed server."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(0)


def inspect(job: RenderJob) -> None:
    """Check every input of a job; refuse those the service refuses."""
    from airflow_provider_videoretalk.emulator.engine.facts import inspect_audio, inspect_image, inspect_video

    inspect_video(job.video)
    inspect_audio(job.audio)
    if job.ref_image is not None:
        inspect_image(job.ref_image)


def retalk(job: RenderJob) -> RenderOutcome:
    """Render a job and sum the result up."""
    from airflow_provider_videoretalk.emulator.engine.video import retalk as render

    rendered = render(
        video=job.video,
        audio=job.audio,
        output=job.output,
        video_extension=job.video_extension,
        ref_image=job.ref_image,
        query_face_threshold=job.query_face_threshold,
    )
    return RenderOutcome(
        seconds=float(rendered.seconds),
        width=int(rendered.width),
        height=int(rendered.height),
        fps=float(rendered.fps),
        face_found=bool(rendered.face_found),
        checksums=checksums_of(job.output),
    )


def speak(job: SpeechJob) -> SpeechOutcome:
    """Say a text into a file."""
    from airflow_provider_videoretalk.emulator.engine.speech import speak as say

    seconds = say(
        text=job.text,
        voice=job.voice,
        output=job.output,
        audio_format=job.audio_format,
        sample_rate=job.sample_rate,
        rate=job.rate,
        language=job.language,
    )
    return SpeechOutcome(seconds=float(seconds), checksums=checksums_of(job.output))


def sample(name: SampleName, output: Path) -> None:
    """Make a sample next to its place and move it there, so that a half-made one is never seen."""
    draft = output.with_name(f"draft-{output.name}")
    if name == "speech.wav":
        from airflow_provider_videoretalk.emulator.engine.speech import speak as say

        say(text=SAMPLE_SPEECH, voice="longanyang", output=draft, language="en")
    else:
        from airflow_provider_videoretalk.emulator.engine.presenter import draw_portrait, draw_presenter

        if name == "presenter.mp4":
            draw_presenter(draft)
        else:
            draw_portrait(draft)
    draft.replace(output)
