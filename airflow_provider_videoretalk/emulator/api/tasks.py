"""The routes of the service's task API: submit, query, list and cancel a render job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request

from airflow_provider_videoretalk.emulator.api.components import authenticate, authorize, components_of
from airflow_provider_videoretalk.emulator.api.openapi import header, operation, parameter, refusals
from airflow_provider_videoretalk.emulator.api.paths import API, SUBMIT_PATH
from airflow_provider_videoretalk.emulator.api.photos import (
    PHOTO_MODELS,
    PortraitRequest,
    WanRequest,
    read_photo_inputs,
)
from airflow_provider_videoretalk.emulator.api.request_body import read_json_object
from airflow_provider_videoretalk.emulator.api.request_models import (
    VideoRetalkRequest,
    read_body,
    read_model,
    require_media_url,
    require_resolved,
    resolves_oss,
)
from airflow_provider_videoretalk.emulator.api.response_models import (
    CancelReply,
    SubmitReply,
    SubmittedTask,
    TaskOutput,
    TaskPage,
    TaskReply,
    Usage,
)
from airflow_provider_videoretalk.emulator.api.responses import json_response, origin, request_id
from airflow_provider_videoretalk.emulator.api.task_list import LISTED_STATUSES, MAX_PAGE_SIZE, ListQuery, list_tasks
from airflow_provider_videoretalk.emulator.service.clock import service_time
from airflow_provider_videoretalk.emulator.service.errors import ServiceError, model_not_found
from airflow_provider_videoretalk.emulator.service.job_inputs import VideoRetalkInputs
from airflow_provider_videoretalk.emulator.service.render_job import RenderJob, ResultKey
from airflow_provider_videoretalk.model_catalog.videoretalk import MODEL

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse

    from airflow_provider_videoretalk.emulator.service.job_inputs import JobInputs
    from airflow_provider_videoretalk.emulator.service.state import Caller
    from airflow_provider_videoretalk.emulator.service.storage import Storage

router = APIRouter()

ASYNC = header("X-DashScope-Async", required=True, enum=["enable"])
# Every value except "enable" is ignored.
RESOLVE = header("X-DashScope-OssResourceResolve")
LIST_QUERY = (
    parameter("task_id", type="string"),
    parameter("start_time", type="string", pattern="^[0-9]{14}$"),
    parameter("end_time", type="string", pattern="^[0-9]{14}$"),
    parameter("model_name", type="string"),
    parameter("status", type="string", enum=sorted(LISTED_STATUSES)),
    parameter("api_key_id", type="string"),
    parameter("region", type="string"),
    parameter("page_no", type="integer", minimum=1, default=1),
    parameter("page_size", type="integer", minimum=1, maximum=MAX_PAGE_SIZE, default=10),
)


@router.post(
    SUBMIT_PATH,
    response_model=SubmitReply,
    responses=refusals(400, 401, 403, 404, 413, 429),
    openapi_extra=operation(
        body=VideoRetalkRequest, other_bodies=(WanRequest, PortraitRequest), headers=(ASYNC, RESOLVE)
    ),
)
async def submit(request: Request) -> JSONResponse:
    """Submit a render job. In which order the service checks a request is not known."""
    # The body waits for the key: a refused caller may send none.
    components, caller = authenticate(request)
    body = await read_json_object(request)
    components.state.count_call(caller, "photo" if body.get("model") in PHOTO_MODELS else "submit")
    require_async_header(request)
    job = create_job(request, caller, body)
    reply = submitted_reply(request, job)
    components.runner.start(caller.account)
    return reply


@router.get(
    f"{API}/tasks",
    response_model=TaskPage,
    responses=refusals(400, 401, 404, 429),
    openapi_extra=operation(query=LIST_QUERY),
)
async def list_(request: Request) -> JSONResponse:
    """List the render jobs of the account."""
    components_of(request).state.require_part("list")
    components, caller = authorize(request, "list")
    query = ListQuery.parse(request.query_params, now=components.state.clock())
    page = list_tasks(components.state, account=caller.account, query=query, request_id=request_id(request))
    return json_response(page)


@router.get(
    f"{API}/tasks/{{task_id}}",
    response_model=TaskReply,
    responses=refusals(400, 401, 404, 429),
    openapi_extra=operation(),
)
async def query(request: Request, task_id: str) -> JSONResponse:
    """Query a render job. The status is 200 also if it is unknown, expired or of another account."""
    components, caller = authorize(request, "query")
    job = components.state.find_job(account=caller.account, task_id=task_id)
    if job is None:
        output, usage = TaskOutput(task_id=task_id, task_status="UNKNOWN"), None
    else:
        output = task_output(job, storage=components.state.storage, base=origin(request))
        usage = None if job.outcome is None else Usage.model_validate(job.outcome.usage)
    return json_response(TaskReply(request_id=request_id(request), output=output, usage=usage))


@router.post(
    f"{API}/tasks/{{task_id}}/cancel",
    response_model=CancelReply,
    responses=refusals(400, 401, 404, 429),
    openapi_extra=operation(),
)
async def cancel(request: Request, task_id: str) -> JSONResponse:
    """Cancel a render job that is queued."""
    components_of(request).state.require_part("cancel")
    components, caller = authorize(request, "cancel")
    components.state.cancel(account=caller.account, task_id=task_id)
    return json_response(CancelReply(request_id=request_id(request)))


def require_async_header(request: Request) -> None:
    """403 for a submit that does not ask for an asynchronous job."""
    if request.headers.get("x-dashscope-async") != "enable":
        raise ServiceError(403, "AccessDenied", "current user api does not support synchronous calls.")


def create_job(request: Request, caller: Caller, body: dict[str, Any]) -> RenderJob:
    """Check the body of a submit, and queue its render job."""
    return queue_job(request, caller, read_inputs(body, resolve_oss=resolves_oss(request)))


def submitted_reply(request: Request, job: RenderJob) -> JSONResponse:
    """The reply to a submit. Made before the job may start: its status is PENDING."""
    submitted = SubmittedTask(task_id=job.task_id, task_status=job.status)
    return json_response(SubmitReply(output=submitted, request_id=request_id(request)))


def queue_job(request: Request, caller: Caller, inputs: JobInputs) -> RenderJob:
    """Queue a job for the checked body of a submit."""
    return components_of(request).state.submit(
        caller=caller,
        inputs=inputs,
        origin=origin(request),
        resolve_oss=resolves_oss(request),
        request_id=request_id(request),
        planned_failure=request.scope["state"].get("planned_failure"),
    )


def read_inputs(body: dict[str, Any], *, resolve_oss: bool) -> JobInputs:
    """Check the body of a submit; 404 for a model that is not played, 400 for the first wrong field."""
    model = read_model(body)
    if model in PHOTO_MODELS:
        return read_photo_inputs(model, body, resolve_oss=resolve_oss)
    if model == MODEL:
        return read_retalk_inputs(body, resolve_oss=resolve_oss)
    raise model_not_found()


def read_retalk_inputs(body: dict[str, Any], *, resolve_oss: bool) -> VideoRetalkInputs:
    """Check the body of a submit of VideoRetalk; 400 for the first wrong field.

    ``parameters`` is required here. One vendor page calls it optional, but the error page has a code for its absence.
    """
    parsed = read_body(VideoRetalkRequest, body, parts=("input", "parameters"))
    urls = [parsed.input.video_url, parsed.input.audio_url]
    # The vendor's sample request sends an empty string for "no reference image".
    if parsed.input.ref_image_url:
        urls.append(parsed.input.ref_image_url)
    for url in urls:
        require_resolved(require_media_url(url), resolve_oss=resolve_oss)
    return VideoRetalkInputs(
        video_url=urls[0],
        audio_url=urls[1],
        ref_image_url=parsed.input.ref_image_url or None,
        video_extension=parsed.parameters.video_extension,
        query_face_threshold=parsed.parameters.query_face_threshold,
    )


def task_output(job: RenderJob, *, storage: Storage, base: str) -> TaskOutput:
    """A render job in the reply to a query; `base` is the scheme and host of its result URL."""
    if job.status == "CANCELED":
        # Which other fields a cancelled render job has is not known.
        return TaskOutput(task_id=job.task_id, task_status=job.status)
    found = {} if job.outcome is None else _with_urls(job.outcome.output, storage=storage, base=base)
    return TaskOutput(
        task_id=job.task_id,
        task_status=job.status,
        submit_time=service_time(job.submitted),
        scheduled_time=None if job.scheduled is None else service_time(job.scheduled),
        end_time=None if job.ended is None else service_time(job.ended),
        code=job.code,
        message=job.message,
        **found,
    )


def _with_urls(value: Any, *, storage: Storage, base: str) -> Any:
    """JSON with URLs in the place of the keys of results."""
    if isinstance(value, ResultKey):
        return storage.url(storage.results[value], origin=base)
    if isinstance(value, dict):
        return {name: _with_urls(each, storage=storage, base=base) for name, each in value.items()}
    return [_with_urls(each, storage=storage, base=base) for each in value] if isinstance(value, list) else value
