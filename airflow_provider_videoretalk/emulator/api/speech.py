"""Speech synthesis over plain HTTP: the CosyVoice and the Qwen endpoint."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request

from airflow_provider_videoretalk.emulator.api.middleware import COSYVOICE_PATH, QWEN_PATH
from airflow_provider_videoretalk.emulator.api.openapi import operation, refusals
from airflow_provider_videoretalk.emulator.api.replies import origin, reply, request_id
from airflow_provider_videoretalk.emulator.api.requests import read_body, read_json, read_model
from airflow_provider_videoretalk.emulator.api.services import Services, enter
from airflow_provider_videoretalk.emulator.api.speech_requests import LANGUAGES, CosyVoiceRequest, QwenRequest
from airflow_provider_videoretalk.emulator.api.speech_text import (
    QWEN3_CHARACTERS,
    SpeechFamily,
    count_characters,
    family_of,
)
from airflow_provider_videoretalk.emulator.api.wire import (
    CosyVoiceOutput,
    CosyVoiceReply,
    CosyVoiceUsage,
    QwenOutput,
    QwenReply,
    QwenUsage,
    SpeechAudio,
)
from airflow_provider_videoretalk.emulator.engine.refusal import MediaRefusedError, SpeechUnavailableError
from airflow_provider_videoretalk.emulator.service.errors import (
    ServiceError,
    invalid_parameter,
    model_not_found,
    url_error,
)
from airflow_provider_videoretalk.emulator.service.task import service_day
from airflow_provider_videoretalk.emulator.work.engine_port import AudioFormat, SpeechJob

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse

    from airflow_provider_videoretalk.emulator.service.storage import StoredResult

router = APIRouter()

MEDIA_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm": "application/octet-stream", "opus": "audio/ogg"}
QWEN_SAMPLE_RATE = 24000
# The server's limit for a synchronous call, in seconds.
SYNC_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """What is to be said, in either family's terms. `rate` is a factor, `sample_rate` in Hz."""

    model: str
    text: str
    voice: str
    audio_format: AudioFormat
    sample_rate: int
    rate: float
    language: str | None


@router.post(
    COSYVOICE_PATH,
    response_model=CosyVoiceReply,
    responses=refusals(400, 401, 404, 413, 429, 500),
    openapi_extra=operation(body=CosyVoiceRequest),
)
async def synthesize_cosyvoice(request: Request) -> JSONResponse:
    """CosyVoice and Qwen-Audio models."""
    services, body = await _open(request, family="cosyvoice")
    wanted = read_body(CosyVoiceRequest, body, parts=("input",))
    spoken = wanted.input
    _require_voice(wanted.model, spoken.voice)
    characters = _count(spoken.text, limit=services.settings.cosyvoice_characters, ssml=spoken.enable_ssml)
    utterance = Utterance(
        model=wanted.model,
        text=spoken.text,
        voice=spoken.voice,
        audio_format=spoken.format,
        sample_rate=spoken.sample_rate,
        rate=spoken.rate,
        language=spoken.language_hints[0] if spoken.language_hints else None,
    )
    audio = await _say(request, services, utterance)
    output = CosyVoiceOutput(finish_reason="stop", audio=audio)
    usage = CosyVoiceUsage(characters=characters)
    return reply(CosyVoiceReply(request_id=request_id(request), output=output, usage=usage))


@router.post(
    QWEN_PATH,
    response_model=QwenReply,
    responses=refusals(400, 401, 404, 413, 429, 500),
    openapi_extra=operation(body=QwenRequest),
)
async def synthesize_qwen(request: Request) -> JSONResponse:
    """Qwen-TTS and Qwen3-TTS models; always WAV at 24 kHz, as documented."""
    services, body = await _open(request, family="qwen")
    wanted = read_body(QwenRequest, body, parts=("input",))
    spoken = wanted.input
    # Qwen-TTS's own limit is in tokens, which this emulator cannot count.
    limit = QWEN3_CHARACTERS if wanted.model.startswith("qwen3-") else None
    characters = _count(spoken.text, limit=limit)
    utterance = Utterance(
        model=wanted.model,
        text=spoken.text,
        voice=spoken.voice,
        audio_format="wav",
        sample_rate=QWEN_SAMPLE_RATE,
        rate=1.0,
        language=LANGUAGES.get(spoken.language_type),
    )
    audio = await _say(request, services, utterance)
    answer = QwenReply(
        status_code=200,
        request_id=request_id(request),
        code="",
        message="",
        output=QwenOutput(text=None, finish_reason="stop", choices=None, audio=audio),
        usage=QwenUsage(input_tokens=0, output_tokens=0, characters=characters),
    )
    return reply(answer, keep_none=True)


async def _open(request: Request, *, family: SpeechFamily) -> tuple[Services, dict[str, object]]:
    """Let a speech request in and check that its model is one of this endpoint's."""
    services, _ = enter(request, "speech")
    body = await read_json(request)
    found = family_of(read_model(body))
    if found is None:
        raise model_not_found()
    if found != family:
        raise url_error()
    if request.headers.get("x-dashscope-sse") == "enable":
        raise invalid_parameter("This emulator does not stream: leave X-DashScope-SSE out.")
    return services, body


def _count(text: str, *, limit: int | None, ssml: bool = False) -> int:
    """Count a text; 400 for one that is blank or too long. The service's messages for both are not known."""
    if not text.strip():
        raise invalid_parameter("input.text must not be empty")
    characters = count_characters(text, ssml=ssml)
    if limit is not None and characters > limit:
        raise invalid_parameter(f"Range of input length should be [1, {limit}]")
    return characters


def _require_voice(model: str, voice: str) -> None:
    """CosyVoice 3.5 has no system voices: only one made with it will do. How 418 shows up is third-party knowledge."""
    if model.startswith("cosyvoice-v3.5-") and not voice.startswith(model):
        raise invalid_parameter("[cosyvoice:]Engine return error code: 418")


async def _say(request: Request, services: Services, utterance: Utterance) -> SpeechAudio:
    """Synthesise and publish; 500 when this machine cannot."""
    storage = services.state.storage
    name = f"{uuid.uuid4().hex}.{utterance.audio_format}"
    job = SpeechJob(
        text=utterance.text,
        voice=utterance.voice,
        output=storage.folder("results") / name,
        audio_format=utterance.audio_format,
        sample_rate=utterance.sample_rate,
        rate=utterance.rate,
        language=utterance.language,
    )
    try:
        outcome = await asyncio.wait_for(services.engine.speak(job), SYNC_SECONDS)
    except MediaRefusedError as refusal:
        raise ServiceError(400, refusal.code or "InvalidParameter", refusal.message or "") from None
    except SpeechUnavailableError as impossible:
        raise ServiceError(500, "InternalError.Algo", f"This emulator cannot say that: {impossible}") from None
    except asyncio.TimeoutError:
        message = "Request timed out, please try again later."
        raise ServiceError(500, "RequestTimeOut", message) from None
    result = storage.publish(
        key=f"pre/{utterance.model}/{service_day(services.state.clock())}/{name}",
        path=job.output,
        media_type=MEDIA_TYPES[utterance.audio_format],
        checksums=outcome.checksums,
    )
    return _audio(request, services, result)


def _audio(request: Request, services: Services, result: StoredResult) -> SpeechAudio:
    url = services.state.storage.url(result, origin=origin(request))
    return SpeechAudio(data="", url=url, id=f"audio_{request_id(request)}", expires_at=result.expires)
