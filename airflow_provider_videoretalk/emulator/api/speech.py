"""Speech synthesis over plain HTTP: the CosyVoice and the Qwen endpoint."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request

from airflow_provider_videoretalk.emulator.api.components import Components, authorize
from airflow_provider_videoretalk.emulator.api.openapi import operation, refusals
from airflow_provider_videoretalk.emulator.api.paths import COSYVOICE_PATH, QWEN_PATH
from airflow_provider_videoretalk.emulator.api.request_body import read_json_object
from airflow_provider_videoretalk.emulator.api.request_models import read_body, read_model
from airflow_provider_videoretalk.emulator.api.response_models import (
    CosyVoiceOutput,
    CosyVoiceReply,
    CosyVoiceUsage,
    QwenOutput,
    QwenReply,
    QwenUsage,
    SpeechAudio,
)
from airflow_provider_videoretalk.emulator.api.responses import json_response, origin, request_id
from airflow_provider_videoretalk.emulator.api.speech_request_models import LANGUAGES, CosyVoiceRequest, QwenRequest
from airflow_provider_videoretalk.emulator.api.speech_rules import (
    QWEN3_CHARACTERS,
    ModelFamily,
    count_characters,
    family_of,
    is_enrolled_name,
    needs_enrolled_voice,
)
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError, SpeechUnavailableError
from airflow_provider_videoretalk.emulator.execution.media_engine import AudioFormat, SpeechRequest, VoiceTraits
from airflow_provider_videoretalk.emulator.service.clock import service_day
from airflow_provider_videoretalk.emulator.service.errors import (
    ServiceError,
    invalid_parameter,
    model_not_found,
    url_error,
)
from airflow_provider_videoretalk.emulator.service.spoken_text import SpokenText

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse

    from airflow_provider_videoretalk.emulator.service.account import Account
    from airflow_provider_videoretalk.emulator.service.storage import StoredResult
    from airflow_provider_videoretalk.emulator.service.voices import VoiceDialectName

router = APIRouter()

MEDIA_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm": "application/octet-stream", "opus": "audio/ogg"}
QWEN_SAMPLE_RATE = 24000
# The server's limit for a synchronous call, in seconds.
SYNC_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One text to synthesise, for either family. `rate` is a factor, `sample_rate` is in Hz."""

    model: str
    text: str
    voice: str
    audio_format: AudioFormat
    sample_rate: int
    rate: float
    language: str | None
    traits: VoiceTraits | None


@router.post(
    COSYVOICE_PATH,
    response_model=CosyVoiceReply,
    responses=refusals(400, 401, 404, 413, 429, 500),
    openapi_extra=operation(body=CosyVoiceRequest),
)
async def synthesize_cosyvoice(request: Request) -> JSONResponse:
    """CosyVoice and Qwen-Audio models."""
    components, account, body = await _read_request(request, family="cosyvoice")
    parsed = read_body(CosyVoiceRequest, body, parts=("input",))
    speech = parsed.input
    enrolled = _enrolled_voice(components, account, model=parsed.model, voice=speech.voice, dialect="cosyvoice")
    characters = _count_characters(speech.text, limit=components.settings.cosyvoice_characters, ssml=speech.enable_ssml)
    utterance = Utterance(
        model=parsed.model,
        text=speech.text,
        voice=speech.voice,
        audio_format=speech.format,
        sample_rate=speech.sample_rate,
        rate=speech.rate,
        language=speech.language_hints[0] if speech.language_hints else None,
        traits=enrolled,
    )
    audio = await _synthesise(request, components, utterance)
    request.scope["state"]["billed"] = {"model": parsed.model, "characters": characters}
    output = CosyVoiceOutput(finish_reason="stop", audio=audio)
    usage = CosyVoiceUsage(characters=characters)
    return json_response(CosyVoiceReply(request_id=request_id(request), output=output, usage=usage))


