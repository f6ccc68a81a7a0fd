"""The task API: submit, query, list, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request

from airflow_provider_videoretalk.emulator.api.listing import LISTED, MAX_PAGE_SIZE, ListQuery, list_tasks
from airflow_provider_videoretalk.emulator.api.middleware import API, SUBMIT_PATH
from airflow_provider_videoretalk.emulator.api.openapi import header, operation, parameter, refusals
from airflow_provider_videoretalk.emulator.api.replies import origin, reply, request_id
from airflow_provider_videoretalk.emulator.api.requests import (
    VideoRetalkRequest,
    read_body,
    read_json,
    read_model,
    require_media_url,
)
from airflow_provider_videoretalk.emulator.api.services import enter, services_of
from airflow_provider_videoretalk.emulator.api.wire import (
    CancelReply,
    SubmitReply,
    SubmittedTask,
    TaskOutput,
    TaskPage,
    TaskReply,
    Usage,
)
from airflow_provider_videoretalk.emulator.service.errors import ServiceError, model_not_found
from airflow_provider_videoretalk.emulator.service.task import MODEL, Task, TaskInputs, service_time

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse

    from airflow_provider_videoretalk.emulator.service.storage import Storage

router = APIRouter()

ASYNC = header("X-DashScope-Async", required=True, enum=["enable"])
# Any value but "enable" is as good as none.
RESOLVE = header("X-DashScope-OssResourceResolve")
LIST_QUERY = (
    parameter("task_id", type="string"),
    parameter("start_time", type="string", pattern="^[0-9]{14}$"),
    parameter("end_time", type="string", pattern="^[0-9]{14}$"),
    parameter("model_name", type="string"),
    parameter("status", type="string", enum=sorted(LISTED)),
    parameter("api_key_id", type="string"),
    parameter("region", type="string"),
    parameter("page_no", type="integer", minimum=1, default=1),
    parameter("page_size", type="integer", minimum=1, maximum=MAX_PAGE_SIZE, default=10),
)


@router.post(
    SUBMIT_PATH,
    response_model=SubmitReply,
    responses=refusals(400, 401, 403, 404, 413, 429),
    openapi_extra=operation(body=VideoRetalkRequest, headers=(ASYNC, RESOLVE)),
)
async def submit(request: Request) -> JSONResponse:
    """Submit a VideoRetalk task. The order of the checks is not known of the service."""
    services, caller = enter(request, "submit")
    if request.headers.get("x-dashscope-async") != "enable":
        raise ServiceError(403, "AccessDenied", "current user api does not support synchronous calls.")
    resolve = request.headers.get("x-dashscope-ossresourceresolve") == "enable"
    inputs = read_inputs(await read_json(request), resolve_oss=resolve)
    task = services.state.submit(
        caller=caller,
        inputs=inputs,
        origin=origin(request),
        resolve_oss=resolve,
        request_id=request_id(request),
        planned_failure=request.scope["state"].get("planned_failure"),
    )
    answer = SubmitReply(
        output=SubmittedTask(task_id=task.task_id, task_status=task.status), request_id=request_id(request)
    )
    services.runner.start(caller.account)
    return reply(answer)


@router.get(
    f"{API}/tasks",
    response_model=TaskPage,
    responses=refusals(400, 401, 404, 429),
    openapi_extra=operation(query=LIST_QUERY),
)
async def list_(request: Request) -> JSONResponse:
    """List the account's tasks."""
    services_of(request).state.require_part("list")
    services, caller = enter(request, "list")
    query = ListQuery.read(request.query_params, now=services.state.clock())
    page = list_tasks(services.state, account=caller.account, query=query, request_id=request_id(request))
    return reply(page)


@router.get(
    f"{API}/tasks/{{task_id}}",
    response_model=TaskReply,
    responses=refusals(400, 401, 404, 429),
    openapi_extra=operation(),
)
async def query(request: Request, task_id: str) -> JSONResponse:
    """Query a task: HTTP 200 also for one that is unknown, another account's or expired."""
    services, caller = enter(request, "query")
    task = services.state.find(account=caller.account, task_id=task_id)
    if task is None:
        output, usage = TaskOutput(task_id=task_id, task_status="UNKNOWN"), None
    else:
        output = show(task, storage=services.state.storage, base=origin(request))
        usage = None if task.usage is None else Usage.model_validate(vars(task.usage))
    return reply(TaskReply(request_id=request_id(request), output=output, usage=usage))


@router.post(
    f"{API}/tasks/{{task_id}}/cancel",
    response_model=CancelReply,
    responses=refusals(400, 401, 404, 429),
    openapi_extra=operation(),
)
async def cancel(request: Request, task_id: str) -> JSONResponse:
    """Cancel a task that is still queued."""
    services_of(request).state.require_part("cancel")
    services, caller = enter(request, "cancel")
    services.state.cancel(account=caller.account, task_id=task_id)
    return reply(CancelReply(request_id=request_id(request)))


def read_inputs(body: dict[str, Any], *, resolve_oss: bool) -> TaskInputs:
    """Check a submit's body; 404 for another model, else 400 for the first thing wrong with it.

    One of the vendor's two pages marks ``parameters`` as optional, the error page has a code for its absence; here its
    absence is refused.
    """
    if read_model(body) != MODEL:
        raise model_not_found()
    wanted = read_body(VideoRetalkRequest, body, parts=("input", "parameters"))
    urls = [wanted.input.video_url, wanted.input.audio_url]
    # The vendor's sample request sends an empty text for "no reference image".
    if wanted.input.ref_image_url:
        urls.append(wanted.input.ref_image_url)
    for url in urls:
        require_media_url(url)
        if url.startswith("oss://") and not resolve_oss:
            # The message is documented; its code, and whether it comes at submit, are not certain.
            message = f"No connection adapters were found for '{url}'"
            raise ServiceError(400, "InvalidParameter.DataInspection", message)
    return TaskInputs(
        video_url=urls[0],
        audio_url=urls[1],
        ref_image_url=wanted.input.ref_image_url or None,
        video_extension=wanted.parameters.video_extension,
        query_face_threshold=wanted.parameters.query_face_threshold,
    )


def show(task: Task, *, storage: Storage, base: str) -> TaskOutput:
    """A task as a query shows it; `base` is where its result URL points to."""
    if task.status == "CANCELED":
        # Which further fields a cancelled task has is not known.
        return TaskOutput(task_id=task.task_id, task_status=task.status)
    result = storage.results.get(task.result_key or "")
    return TaskOutput(
        task_id=task.task_id,
        task_status=task.status,
        submit_time=service_time(task.submitted),
        scheduled_time=None if task.scheduled is None else service_time(task.scheduled),
        end_time=None if task.ended is None else service_time(task.ended),
        video_url=None if result is None else storage.url(result, origin=base),
        code=task.code,
        message=task.message,
    )
