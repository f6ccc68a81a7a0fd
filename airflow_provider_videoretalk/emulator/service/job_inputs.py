"""What a submit asks for, by model. The job that does it is in :mod:`..execution`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_provider_videoretalk.model_catalog.transcription import TRANSCRIPTION_PATH
from airflow_provider_videoretalk.model_catalog.videoretalk import DEFAULT_FACE_THRESHOLD, VIDEORETALK


class JobInputs(Protocol):
    """The checked body of a submit."""

    @property
    def model(self) -> str:
        """Its ``model``. The jobs of a model have a queue of their own."""
        raise NotImplementedError

    @property
    def path(self) -> str:
        """The path of the submit, below the base URL."""
        raise NotImplementedError

    def report(self) -> dict[str, Any]:
        """Its ``inputs`` and ``parameters``, for ``GET /emulator/tasks``."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class PhotoInputs:
    """
    :param side: pixels of the shorter side of the output; ``None`` for that of the photo
    """

    model: str
    image_url: str
    audio_url: str
    side: int | None
    parameters: Mapping[str, Any]

    path = VIDEORETALK.path

    def report(self) -> dict[str, Any]:
        inputs = {"image_url": self.image_url, "audio_url": self.audio_url}
        return {"inputs": inputs, "parameters": dict(self.parameters)}


@dataclass(frozen=True, kw_only=True)
class TranscriptionInputs:
    """
    :param is_list: whether the request has ``file_urls``, and the reply ``results``
    """

    model: str
    urls: tuple[str, ...]
    is_list: bool
    has_words: bool
    has_speakers: bool
    parameters: Mapping[str, Any]

    path = TRANSCRIPTION_PATH

    def report(self) -> dict[str, Any]:
        return {"inputs": {"file_urls": list(self.urls)}, "parameters": dict(self.parameters)}


@dataclass(frozen=True, kw_only=True)
class VideoRetalkInputs:
    """``ref_image_url`` is ``None`` if it was absent, null or empty."""

    video_url: str
    audio_url: str
    ref_image_url: str | None = None
    video_extension: bool = False
    query_face_threshold: int = DEFAULT_FACE_THRESHOLD

    model = VIDEORETALK.name
    path = VIDEORETALK.path

    def report(self) -> dict[str, Any]:
        return {
            "inputs": {
                "video_url": self.video_url,
                "audio_url": self.audio_url,
                "ref_image_url": self.ref_image_url,
            },
            "parameters": {
                "video_extension": self.video_extension,
                "query_face_threshold": self.query_face_threshold,
            },
        }
