"""What a video is made of. Two videos with the same recipe are the same video, and one of them is not paid for."""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_videoretalk.batches.table import VideoRow
from airflow_provider_videoretalk.model_catalog.speech import family_of
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK


@dataclass(frozen=True, kw_only=True)
class SpeechRecipe:
    """What a speech is made of.

    :param language: as the model takes it; ``None`` to let the service detect it
    :param options: further fields of the request's ``input``
    """

    script: str
    language: str | None
    voice: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a metadata file that tell it, as JSON-safe values."""
        return {
            "script": self.script,
            "language": self.language,
            "voice": self.voice,
            "speech_model": self.model,
            "speech_options": dict(self.options),
        }

    @property
    def file_name(self) -> str:
        """The name of the speech in the store of speeches."""
        return f"{digest_of(self.fields)}.wav"


@dataclass(frozen=True, kw_only=True)
class RecordingPart:
    """The part of a recording that a piece of a video has.

    :param start: where it begins, in seconds
    :param end: where it ends, in seconds
    :param sound: a digest of its samples
    """

    start: float
    end: float
    sound: str

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class RecordingRecipe:
    """A recording of speech, or the part of it that a piece of a video has. Nothing is paid for it.

    :param recording: a digest of what identifies its content, see :func:`content_digest`
    :param script: what is said in all of it, for subtitles; ``""`` if it is not known
    :param language: of the subtitles; ``None`` if it is not known
    :param part: ``None`` for all of it
    """

    recording: str
    script: str = ""
    language: str | None = None
    part: RecordingPart | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a metadata file that tell it, as JSON-safe values."""
        return {
            "script": self.script,
            "language": self.language,
            "recording": self.recording,
            "recording_part": [self.part.start, self.part.end] if self.part else None,
        }

    @property
    def sound(self) -> str:
        """What is heard. The words do not change it."""
        return self.part.sound if self.part else self.recording

    @property
    def file_name(self) -> str:
        """The name of the part in the store of speeches."""
        return f"{digest_of(self.sound)}.wav"


Speech = SpeechRecipe | RecordingRecipe
"""What is spoken in a video, or in a piece of it."""


@dataclass(frozen=True, kw_only=True)
class VideoRecipe:
    """What a video is made of.

    :param presenter: a digest of what identifies the presenter's content, see :func:`content_digest`
    :param parameters: of the render request
    :param photo_model: the model that makes a photo speak; ``None`` if the presenter is a video
    """

    speech: Speech
    presenter: str
    parameters: Mapping[str, Any]
    photo_model: str | None = None

    @property
    def model(self) -> str:
        """The model that renders it."""
        return self.photo_model or VIDEORETALK.name

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a metadata file that tell it, as JSON-safe values."""
        made_of = {**self.speech.fields, "presenter": self.presenter, "parameters": dict(self.parameters)}
        return made_of | ({"photo_model": self.photo_model} if self.photo_model else {})

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> VideoRecipe:
        """Reads :attr:`fields`.

        :raises KeyError: a field is missing
        """
        return cls(
            speech=_parse_recording(fields) if "recording" in fields else _parse_speech(fields),
            presenter=fields["presenter"],
            parameters=fields["parameters"],
            photo_model=fields.get("photo_model"),
        )


def _parse_speech(fields: Mapping[str, Any]) -> SpeechRecipe:
    return SpeechRecipe(
        script=fields["script"],
        language=fields["language"],
        voice=fields["voice"],
        model=fields["speech_model"],
        options=fields["speech_options"],
    )


def _parse_recording(fields: Mapping[str, Any]) -> RecordingRecipe:
    """The whole recording: a video is made of no part."""
    return RecordingRecipe(recording=fields["recording"], script=fields["script"], language=fields["language"])


def speech_of(row: VideoRow, *, model: str, options: Mapping[str, Any], recording: str | None = None) -> Speech:
    """
    :param recording: the digest of the row's recording; ``None`` if its script has to be spoken
    """
    # The same words, whichever program has saved the table.
    script = unicodedata.normalize("NFC", row.text.replace("\r\n", "\n").replace("\r", "\n"))
    if recording is not None:
        return RecordingRecipe(recording=recording, script=script, language=row.language)
    voice = row.voice or family_of(model).voice
    return SpeechRecipe(script=script, language=row.language, voice=voice, model=model, options=options)


def content_digest(identity: str) -> str:
    """The digest of the :meth:`~airflow_provider_videoretalk.inputs.source.Source.content_identity` of a presenter or a
    recording.

    Parts of a URL may be secret, so the identity itself is not stored.
    """
    return f"sha256:{hashlib.sha256(identity.encode()).hexdigest()}"


def is_made_from(metadata: Mapping[str, Any] | None, recipe: Speech | VideoRecipe) -> bool:
    """Whether a metadata file says that its object was made from a recipe."""
    return metadata is not None and all(
        name in metadata and metadata[name] == value for name, value in recipe.fields.items()
    )


def is_made_again(metadata: Mapping[str, Any] | None, recipe: VideoRecipe, *, replaces: str | None) -> bool:
    """Whether a metadata file says that its video was made from a recipe, and not by the job that is replaced."""
    return metadata is not None and is_made_from(metadata, recipe) and str(metadata.get("task_id")) != replaces


def amount_in(metadata: Mapping[str, Any], name: str) -> float | None:
    """A number of seconds or money in a metadata file, which anybody may have written; ``None`` if it is none."""
    value = metadata.get(name)
    is_amount = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
    return float(value) if is_amount and value is not None else None


def digest_of(value: object) -> str:
    """A name that is the same for equal values of JSON's types."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
