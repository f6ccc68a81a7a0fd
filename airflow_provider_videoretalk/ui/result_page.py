"""The routes of a video's result page and of its parts, which the browser loads separately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse

from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS, Task
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.outbound.host_access import HostAccess
from airflow_provider_videoretalk.ui.address_limits import Id, MapIndex
from airflow_provider_videoretalk.ui.airflow_db.state_changes import StateChange, find_state_change
from airflow_provider_videoretalk.ui.airflow_db.task_logs import TaskLog, find_task_log, unread_cause
from airflow_provider_videoretalk.ui.airflow_db.task_queries import find_noted_error, find_task_row
from airflow_provider_videoretalk.ui.airflow_db.task_row import TaskRow
from airflow_provider_videoretalk.ui.airflow_db.trigger_arguments import read_trigger_arguments
from airflow_provider_videoretalk.ui.airflow_db.wait_facts import read_wait_facts
from airflow_provider_videoretalk.ui.failure_reason import FailureReason, find_failure_reason, noted_failure_reason
from airflow_provider_videoretalk.ui.job_outcome import outcome_of
from airflow_provider_videoretalk.ui.media_response import MediaResponse
from airflow_provider_videoretalk.ui.media_stream import open_first_available
from airflow_provider_videoretalk.ui.page_rendering import render_page
from airflow_provider_videoretalk.ui.permissions import CAN_READ_LOGS, CAN_READ_RUNS, SessionDep
from airflow_provider_videoretalk.ui.playable_media import Part, StoredMedium, find_media, services_copy
from airflow_provider_videoretalk.ui.return_values import get_number
from airflow_provider_videoretalk.ui.service_answer import NoAnswer
from airflow_provider_videoretalk.ui.service_status import fetch_job, service_endpoint
from airflow_provider_videoretalk.ui.shared_answers import SharedAnswers, Unanswered
from airflow_provider_videoretalk.ui.submitted_job import find_submitted_job, with_job
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef
from airflow_provider_videoretalk.ui.task_outputs import load_video
from airflow_provider_videoretalk.ui.video import Video
from airflow_provider_videoretalk.ui.wait_reason import wait_reasons

router = APIRouter(prefix="/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/{map_index}")

# A log may lie on a worker that does not answer, or in a slow store.
_FAILURES: SharedAnswers[tuple[FailureReason | None]] = SharedAnswers(seconds=10.0, threads_each=1)

_PARTS: tuple[Part, ...] = ("source", "result", "audio", "subtitles")


def _task_row(session: SessionDep, dag_id: Id, run_id: Id, task_id: Id, map_index: MapIndex) -> TaskRow:
    row = find_task_row(session, TaskInstanceRef(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index))
    if row is None:
        raise HTTPException(404, "There is no such task instance.")
    return row


def _video(session: SessionDep, row: Annotated[TaskRow, Depends(_task_row)]) -> Video:
    video = load_video(session, row)
    # No database connection is held while a route sends requests.
    session.close()
    return video


VideoDep = Annotated[Video, Depends(_video)]


@router.get("", dependencies=CAN_READ_RUNS)
def show(request: Request, video: VideoDep) -> HTMLResponse:
    """The result page."""
    media = {part: find_media(video, part) for part in _PARTS}
    return render_page(
        request,
        "video.html",
        video=video,
        details=video.details,
        playable={part: bool(found) for part, found in media.items()},
        has_published_copy=any(isinstance(medium, StoredMedium) for medium in media["result"]),
        now=datetime.now(timezone.utc),
    )


@dataclass(frozen=True, kw_only=True)
class _AirflowFacts:
    """What Airflow's database says of a video without a result.

    :param arguments: of the trigger for which a task waits
    :param reasons: why a task does not go on
    :param change: who, or what, ended a task from outside
    """

    arguments: Mapping[str, Any]
    reasons: Sequence[str]
    change: StateChange | None


def _airflow_facts(session: SessionDep, video: VideoDep) -> _AirflowFacts:
    arguments: Mapping[str, Any] = {}
    facts, change = None, None
    if video.phase == "waiting":
        task = video.waiting_task
        arguments = read_trigger_arguments(session, video.nearest_in_state("deferred"))
        facts = read_wait_facts(session, task)
        if video.states.get(task) == "up_for_retry":
            change = _change(session, video, task)
    elif video.lacks_result:
        change = next((found for task in video.ended_tasks if (found := _change(session, video, task))), None)
    session.close()
    return _AirflowFacts(arguments=arguments, reasons=wait_reasons(facts), change=change)


def _change(session: SessionDep, video: Video, task: TaskInstanceRef) -> StateChange | None:
    related = {ref.task_id for ref in video.states}
    return find_state_change(session, task, state=video.states.get(task), related=related)


AirflowFactsDep = Annotated[_AirflowFacts, Depends(_airflow_facts)]


@router.get("/status", dependencies=CAN_READ_RUNS)
async def status(request: Request, video: VideoDep, facts: AirflowFactsDep) -> HTMLResponse:
    """The progress of a video that waits: the render job's state at the service, its times and its limits."""
    if video.phase != "waiting":
        return render_page(request, "changed.html")
    answer = await fetch_job(video.conn_id, video.job_id) if video.job_id else None
    job = answer if isinstance(answer, Task) else None
    return render_page(
        request,
        "status.html",
        video=video,
        job=job,
        no_answer=answer if isinstance(answer, NoAnswer) else None,
        now=datetime.now(timezone.utc),
        submitted_at=job.submitted_at if job and job.submitted_at else video.submitted_at,
        held_until=video.expected_start,
        expected_render=_expected_render(video, facts.arguments),
        poll_policy=facts.arguments.get("poll_policy") or {},
        service_seconds=JOB_SECONDS,
        cancellable=_is_cancellable(video, job, facts.arguments),
        reasons=facts.reasons,
        change=facts.change,
    )