@router.post(
    QWEN_PATH,
    response_model=QwenReply,
    responses=refusals(400, 401, 404, 413, 429, 500),
    openapi_extra=operation(body=QwenRequest),
)
async def synthesize_qwen(request: Request) -> JSONResponse:
    """Qwen-TTS and Qwen3-TTS models; always WAV at 24 kHz, as documented."""
    components, account, body = await _read_request(request, family="qwen")
    parsed = read_body(QwenRequest, body, parts=("input",))
    speech = parsed.input
    enrolled = _enrolled_voice(components, account, model=parsed.model, voice=speech.voice, dialect="qwen")
    # The limit of Qwen-TTS is in tokens, which this emulator cannot count.
    limit = QWEN3_CHARACTERS if parsed.model.startswith("qwen3-") else None
    characters = _count_characters(speech.text, limit=limit)
    utterance = Utterance(
        model=parsed.model,
        text=speech.text,
        voice=speech.voice,
        audio_format="wav",
        sample_rate=QWEN_SAMPLE_RATE,
        rate=1.0,
        language=LANGUAGES.get(speech.language_type),
        traits=enrolled,
    )
    audio = await _synthesise(request, components, utterance)
    request.scope["state"]["billed"] = {"model": parsed.model, "characters": characters}
    answer = QwenReply(
        status_code=200,
        request_id=request_id(request),
        code="",
        message="",
        output=QwenOutput(text=None, finish_reason="stop", choices=None, audio=audio),
        usage=QwenUsage(input_tokens=0, output_tokens=0, characters=characters),
    )
    return json_response(answer, keep_none=True)


async def _read_request(request: Request, *, family: ModelFamily) -> tuple[Components, Account, dict[str, object]]:
    """Let a speech request in and check that its model is one of this endpoint's."""
    components, caller = authorize(request, "speech")
    body = await read_json_object(request)
    found = family_of(read_model(body))
    if found is None:
        raise model_not_found()
    if found != family:
        raise url_error()
    if request.headers.get("x-dashscope-sse") == "enable":
        raise invalid_parameter("This emulator does not stream: leave X-DashScope-SSE out.")
    return components, caller.account, body


def _count_characters(text: str, *, limit: int | None, ssml: bool = False) -> int:
    """The number of characters; 400 for a text that is blank or too long, with messages that are not the service's."""
    if not text.strip():
        raise invalid_parameter("input.text must not be empty")
    characters = count_characters(text, ssml=ssml)
    if limit is not None and characters > limit:
        raise invalid_parameter(f"Range of input length should be [1, {limit}]")
    return characters


def _enrolled_voice(
    components: Components, account: Account, *, model: str, voice: str, dialect: VoiceDialectName
) -> VoiceTraits | None:
    """How an enrolled voice speaks; ``None`` for a system voice.

    400 for an enrolled voice of another model or account, and for a system voice of a model that has none. The codes
    are documented for enrolments; third parties report the message with 418.
    """
    found = components.voices.find(voice, account=account, dialect=dialect)
    if found is not None and found.target_model == model and components.voices.status(found) == "OK":
        return VoiceTraits(hertz=found.hertz, pace=found.pace)
    if found is None and not needs_enrolled_voice(model) and not is_enrolled_name(voice):
        return None
    if dialect == "cosyvoice":
        raise invalid_parameter("[cosyvoice:]Engine return error code: 418")
    raise ServiceError(400, "BadRequest.VoiceNotFound", f"Voice {voice!r} does not exist for {model}.")


async def _synthesise(request: Request, components: Components, utterance: Utterance) -> SpeechAudio:
    """Synthesise a text and store the result; 500 if no installed voice can speak it."""
    storage = components.state.storage
    name = f"{uuid.uuid4().hex}.{utterance.audio_format}"
    job = SpeechRequest(
        text=utterance.text,
        voice=utterance.voice,
        output=storage.folder("results") / name,
        audio_format=utterance.audio_format,
        sample_rate=utterance.sample_rate,
        rate=utterance.rate,
        language=utterance.language,
        traits=utterance.traits,
    )
    try:
        outcome = await asyncio.wait_for(components.engine.speak(job), SYNC_SECONDS)
    except MediaRefusedError as refusal:
        raise ServiceError(400, refusal.code or "InvalidParameter", refusal.message or "") from None
    except SpeechUnavailableError as impossible:
        raise ServiceError(500, "InternalError.Algo", f"This emulator cannot say that: {impossible}") from None
    except asyncio.TimeoutError:
        message = "Request timed out, please try again later."
        raise ServiceError(500, "RequestTimeOut", message) from None
    result = storage.add_result(
        key=f"pre/{utterance.model}/{service_day(components.state.clock())}/{name}",
        path=job.output,
        media_type=MEDIA_TYPES[utterance.audio_format],
        checksums=outcome.checksums,
    )
    components.state.spoken.append(
        SpokenText(path=job.output, text=utterance.text, language=utterance.language, voice=utterance.voice)
    )
    return _audio_of(request, components, result)


def _audio_of(request: Request, components: Components, result: StoredResult) -> SpeechAudio:
    url = components.state.storage.url(result, origin=origin(request))
    return SpeechAudio(data="", url=url, id=f"audio_{request_id(request)}", expires_at=result.expires)
