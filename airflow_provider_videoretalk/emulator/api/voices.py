"""Enrolment of voices, in both dialects: create, list, query, update and delete. All are a POST to one path."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import shutil
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request

from airflow_provider_videoretalk.emulator.api.components import Components, authorize
from airflow_provider_videoretalk.emulator.api.openapi import operation, refusals
from airflow_provider_videoretalk.emulator.api.paths import VOICES_PATH
from airflow_provider_videoretalk.emulator.api.request_body import read_json_object
from airflow_provider_videoretalk.emulator.api.request_models import read_body, read_model
from airflow_provider_videoretalk.emulator.api.responses import json_response, origin, request_id
from airflow_provider_videoretalk.emulator.api.speech_rules import family_of
from airflow_provider_videoretalk.emulator.api.voice_request_models import (
    VOICE_REQUESTS,
    CosyVoicePage,
    CreateCosyVoice,
    CreateQwenVoice,
    ListCosyVoices,
    ListQwenVoices,
    NameCosyVoice,
    NameQwenVoice,
    QwenVoicePage,
    UpdateCosyVoice,
    action_of,
)
from airflow_provider_videoretalk.emulator.api.voice_response_models import (
    VoiceCount,
    VoiceOutput,
    VoiceReply,
    VoiceRow,
)
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.execution.input_fetcher import SyncRequester
from airflow_provider_videoretalk.emulator.service.clock import service_time
from airflow_provider_videoretalk.emulator.service.errors import ServiceError, invalid_parameter, model_not_found
from airflow_provider_videoretalk.model_catalog.voices import COSYVOICE, QWEN_TTS, SAMPLE_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi.responses import JSONResponse

    from airflow_provider_videoretalk.emulator.execution.media_engine import VoiceTraits
    from airflow_provider_videoretalk.emulator.service.account import Account
    from airflow_provider_videoretalk.emulator.service.voices import EnrolledVoice, VoiceDialectName

router = APIRouter()

# Models of Qwen-TTS, and the realtime models, that speak with enrolled voices.
_QWEN_TARGETS = re.compile(r"qwen3-tts-vc(-realtime)?(-[0-9-]+)?|qwen3\.5-omni-[a-z-]+")
_DATA_URI = re.compile(r"data:(?P<type>audio/(wav|mpeg|mp4));base64,", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One authorised request about voices."""

    request: Request
    components: Components
    account: Account
    body: dict[str, Any]

    def reply(self, output: VoiceOutput, *, count: int) -> JSONResponse:
        return json_response(
            VoiceReply(request_id=request_id(self.request), output=output, usage=VoiceCount(count=count))
        )


@router.post(
    VOICES_PATH,
    response_model=VoiceReply,
    response_model_exclude_none=True,
    responses=refusals(400, 401, 404, 413, 429, 500),
    openapi_extra=operation(body=VOICE_REQUESTS[0], other_bodies=VOICE_REQUESTS[1:]),
)
async def customize_voices(request: Request) -> JSONResponse:
    """Voices of CosyVoice and Qwen-Audio (``voice-enrollment``), and of Qwen-TTS (``qwen-voice-enrollment``)."""
    components, caller = authorize(request, "voices")
    body = await read_json_object(request)
    call = _Call(request=request, components=components, account=caller.account, body=body)
    model = read_model(body)
    if model == COSYVOICE.model:
        return await _cosyvoice(call)
    if model == QWEN_TTS.model:
        return await _qwen(call)
    raise model_not_found()


async def _cosyvoice(call: _Call) -> JSONResponse:
    voices = call.components.voices
    match action_of(call.body):
        case "create_voice":
            given = read_body(CreateCosyVoice, call.body, parts=("input",)).input
            if family_of(given.target_model) != "cosyvoice":
                raise invalid_parameter(f"input.target_model {given.target_model!r} does not support voice cloning")
            voices.require_storage(call.account, "cosyvoice")
            traits = await _measure(call, given.url, "cosyvoice")
            voice = _enrol(
                call,
                dialect="cosyvoice",
                target_model=given.target_model,
                prefix=given.prefix,
                link=given.url,
                language=given.language_hints[0] if given.language_hints else None,
                traits=traits,
            )
            return call.reply(VoiceOutput(voice_id=voice.id), count=1)
        case "list_voice":
            page = read_body(ListCosyVoices, call.body, parts=("input",)).input
            return call.reply(_page(call, page, "cosyvoice", prefix=page.prefix), count=1)
        case "update_voice":
            update = read_body(UpdateCosyVoice, call.body, parts=("input",)).input
            voice = voices.require(update.voice_id, account=call.account, dialect="cosyvoice")
            traits = await _measure(call, update.url, "cosyvoice")
            voices.replace_sample(voice, link=_link(update.url), hertz=traits.hertz, pace=traits.pace)
            return call.reply(VoiceOutput(), count=1)
        case "query_voice" | "delete_voice" as action:
            named = read_body(NameCosyVoice, call.body, parts=("input",)).input
            voice = voices.require(named.voice_id, account=call.account, dialect="cosyvoice")
            return _query_or_delete(call, voice, delete=action == "delete_voice")
        case _:
            raise _unknown_action(call.body)


