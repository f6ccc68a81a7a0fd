"""Gateways whose routes and replies differ from the service's: the emulator plays one of them instead of the service.

Each has the routes that its public documentation has, below its own prefix, and no list, no cancelling, no uploads and
no speech. Gateways that only have a prefix before ``/api/v1`` need no setting.

=================  ==============================================================  ====================================
gateway            submit                                                          query
=================  ==============================================================  ====================================
video-tasks        ``/qwen/api/v1/services/aigc/video-generation/generation``      ``/qwen/api/v1/tasks/video/{id}``
flat-tasks         ``/wan/api/v1/services/aigc/video-generation/video-synthesis``  ``/v1/tasks/{id}``, without a prefix
video-generations  ``/v1/video/generations``                                       ``/v1/video/generations/{id}``
=================  ==============================================================  ====================================

The first two also take a submit at VideoRetalk's own path below their prefix, as gateways that offer VideoRetalk do.
Their answers to an unknown id and to an unknown path are not documented, unless the functions here say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from airflow_provider_videoretalk.emulator.api.components import Components, authorize
from airflow_provider_videoretalk.emulator.api.paths import (
    GATEWAY_PREFIXES,
    GATEWAY_SUBMIT_PATH,
    GENERATIONS_PATH,
    SUBMIT_PATH,
)
from airflow_provider_videoretalk.emulator.api.request_body import read_json_object
from airflow_provider_videoretalk.emulator.api.responses import origin, request_id
from airflow_provider_videoretalk.emulator.api.tasks import create_job, require_async_header, task_output
from airflow_provider_videoretalk.emulator.service.errors import ServiceError

if TYPE_CHECKING:
    from fastapi.responses import Response

    from airflow_provider_videoretalk.emulator.service.render_job import RenderJob
    from airflow_provider_videoretalk.emulator.settings import Gateway

_FLAT = {"PENDING": "submitted", "SUCCEEDED": "completed", "FAILED": "failed"}
_GENERATION = {"PENDING": "queued", "SUCCEEDED": "completed", "FAILED": "failed"}
_BUSY = "in_progress"


def gateway_router(gateway: Gateway) -> APIRouter:
    """The routes of a gateway."""
    router = APIRouter(include_in_schema=False)
    prefix = GATEWAY_PREFIXES[gateway]
    if gateway == "video-tasks":
        router.post(f"{prefix}{GATEWAY_SUBMIT_PATH}/generation")(_submit_video_task)
        router.post(f"{prefix}{SUBMIT_PATH}")(_submit_video_task)
        router.get(f"{prefix}/api/v1/tasks/video/{{task_id}}")(_query_video_task)
    elif gateway == "flat-tasks":
        router.post(f"{prefix}{GATEWAY_SUBMIT_PATH}/video-synthesis")(_submit_flat_task)
        router.post(f"{prefix}{SUBMIT_PATH}")(_submit_flat_task)
        router.get("/v1/tasks/{task_id}")(_query_flat_task)
    else:
        router.post(GENERATIONS_PATH)(_submit_generation)
        router.get(f"{GENERATIONS_PATH}/{{task_id}}")(_query_generation)
    return router


def gateway_error(request: Request, gateway: Gateway, error: ServiceError) -> Response:
    """An error reply: DashScope's own fields, or ``error`` with them."""
    if gateway == "video-tasks":
        if error.code == "NotFound":
            return HTMLResponse("404 page not found", status_code=404)
        content: dict[str, Any] = {"code": error.code, "message": error.message, "request_id": request_id(request)}
    elif error.code == "task_not_exist":
        # Documented by the source of the gateway's software.
        content = {"code": error.code, "message": error.message, "data": None}
    else:
        message = f"Invalid URL ({request.method} {request.url.path})" if error.code == "NotFound" else error.message
        content = {"error": {"code": error.code, "message": message, "type": "invalid_request_error", "param": ""}}
    return JSONResponse(content, status_code=error.status, headers=error.headers)


async def _submit_video_task(request: Request) -> JSONResponse:
    """DashScope's own reply."""
    require_async_header(request)
    job = await _submitted(request)
    return JSONResponse({"output": {"task_id": job.task_id, "task_status": "PENDING"}, "request_id": job.request_id})


async def _query_video_task(request: Request, task_id: str) -> JSONResponse:
    """``output.task_status`` and ``output.video_url``; the reply has no id. An unknown id: DashScope's own answer."""
    components, job = _found(request, task_id)
    if job is None:
        return JSONResponse({"output": {"task_status": "UNKNOWN"}, "request_id": request_id(request)})
    output = task_output(job, storage=components.state.storage, base=origin(request))
    status = output.task_status if job.final or output.task_status == "PENDING" else "RUNNING"
    fields = {"task_status": status, "video_url": output.video_url, "code": output.code, "message": output.message}
    content = {"output": {name: value for name, value in fields.items() if value is not None}}
    return JSONResponse({**content, "request_id": request_id(request)})


async def _submit_flat_task(request: Request) -> JSONResponse:
    """The id as ``task_id``; the rest of the reply is not documented."""
    require_async_header(request)
    job = await _submitted(request)
    return JSONResponse({"task_id": job.task_id, "status": "submitted"})


async def _query_flat_task(request: Request, task_id: str) -> JSONResponse:
    """``status``, ``result_url`` and ``error`` at the top level. An unknown id: 404 with such an ``error``."""
    components, job = _found(request, task_id)
    if job is None:
        raise ServiceError(404, "task_not_found", "Task not found")
    output = task_output(job, storage=components.state.storage, base=origin(request))
    content: dict[str, Any] = {"status": _FLAT.get(output.task_status, _BUSY)}
    if output.video_url:
        content["result_url"] = output.video_url
    if job.status == "FAILED":
        content["error"] = {"code": output.code, "message": output.message}
    return JSONResponse(content)


async def _submit_generation(request: Request) -> JSONResponse:
    """``task_id`` and ``status``. The body has ``model``, and the model's own fields in ``metadata``."""
    job = await _submitted(request, body_of=_unpacked)
    return JSONResponse({"task_id": job.task_id, "status": "queued"})


async def _query_generation(request: Request, task_id: str) -> JSONResponse:
    """The result's URL at ``metadata.url``. An unknown id: 400 ``task_not_exist``."""
    components, job = _found(request, task_id)
    if job is None:
        raise ServiceError(400, "task_not_exist", "task_not_exist")
    output = task_output(job, storage=components.state.storage, base=origin(request))
    content: dict[str, Any] = {
        "id": job.task_id,
        "task_id": job.task_id,
        "object": "video",
        "model": "videoretalk",
        "status": _GENERATION.get(output.task_status, _BUSY),
        "progress": 100 if job.final else 0,
        "created_at": int(job.submitted),
    }
    if job.ended is not None:
        content["completed_at"] = int(job.ended)
    if output.video_url:
        content["metadata"] = {"url": output.video_url}
    if job.status == "FAILED":
        content["error"] = {"code": output.code, "message": output.message}
    return JSONResponse(content)


def _unpacked(body: dict[str, Any]) -> dict[str, Any]:
    metadata = body.get("metadata")
    return {"model": body.get("model"), **(metadata if isinstance(metadata, dict) else {})}


async def _submitted(request: Request, *, body_of: Any = dict) -> RenderJob:
    components, caller = authorize(request, "submit")
    job = create_job(request, caller, body_of(await read_json_object(request)))
    components.runner.start(caller.account)
    return job


def _found(request: Request, task_id: str) -> tuple[Components, RenderJob | None]:
    components, caller = authorize(request, "query")
    return components, components.state.find_job(account=caller.account, task_id=task_id)
