"""What the service asks of whatever does the media work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.service.checksum import Checksums

AudioFormat = Literal["wav", "mp3", "pcm", "opus"]
SampleName = Literal["presenter.mp4", "portrait.png", "speech.wav"]
SAMPLES: dict[SampleName, str] = {
    "presenter.mp4": "video/mp4",
    "portrait.png": "image/png",
    "speech.wav": "audio/wav",
}


@dataclass(frozen=True, kw_only=True)
class RenderJob:
    """Files of one render and its parameters; `output` does not exist yet."""

    video: Path
    audio: Path
    ref_image: Path | None
    output: Path
    video_extension: bool
    query_face_threshold: int


@dataclass(frozen=True, kw_only=True)
class RenderOutcome:
    """A finished video: seconds, pixels, frames per second, and whether a face was found to retalk."""

    seconds: float
    width: int
    height: int
    fps: float
    face_found: bool
    checksums: Checksums


@dataclass(frozen=True, kw_only=True)
class SpeechJob:
    """A text to say. `rate` is a factor, `sample_rate` is in Hz, `language` a code such as ``en`` or ``None``."""

    text: str
    voice: str
    output: Path
    audio_format: AudioFormat
    sample_rate: int
    rate: float
    language: str | None


@dataclass(frozen=True, kw_only=True)
class SpeechOutcome:
    seconds: float
    checksums: Checksums


class MediaEngine(Protocol):
    """Does the media work off the event loop. Every method may raise whatever breaks in it."""

    async def inspect(self, job: RenderJob) -> None:
        """Check a job's inputs; raise :class:`MediaRefusedError` for those the service refuses."""

    async def retalk(self, job: RenderJob) -> RenderOutcome:
        """Render; raise :class:`MediaRefusedError` when the media do not allow it."""
        raise NotImplementedError

    async def speak(self, job: SpeechJob) -> SpeechOutcome:
        """Synthesise; raise :class:`SpeechUnavailableError` when this machine has no voice for it."""
        raise NotImplementedError

    async def sample(self, name: SampleName, output: Path) -> None:
        """Make one of the emulator's own samples."""

    async def close(self) -> None:
        """Leave no process behind."""
