"""Voices that are enrolled from a sample of somebody's speech: the two dialects of the enrolment endpoint.

Source: the vendor's pages on voice cloning (editions of October and November 2026).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, TypedDict

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.reply_values import line, mapping, plain_id, possible_time
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE, Limit

DEFAULT_TARGET_MODEL = "cosyvoice-v3-flash"
PAGE_SIZES = (100, 10)
"""Voices of one page of a list, in the order of preference: the largest page is not documented, 10 is the default."""

VOICE_STORAGE = 1000
"""Voices of one main account, by the vendor's page. A voice that was not used for a year is deleted."""

SAMPLE_CONTAINERS = ("wav", "mp3", "m4a")
SAMPLE_BYTES = Limit(
    field="the sample's size", high=10 * MEGABYTE, unit="bytes", code="BadRequest.UnsupportedFileFormat"
)
SAMPLE_SECONDS = 60.0

_PATH = "services/audio/tts/customization"
_SERVICE_ZONE = timezone(timedelta(hours=8))
# An enrolment reads and analyses the sample before it answers.
_CREATE_TIMEOUT = 120.0


class VoiceResult(TypedDict):
    """An enrolled voice as JSON-safe values: the return value of ``VoiceOperator``.

    :param voice: the voice's id
    :param target_model: the model that can speak with it
    :param sample: the sample's location without a signature
    :param sample_sha256: of the sample's bytes
    :param created_at: ISO 8601 in UTC; ``None`` if the service did not say it
    :param consent: who agreed to the use of the voice, as given
    :param reused: whether the voice existed before
    :param request_id: of the enrolment; ``None`` for a voice that existed
    """

    voice: str
    target_model: str
    sample: str
    sample_sha256: str
    created_at: str | None
    consent: str
    reused: bool
    request_id: str | None


@dataclass(frozen=True, kw_only=True)
class VoiceDialect:
    """How one family of models is asked for voices.

    :param model: of the enrolment
    :param actions: the request's ``action`` for create, list, query and delete
    :param voice_field: the voice's id, in requests and replies
    :param prefix_length: characters of the part of a voice's id that the caller chooses
    :param seconds: continuous speech that a sample needs
    :param sample_rate: of a sample, in Hz
    :param channels: of a sample, at most
    """

    model: str
    actions: Mapping[str, str]
    voice_field: str
    prefix_length: int
    seconds: Limit
    sample_rate: Limit
    channels: Limit


def _seconds(low: float) -> Limit:
    return Limit(field="the sample", low=low, high=SAMPLE_SECONDS, unit="s", code="Audio.AudioShortError")


def _rate(low: float) -> Limit:
    return Limit(field="the sample's rate", low=low, unit="Hz", code="Audio.AudioRateError")


# One page says that the prefix has fewer than ten characters, another at most ten.
COSYVOICE = VoiceDialect(
    model="voice-enrollment",
    actions={"create": "create_voice", "list": "list_voice", "query": "query_voice", "delete": "delete_voice"},
    voice_field="voice_id",
    prefix_length=9,
    seconds=_seconds(5),
    sample_rate=_rate(16_000),
    channels=Limit(field="the sample's number of channels", high=2, code="BadRequest.UnsupportedFileFormat"),
)
QWEN_TTS = VoiceDialect(
    model="qwen-voice-enrollment",
    actions={"create": "create", "list": "list", "query": "query", "delete": "delete"},
    voice_field="voice",
    prefix_length=16,
    seconds=_seconds(3),
    sample_rate=_rate(24_000),
    channels=Limit(field="the sample's number of channels", high=1, code="Audio.PreprocessError"),
)


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A voice of the account.

    :param id: the ``voice`` of a synthesis
    :param created: ``None`` if the reply does not say it
    :param status: ``OK``, ``DEPLOYING``, ``UNDEPLOYED`` (refused), or another word; ``""`` where the dialect has none
    """

    id: str
    created: datetime | None
    status: str

    @classmethod
    def parse(cls, row: Mapping[str, Any], *, voice_field: str) -> Voice | None:
        """A row of a list; ``None`` if it has no id."""
        found = plain_id(row.get(voice_field))
        created = _service_time(row.get("gmt_create"))
        return None if found is None else cls(id=found, created=created, status=_status(row))


@dataclass(frozen=True, kw_only=True)
class VoicePage:
    """A page of the account's voices.

    :param rows: of the page, also those without an id
    """

    voices: tuple[Voice, ...]
    rows: int


@dataclass(frozen=True, kw_only=True)
class CreatedVoice:
    """The reply to an enrolment.

    :param warning: what the service says against the sample, ``""`` if it is content
    """

    id: str
    request_id: str | None
    warning: str

    @classmethod
    def parse(cls, payload: Mapping[str, Any], *, voice_field: str) -> CreatedVoice:
        output = payload["output"]
        found = plain_id(output.get(voice_field))
        if found is None:
            raise ValueError(f"output.{voice_field} is missing, or is not a plain id")
        reason = line(output.get("fallback_reason")) or "no reason is given"
        warning = reason if output.get("fallback_mode") is True else ""
        return cls(id=found, request_id=plain_id(payload.get("request_id")), warning=warning)


def voice_dialect_of(target_model: str) -> VoiceDialect:
    """The dialect for the voices of a speech model, by the model's name."""
    is_qwen_tts = target_model.startswith("qwen") and not target_model.startswith("qwen-audio-")
    return QWEN_TTS if is_qwen_tts else COSYVOICE