async def _qwen(call: _Call) -> JSONResponse:
    match action_of(call.body):
        case "create":
            given = read_body(CreateQwenVoice, call.body, parts=("input",)).input
            if not _QWEN_TARGETS.fullmatch(given.target_model):
                raise invalid_parameter(f"input.target_model {given.target_model!r} does not support voice cloning")
            call.components.voices.require_storage(call.account, "qwen")
            traits = await _measure(call, given.audio.data, "qwen")
            voice = _enrol(
                call,
                dialect="qwen",
                target_model=given.target_model,
                prefix=given.preferred_name,
                link=given.audio.data,
                language=given.language,
                traits=traits,
            )
            # The service enrols a sample of poor quality too, and says so.
            is_poor = traits.hertz is None
            reason = "no_valid_asr_segments" if is_poor else ""
            output = VoiceOutput(
                voice=voice.id, target_model=voice.target_model, fallback_mode=is_poor, fallback_reason=reason
            )
            return call.reply(output, count=1)
        case "list":
            page = read_body(ListQwenVoices, call.body, parts=("input",)).input
            return call.reply(_page(call, page, "qwen"), count=0)
        case "query" | "delete" as action:
            named = read_body(NameQwenVoice, call.body, parts=("input",)).input
            voice = call.components.voices.require(named.voice, account=call.account, dialect="qwen")
            return _query_or_delete(call, voice, delete=action == "delete")
        case _:
            raise _unknown_action(call.body)


def _unknown_action(body: dict[str, Any]) -> ServiceError:
    action = action_of(body)
    # The service's answer is not known.
    return invalid_parameter(
        "Field required: input.action" if action is None else f"Unknown action {str(action)[:50]!r}"
    )


def _enrol(
    call: _Call,
    *,
    dialect: VoiceDialectName,
    target_model: str,
    prefix: str,
    link: str,
    language: str | None,
    traits: VoiceTraits,
) -> EnrolledVoice:
    voice = call.components.voices.enrol(
        account=call.account,
        dialect=dialect,
        target_model=target_model,
        prefix=prefix,
        link=_link(link),
        language=language,
        hertz=traits.hertz,
        pace=traits.pace,
    )
    call.request.scope["state"]["billed"] = {"model": call.body["model"], "voices": 1}
    return voice


def _page(
    call: _Call, given: CosyVoicePage | QwenVoicePage, dialect: VoiceDialectName, *, prefix: str | None = None
) -> VoiceOutput:
    voices = call.components.voices.listed(call.account, dialect, prefix=prefix)
    start = given.page_index * given.page_size
    rows = [_row(call, voice, dialect) for voice in voices[start : start + given.page_size]]
    if dialect == "cosyvoice":
        return VoiceOutput(voice_list=rows)
    return VoiceOutput(page_index=given.page_index, page_size=given.page_size, total_count=len(voices), voice_list=rows)


def _row(call: _Call, voice: EnrolledVoice, dialect: VoiceDialectName) -> VoiceRow:
    times = {"gmt_create": service_time(voice.created)[:19], "gmt_modified": service_time(voice.modified)[:19]}
    if dialect == "cosyvoice":
        return VoiceRow(voice_id=voice.id, status=call.components.voices.status(voice), **times)
    return VoiceRow(voice=voice.id, target_model=voice.target_model, language=voice.language or "zh", **times)


def _query_or_delete(call: _Call, voice: EnrolledVoice, *, delete: bool) -> JSONResponse:
    if delete:
        call.components.voices.delete(voice)
        return call.reply(VoiceOutput(), count=0 if voice.dialect == "qwen" else 1)
    row = _row(call, voice, voice.dialect).model_dump()
    if voice.dialect == "cosyvoice":
        row |= {"voice_id": None, "target_model": voice.target_model, "resource_link": voice.link}
    return call.reply(VoiceOutput(**row), count=0 if voice.dialect == "qwen" else 1)


async def _measure(call: _Call, url: str, dialect: VoiceDialectName) -> VoiceTraits:
    """Fetch a sample and measure it; 400 with the documented code if the service refuses it."""
    folder = call.components.state.storage.folder(f"work/{uuid.uuid4().hex}")
    try:
        path = await _fetch(call, url, dialect, folder)
        return await call.components.engine.measure_voice(path, COSYVOICE if dialect == "cosyvoice" else QWEN_TTS)
    except MediaRefusedError as refusal:
        raise ServiceError(400, refusal.code or "Audio.PreprocessError", refusal.message or "") from None
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _fetch(call: _Call, url: str, dialect: VoiceDialectName, folder: Path) -> Path:
    if url.startswith("data:"):
        path = folder / "sample"
        await asyncio.to_thread(path.write_bytes, _decoded(url))
    else:
        model = COSYVOICE.model if dialect == "cosyvoice" else QWEN_TTS.model
        owner = SyncRequester(account=call.account, model=model, origin=origin(call.request))
        try:
            path = await call.components.fetcher.fetch(url=url, name="audio", job=owner, folder=folder)
        except MediaRefusedError as refusal:
            raise ServiceError(400, "BadRequest.InputDownloadFailed", refusal.message or "") from None
    size = await asyncio.to_thread(lambda: path.stat().st_size)
    if not SAMPLE_BYTES.allows(size):
        raise ServiceError(400, SAMPLE_BYTES.code, f"The {SAMPLE_BYTES.refusal(size)}.")
    return path


def _decoded(uri: str) -> bytes:
    head = _DATA_URI.match(uri)
    if head is None:
        raise ServiceError(400, "BadRequest.UnsupportedFileFormat", "The data URI has no supported media type.")
    try:
        return base64.b64decode(uri[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise ServiceError(400, "Audio.DecoderError", "The data URI is not valid Base64.") from None


def _link(url: str) -> str:
    """``resource_link``: a URL as it was given, a data URI without its data."""
    return url.partition(",")[0] if url.startswith("data:") else url
