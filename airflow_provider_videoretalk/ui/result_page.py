"""The page of one video, and the parts of it that load by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.taskinstance import TaskInstance
from anyio import to_thread
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.limits import RENDER_FACTOR, TASK_SECONDS
from airflow_provider_videoretalk.ui.access import LOG_READER, READER
from airflow_provider_videoretalk.ui.byte_range import UnsatisfiableError
from airflow_provider_videoretalk.ui.failure import failure_of
from airflow_provider_videoretalk.ui.media import Part, StoredMedium, media_of
from airflow_provider_videoretalk.ui.place import Place
from airflow_provider_videoretalk.ui.records import task_instance, trigger_arguments
from airflow_provider_videoretalk.ui.rendering import page
from airflow_provider_videoretalk.ui.service import host_of, task_now
from airflow_provider_videoretalk.ui.stream import THREADS, open_first
from airflow_provider_videoretalk.ui.told import number
from airflow_provider_videoretalk.ui.video import Video, video_of

router = APIRouter(prefix="/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/{map_index}")

_PARTS: tuple[Part, ...] = ("source", "result", "audio")


def _task_instance(session: SessionDep, dag_id: str, run_id: str, task_id: str, map_index: int) -> TaskInstance:
    place = Place(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
    found = task_instance(session, place)
    if found is None:
        raise HTTPException(404, "There is no such task instance.")
    return found


def _video(session: SessionDep, ti: Annotated[TaskInstance, Depends(_task_instance)]) -> Video:
    found = video_of(session, ti)
    # Whoever asks elsewhere next keeps no connection to the database for that.
    session.close()
    return found


Found = Annotated[Video, Depends(_video)]


@router.get("", dependencies=READER)
def show(request: Request, video: Found) -> HTMLResponse:
    """The page."""
    media = {part: media_of(video, part) for part in _PARTS}
    return page(
        request,
        "video.html",
        video=video,
        facts=video.facts,
        playable={part: bool(found) for part, found in media.items()},
        stored=any(isinstance(medium, StoredMedium) for medium in media["result"]),
        now=datetime.now(timezone.utc),
    )


@router.get("/status", dependencies=READER)
def status(request: Request, session: SessionDep, video: Found) -> HTMLResponse:
    """Where a video stands, as the service says, and for how long."""
    now = datetime.now(timezone.utc)
    arguments = trigger_arguments(task_instance(session, video.nearest_in("deferred")))
    session.close()
    task = task_now(video.conn_id, video.task_id) if video.task_id and video.phase == "waiting" else None
    submitted = task.submitted_at if task and task.submitted_at else video.submitted_at
    return page(
        request,
        "status.html",
        video=video,
        task=task,
        now=now,
        submitted=submitted,
        held_until=_moment(video.expected_start),
        expected=_expected_render(video, arguments),
        patience=arguments.get("patience") or {},
        service_seconds=TASK_SECONDS,
        cancellable=_is_cancellable(video, task, arguments),
    )


@router.get("/failure", dependencies=LOG_READER)
def failure(request: Request, session: SessionDep, video: Found) -> HTMLResponse:
    """Why it failed, and what to do: the one that is looked from may only have come to nothing with another task."""
    place = video.nearest_in("failed")
    failed = task_instance(session, place)
    return page(request, "failure.html", failure=failure_of(failed) if failed else None, video=video, place=place)


@router.get("/media/{part}", dependencies=READER)
async def media(request: Request, video: Found, part: Part) -> StreamingResponse:
    """The bytes of the source, the result or the audio, or the range of them that is asked for."""

    def is_ours(url: str) -> bool:
        host = host_of(video.conn_id)
        return host is not None and url.partition("://")[2].partition("/")[0] == host

    find = partial(open_first, media_of(video, part), asked=request.headers.get("range"), is_ours=is_ours)
    try:
        stream = await to_thread.run_sync(find, limiter=THREADS)
    except UnsatisfiableError:
        raise HTTPException(416, "The file has no such range.") from None
    except DashScopeError as error:
        raise HTTPException(404, f"{error.message}. {error.remedy}".strip()) from None
    return StreamingResponse(stream.drain(), status_code=stream.status, headers=dict(stream.headers))


def _is_cancellable(video: Video, task: Task | None, arguments: Mapping[str, Any]) -> bool:
    """Whether the task is cancelled by marking Airflow's task failed: a sensor does not, unless it was told to."""
    queued = video.task_id is not None and (task is None or task.status == "PENDING")
    return queued and bool(arguments.get("cancel_on_kill", not video.sensed))


def _expected_render(video: Video, arguments: Mapping[str, Any]) -> float | None:
    """Seconds that the render should take, by how long the video becomes."""
    seconds = number(arguments, "expected_seconds") or number(video.speech, "seconds")
    return seconds * RENDER_FACTOR if seconds else None


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, tz=timezone.utc) if seconds is not None else None
