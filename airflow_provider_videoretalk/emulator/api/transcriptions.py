"""The submit of a transcription: two families of models, whose requests differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from airflow_provider_videoretalk.emulator.api.components import authorize
from airflow_provider_videoretalk.emulator.api.openapi import operation, refusals
from airflow_provider_videoretalk.emulator.api.paths import TRANSCRIPTION_SUBMIT_PATH
from airflow_provider_videoretalk.emulator.api.request_body import read_json_object
from airflow_provider_videoretalk.emulator.api.request_models import (
    INTEGRAL,
    Body,
    MediaUrl,
    read_body,
    read_model,
    require_media_url,
    require_resolved,
    resolves_oss,
)
from airflow_provider_videoretalk.emulator.api.response_models import SubmitReply
from airflow_provider_videoretalk.emulator.api.tasks import (
    ASYNC,
    RESOLVE,
    queue_job,
    require_async_header,
    submitted_reply,
)
from airflow_provider_videoretalk.emulator.service.errors import model_not_found
from airflow_provider_videoretalk.emulator.service.job_inputs import TranscriptionInputs

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse

router = APIRouter()

FILE_MODELS = ("qwen3-asr-flash-filetrans",)
LIST_MODELS = ("qwen-audio-3.0-asr-flash-filetrans", "fun-asr", "fun-asr-mtl", "paraformer-v2")
MAX_FILES = 100

ChannelIds = Annotated[list[Annotated[int, INTEGRAL]], Field(min_length=1)]


class FileInput(Body):
    file_url: MediaUrl


class FileParameters(Body):
    """The emulator checks ``enable_itn`` and the channels, but they have no effect."""

    language: str | None = None
    enable_itn: bool = False
    enable_words: bool = False
    channel_id: ChannelIds = Field(default_factory=lambda: [0])


class TranscribeFileRequest(Body):
    model: Literal["qwen3-asr-flash-filetrans"]
    input: FileInput
    parameters: FileParameters = Field(default_factory=FileParameters)


class ListInput(Body):
    file_urls: Annotated[list[MediaUrl], Field(min_length=1, max_length=MAX_FILES)]


class ListParameters(Body):
    """The emulator checks the hints, the filter, the count and the channels, but they have no effect."""

    language_hints: list[str] = Field(default_factory=list)
    diarization_enabled: bool = False
    speaker_count: Annotated[int, Field(ge=2, le=100), INTEGRAL] | None = None
    special_word_filter: str | None = None
    channel_id: ChannelIds = Field(default_factory=lambda: [0])


class TranscribeListRequest(Body):
    model: str
    input: ListInput
    parameters: ListParameters = Field(default_factory=ListParameters)


@router.post(
    TRANSCRIPTION_SUBMIT_PATH,
    response_model=SubmitReply,
    responses=refusals(400, 401, 403, 404, 413, 429),
    openapi_extra=operation(
        body=TranscribeFileRequest, other_bodies=(TranscribeListRequest,), headers=(ASYNC, RESOLVE)
    ),
)
async def submit(request: Request) -> JSONResponse:
    """Submit a transcription."""
    components, caller = authorize(request, "submit", limit="transcription")
    require_async_header(request)
    body = await read_json_object(request)
    job = queue_job(request, caller, read_inputs(body, resolve_oss=resolves_oss(request)))
    reply = submitted_reply(request, job)
    components.runner.start(caller.account)
    return reply


def read_inputs(body: dict[str, Any], *, resolve_oss: bool) -> TranscriptionInputs:
    """Check the body of a submit; 404 for a model without transcription, 400 for the first wrong field."""
    model = read_model(body)
    if model in FILE_MODELS:
        one = read_body(TranscribeFileRequest, body, parts=("input",))
        urls, has_words, has_speakers = [one.input.file_url], one.parameters.enable_words, False
    elif model in LIST_MODELS:
        several = read_body(TranscribeListRequest, body, parts=("input",))
        urls, has_words, has_speakers = several.input.file_urls, True, several.parameters.diarization_enabled
    else:
        raise model_not_found()
    for url in urls:
        require_resolved(require_media_url(url), resolve_oss=resolve_oss)
    return TranscriptionInputs(
        model=model,
        urls=tuple(urls),
        is_list=model in LIST_MODELS,
        has_words=has_words,
        has_speakers=has_speakers,
        parameters=body.get("parameters") or {},
    )
