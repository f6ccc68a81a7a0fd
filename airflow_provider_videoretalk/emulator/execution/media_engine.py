"""The interface of a media engine, and its requests and outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_videoretalk.emulator.service.checksums import Checksums
    from airflow_provider_videoretalk.emulator.service.spoken_text import SpokenText

AudioFormat = Literal["wav", "mp3", "pcm", "opus"]
SampleName = Literal["presenter.mp4", "portrait.png", "speech.wav"]
SAMPLES: dict[SampleName, str] = {
    "presenter.mp4": "video/mp4",
    "portrait.png": "image/png",
    "speech.wav": "audio/wav",
}


@dataclass(frozen=True, kw_only=True)
class RenderRequest:
    """The files and parameters of one render; `output` does not exist yet."""

    video: Path
    audio: Path
    ref_image: Path | None
    output: Path
    video_extension: bool
    query_face_threshold: int


@dataclass(frozen=True, kw_only=True)
class RenderOutcome:
    """A finished video: seconds, pixels, frames per second, and whether a face was found."""

    seconds: float
    width: int
    height: int
    fps: float
    face_found: bool
    checksums: Checksums


@dataclass(frozen=True, kw_only=True)
class SpeechRequest:
    """A text to synthesise. `rate` is a factor, `sample_rate` is in Hz, `language` is a code such as ``en``."""

    text: str
    voice: str
    output: Path
    audio_format: AudioFormat
    sample_rate: int
    rate: float
    language: str | None


@dataclass(frozen=True, kw_only=True)
class SpeechOutcome:
    """A finished audio file and its length in seconds."""

    seconds: float
    checksums: Checksums


@dataclass(frozen=True, kw_only=True)
class PhotoRequest:
    """A photo to make speak. `side` is the shorter side of the output in pixels, ``None`` for that of the photo."""

    photo: Path
    audio: Path
    output: Path
    side: int | None


@dataclass(frozen=True, kw_only=True)
class TranscriptionRequest:
    """A recording to transcribe into `output`, a JSON file.

    :param speeches: what the emulator has spoken, which it recognises
    :param has_words: whether the times of words are written
    :param has_speakers: whether speakers are told apart
    """

    recording: Path
    output: Path
    url: str
    speeches: tuple[SpokenText, ...]
    has_words: bool
    has_speakers: bool


@dataclass(frozen=True, kw_only=True)
class TranscriptionOutcome:
    """A finished transcript, and the length of the recording in seconds."""

    seconds: float
    checksums: Checksums


class MediaEngine(Protocol):
    """Does the media work outside the event loop. Every method may raise any exception."""

    async def inspect(self, job: RenderRequest) -> None:
        """Check the inputs; raise :class:`MediaRefusedError` for those that the service refuses."""

    async def retalk(self, job: RenderRequest) -> RenderOutcome:
        """Render; raise :class:`MediaRefusedError` if the media do not allow it."""
        raise NotImplementedError

    async def speak(self, job: SpeechRequest) -> SpeechOutcome:
        """Synthesise; raise :class:`SpeechUnavailableError` if no installed voice can speak the text."""
        raise NotImplementedError

    async def count_faces(self, photo: Path) -> int:
        """How many faces a photo shows; raise :class:`MediaRefusedError` for a file that is no photo."""
        raise NotImplementedError

    async def animate(self, job: PhotoRequest) -> RenderOutcome:
        """Make a photo speak; raise :class:`MediaRefusedError` if the media do not allow it."""
        raise NotImplementedError

    async def transcribe(self, job: TranscriptionRequest) -> TranscriptionOutcome:
        """Transcribe; raise :class:`MediaRefusedError` for a recording without sound that can be decoded."""
        raise NotImplementedError

    async def sample(self, name: SampleName, output: Path) -> None:
        """Write one of the emulator's sample files."""

    async def close(self) -> None:
        """End all processes."""