@router.get("/outcome", dependencies=CAN_READ_RUNS)
async def outcome(request: Request, video: VideoDep, facts: AirflowFactsDep) -> HTMLResponse:
    """What became of the render job whose tasks have ended without a result, by the service's word."""
    if not video.lacks_result:
        return render_page(request, "changed.html")
    record = await find_submitted_job(video)
    video = with_job(video, record)
    answer = await fetch_job(video.conn_id, video.job_id) if video.job_id else None
    found = outcome_of(
        answer,
        now=datetime.now(timezone.utc),
        submitted_at=video.submitted_at,
        expected_render=_expected_render(video, facts.arguments),
    )
    playable = found.kind == "made" and found.job is not None and bool(services_copy(found.job))
    # The history's latest job can be another one than that of the task's XComs.
    record = record if record and record.job_id in (None, video.job_id) else None
    return render_page(
        request,
        "outcome.html",
        video=video,
        outcome=found,
        job=found.job,
        playable=playable,
        change=facts.change,
        record=record,
        published=record.published if record else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """
    :param log: of the task that failed
    :param noted: the error that it noted itself
    :param change: who, or what, ended it from outside; ``None`` where another part of the page says so
    """

    log: TaskLog
    noted: FailureReason | None
    change: StateChange | None


def _failure(session: SessionDep, video: VideoDep) -> _Failure:
    # The nearest failed task, since the viewed one may only be upstream_failed.
    waits_for_retry = video.phase == "waiting" and video.states.get(video.waiting_task) == "up_for_retry"
    log = find_task_log(session, video.waiting_task if waits_for_retry else video.nearest_in_state("failed"))
    change = None
    if video.phase == "unpublished":
        change = _change(session, video, log.ref)
    noted = noted_failure_reason(find_noted_error(session, log.ref))
    session.close()
    return _Failure(log=log, noted=noted, change=change)


@router.get("/failure", dependencies=CAN_READ_LOGS)
async def failure(request: Request, video: VideoDep, failed: Annotated[_Failure, Depends(_failure)]) -> HTMLResponse:
    """The error and its remedy: as the task noted it, else by its log."""
    log = failed.log
    found: tuple[FailureReason | None] | Unanswered = (failed.noted,)
    if failed.noted is None:
        found = await _FAILURES.get(log.ref, lambda: (find_failure_reason(log.read_last_lines()),), source=log.ref.path)
    return render_page(
        request,
        "failure.html",
        failure=None if isinstance(found, Unanswered) else found[0],
        unread=unread_cause(found) if isinstance(found, Unanswered) else "",
        video=video,
        failed=log.ref,
        change=failed.change,
    )


@router.get("/media/{part}", dependencies=CAN_READ_RUNS)
async def media(request: Request, video: VideoDep, part: Part) -> MediaResponse:
    """The bytes of the source, the result, the audio or the subtitles, or a range of them."""

    def access(url: str) -> HostAccess:
        # Other private addresses are refused, also with allow_private: an XCom may name any.
        endpoint = service_endpoint(video.conn_id)
        return endpoint.media_access(url) if endpoint is not None and endpoint.is_own(url) else HostAccess()

    range_header = request.headers.get("range")
    found = find_media(video, part)
    if part == "result" and video.lacks_result:
        video = with_job(video, await find_submitted_job(video) if video.job_id is None else None)
        answer = await fetch_job(video.conn_id, video.job_id) if video.job_id else None
        found += services_copy(answer) if isinstance(answer, Task) else []
    stream = partial(open_first_available, found, range_header=range_header, access=access)
    return MediaResponse(stream, name=video.file_name if part == "result" else f"{video.name} {part}")


def _is_cancellable(video: Video, job: Task | None, arguments: Mapping[str, Any]) -> bool:
    """Whether marking Airflow's task failed cancels the render job. A sensor does so only with ``cancel_on_kill``."""
    is_queued = video.job_id is not None and (job is None or job.status == "PENDING")
    return is_queued and bool(arguments.get("cancel_on_kill", not video.waits_in_sensor))


def _expected_render(video: Video, arguments: Mapping[str, Any]) -> float | None:
    """The expected render time in seconds, by the length of the video."""
    seconds = get_number(arguments, "expected_seconds") or get_number(video.speech, "seconds")
    return seconds * VIDEORETALK.render_factor if seconds else None
