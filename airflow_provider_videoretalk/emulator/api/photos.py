"""Photos that are made to speak: the check of a photo, and the submits of the two models."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from airflow_provider_videoretalk.emulator.api.components import authorize
from airflow_provider_videoretalk.emulator.api.openapi import operation, refusals
from airflow_provider_videoretalk.emulator.api.paths import DETECT_SUBMIT_PATH
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
from airflow_provider_videoretalk.emulator.api.response_models import DetectReply, DetectUsage
from airflow_provider_videoretalk.emulator.api.responses import json_response, origin, request_id
from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.execution.input_fetcher import SyncRequester
from airflow_provider_videoretalk.emulator.service.errors import ServiceError, model_not_found
from airflow_provider_videoretalk.emulator.service.job_inputs import PhotoInputs

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse

router = APIRouter()

PHOTO_MODELS = ("wan2.2-s2v", "liveportrait")
# Each names its verdict in its own way.
VERDICTS = {"wan2.2-s2v-detect": "check_pass", "liveportrait-detect": "pass"}


class DetectInput(Body):
    image_url: MediaUrl


class DetectRequest(Body):
    model: Literal["wan2.2-s2v-detect", "liveportrait-detect"]
    input: DetectInput


class PhotoInput(Body):
    image_url: MediaUrl
    audio_url: MediaUrl


class WanParameters(Body):
    resolution: Literal["480P", "720P"] = "720P"


class WanRequest(Body):
    model: Literal["wan2.2-s2v"]
    input: PhotoInput
    parameters: WanParameters = Field(default_factory=WanParameters)


class PortraitParameters(Body):
    """The emulator checks them, but they have no effect."""

    template_id: Literal["normal", "calm", "active"] = "normal"
    video_fps: Annotated[int, Field(ge=15, le=30), INTEGRAL] = 24
    paste_back: bool = True


class PortraitRequest(Body):
    model: Literal["liveportrait"]
    input: PhotoInput
    parameters: PortraitParameters = Field(default_factory=PortraitParameters)


@router.post(
    DETECT_SUBMIT_PATH,
    response_model=DetectReply,
    responses=refusals(400, 401, 404, 413, 429, 500),
    openapi_extra=operation(body=DetectRequest),
)
async def detect(request: Request) -> JSONResponse:
    """Check a photo. The answer is billed, whatever it is."""
    components, caller = authorize(request, "detect")
    body = await read_json_object(request)
    model = read_model(body)
    if model not in VERDICTS:
        raise model_not_found()
    url = read_body(DetectRequest, body, parts=("input",)).input.image_url
    require_resolved(require_media_url(url), resolve_oss=resolves_oss(request))
    folder = components.state.storage.folder(f"work/{uuid.uuid4()}")
    requester = SyncRequester(account=caller.account, model=model, origin=origin(request))
    try:
        photo = await components.fetcher.fetch(url=url, name="photo", job=requester, folder=folder)
        faces = await components.engine.count_faces(photo)
    except MediaRefusedError as refusal:
        raise ServiceError(400, refusal.code or "InvalidParameter", refusal.message or "") from None
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    request.scope["state"]["billed"] = {"model": model, "images": 1}
    output: dict[str, bool | str] = {VERDICTS[model]: faces == 1}
    if model == "wan2.2-s2v-detect":
        output["humanoid"] = faces > 0
    if faces != 1:
        output["message"] = "No human face detected." if not faces else f"The image shows {faces} faces."
    return json_response(DetectReply(request_id=request_id(request), output=output, usage=DetectUsage(image_count=1)))


def read_photo_inputs(model: str, body: dict[str, Any], *, resolve_oss: bool) -> PhotoInputs:
    """Check the body of a submit of one of :data:`PHOTO_MODELS`; 400 for the first wrong field."""
    parsed: WanRequest | PortraitRequest
    side: int | None = None
    if model == "wan2.2-s2v":
        parsed = read_body(WanRequest, body, parts=("input",))
        side = 480 if parsed.parameters.resolution == "480P" else 720
    else:
        parsed = read_body(PortraitRequest, body, parts=("input",))
    for url in (parsed.input.image_url, parsed.input.audio_url):
        require_resolved(require_media_url(url), resolve_oss=resolve_oss)
    return PhotoInputs(
        model=model,
        image_url=parsed.input.image_url,
        audio_url=parsed.input.audio_url,
        side=side,
        parameters=parsed.parameters.model_dump(),
    )
