"""The functions that run in a worker process.

They import the libraries of the media work (av, numpy, onnxruntime) late, and no other module outside ``engine`` does.
So the server process never loads these libraries, and a crash in one of them cannot end it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

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
from airflow_provider_videoretalk.emulator.service.checksums import checksums_of

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.engine.lip_sync import Rendered

SAMPLE_SPEECH = "Hello. This clip was made on your own machine, and the lips you see follow these words."


def inspect(job: RenderRequest) -> None:
    """Check every input; raise :class:`MediaRefusedError` for one that the service refuses."""
    from airflow_provider_videoretalk.emulator.engine.inspection import inspect_audio, inspect_image, inspect_video

    inspect_video(job.video)
    inspect_audio(job.audio)
    if job.ref_image is not None:
        inspect_image(job.ref_image)


def retalk(job: RenderRequest) -> RenderOutcome:
    """Render a video and compute its checksums."""
    from airflow_provider_videoretalk.emulator.engine.lip_sync import retalk as render

    rendered = render(
        video=job.video,
        audio=job.audio,
        output=job.output,
        video_extension=job.video_extension,
        ref_image=job.ref_image,
        query_face_threshold=job.query_face_threshold,
    )
    return _outcome(rendered, job.output)


def _outcome(rendered: Rendered, output: Path) -> RenderOutcome:
    return RenderOutcome(
        seconds=float(rendered.seconds),
        width=int(rendered.width),
        height=int(rendered.height),
        fps=float(rendered.fps),
        face_found=bool(rendered.face_found),
        checksums=checksums_of(output),
    )


def speak(job: SpeechRequest) -> SpeechOutcome:
    """Synthesise a text into a file."""
    from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak as synthesise

    seconds = synthesise(
        text=job.text,
        voice=job.voice,
        output=job.output,
        audio_format=job.audio_format,
        sample_rate=job.sample_rate,
        rate=job.rate,
        language=job.language,
    )
    return SpeechOutcome(seconds=float(seconds), checksums=checksums_of(job.output))


def count_faces(photo: Path) -> int:
    """The number of faces in a photo."""
    from airflow_provider_videoretalk.emulator.engine.talking_photo import count_faces as count

    return count(photo)


def animate(job: PhotoRequest) -> RenderOutcome:
    """Make a photo speak, and compute the checksums of the video."""
    from airflow_provider_videoretalk.emulator.engine.talking_photo import animate as render

    return _outcome(render(photo=job.photo, audio=job.audio, output=job.output, side=job.side), job.output)


def transcribe(job: TranscriptionRequest) -> TranscriptionOutcome:
    """Transcribe a recording into a file."""
    from airflow_provider_videoretalk.emulator.engine.speech_recognition import recognise
    from airflow_provider_videoretalk.emulator.engine.transcript import transcript_of

    recognised = recognise(job.recording, job.speeches)
    transcript = transcript_of(recognised, url=job.url, has_words=job.has_words, has_speakers=job.has_speakers)
    job.output.write_text(json.dumps(transcript, ensure_ascii=False))
    return TranscriptionOutcome(seconds=recognised.seconds, checksums=checksums_of(job.output))


def sample(name: SampleName, output: Path) -> None:
    """Write a sample file under a temporary name and rename it, so that no reader sees a partial file."""
    draft = output.with_name(f"draft-{output.name}")
    if name == "speech.wav":
        from airflow_provider_videoretalk.emulator.engine.speech_synthesis import speak as synthesise

        synthesise(text=SAMPLE_SPEECH, voice="longanyang", output=draft, language="en")
    else:
        from airflow_provider_videoretalk.emulator.engine.sample_presenter import draw_portrait, draw_presenter

        if name == "presenter.mp4":
            draw_presenter(draft)
        else:
            draw_portrait(draft)
    draft.replace(output)