def voice_prefix(*, sample_sha256: str, target_model: str) -> str:
    """The chosen part of a voice's id: the same for the same sample and model, and different for any other.

    It has lower-case letters and digits, 45 bits or more of a hash. So it tells which voice belongs to a sample.
    """
    digest = hashlib.sha256(f"{sample_sha256}\n{target_model}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[: voice_dialect_of(target_model).prefix_length]


def has_prefix(voice: str, prefix: str) -> bool:
    """Whether a voice was enrolled with a prefix, which is one part of its id."""
    return prefix in voice.replace("_", "-").split("-")


def create_voice(
    *,
    target_model: str,
    prefix: str,
    sample_url: str,
    language: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Request[CreatedVoice]:
    """The request that enrols a voice. It is not idempotent: two requests make two voices.

    :param target_model: the speech model that will use the voice
    :param prefix: see :func:`voice_prefix`
    :param sample_url: an http or https URL, or a data URI
    :param language: of the sample, as a code such as ``en``
    :param options: further fields of the body's ``input``, such as ``{"text": "..."}``
    :raises InputError: ``options`` has a field that has its own parameter
    """
    dialect = voice_dialect_of(target_model)
    inputs: dict[str, Any] = {"action": dialect.actions["create"], "target_model": target_model}
    if dialect is QWEN_TTS:
        inputs |= {"preferred_name": prefix, "audio": {"data": sample_url}}
        inputs |= {"language": language} if language else {}
    else:
        inputs |= {"prefix": prefix, "url": sample_url}
        inputs |= {"language_hints": [language]} if language else {}
    taken = sorted(inputs.keys() & dict(options or {}).keys())
    if taken:
        raise InputError(
            f"options contains {taken[0]!r}, which has its own parameter, or is set by the operator",
            remedy="Leave it out of options.",
        )

    return Request(
        method="POST",
        path=_PATH,
        body={"model": dialect.model, "input": inputs | dict(options or {})},
        parse=lambda payload: CreatedVoice.parse(payload, voice_field=dialect.voice_field),
        read_timeout=_CREATE_TIMEOUT,
        total_timeout=_CREATE_TIMEOUT,
        creates=True,
    )


def list_voices(*, target_model: str, prefix: str, page: int, page_size: int) -> Request[VoicePage]:
    """The request for a page of the account's voices. Only the dialect of CosyVoice can filter by a prefix.

    :param page: from 0 on
    """
    dialect = voice_dialect_of(target_model)
    inputs: dict[str, Any] = {"action": dialect.actions["list"], "page_index": page, "page_size": page_size}
    inputs |= {} if dialect is QWEN_TTS else {"prefix": prefix}

    def parse(payload: Mapping[str, Any]) -> VoicePage:
        rows = payload["output"]["voice_list"]
        voices = (Voice.parse(mapping(row), voice_field=dialect.voice_field) for row in rows)
        return VoicePage(voices=tuple(voice for voice in voices if voice is not None), rows=len(rows))

    return Request(method="POST", path=_PATH, body={"model": dialect.model, "input": inputs}, parse=parse)


def query_voice(*, target_model: str, voice: str) -> Request[str]:
    """The request for a voice's status, see :class:`Voice`."""
    return _about(target_model, voice, action="query", parse=lambda payload: _status(mapping(payload["output"])))


def delete_voice(*, target_model: str, voice: str) -> Request[str]:
    """The request that deletes a voice. Nothing can undo it. The reply says nothing."""
    return _about(target_model, voice, action="delete", parse=lambda payload: "")


def _about(target_model: str, voice: str, *, action: str, parse: Any) -> Request[str]:
    dialect = voice_dialect_of(target_model)
    inputs = {"action": dialect.actions[action], dialect.voice_field: voice}
    return Request(method="POST", path=_PATH, body={"model": dialect.model, "input": inputs}, parse=parse)


def _status(row: Mapping[str, Any]) -> str:
    return line(row.get("status"), max_length=50) or ""


def _service_time(value: object) -> datetime | None:
    """A time such as ``2026-11-20 20:16:40``. Its zone is not documented; the service's other times are UTC+8."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if found is None:
        return None
    return possible_time(found if found.tzinfo else found.replace(tzinfo=_SERVICE_ZONE))
