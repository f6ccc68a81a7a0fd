"""The routes of the board and of its parts, which the browser loads separately."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from airflow_provider_videoretalk.ui.address_limits import MAX_PAGE, Day
from airflow_provider_videoretalk.ui.board import BoardPage, Cursor, Filters, load_board_page
from airflow_provider_videoretalk.ui.health_line import ask_for_health
from airflow_provider_videoretalk.ui.page_rendering import render_page
from airflow_provider_videoretalk.ui.permissions import CAN_READ_RUNS, CanReadLogs, ReadableDags, SessionDep
from airflow_provider_videoretalk.ui.queue_status import WaitingVideos, ask_for_queue, load_waiting_videos
from airflow_provider_videoretalk.ui.recent_batches import load_recent_batches
from airflow_provider_videoretalk.ui.recent_failures import RecentFailures, group_failures, load_recent_failures
from airflow_provider_videoretalk.ui.video import Phase
from airflow_provider_videoretalk.ui.word_search import MAX_LENGTH, WordSearch

router = APIRouter(dependencies=CAN_READ_RUNS)


def _filters(
    dag: Annotated[str, Query(max_length=250)] = "",
    state: Phase | Literal[""] = "",
    day: Day | Literal[""] = "",
    q: Annotated[str, Query(max_length=MAX_LENGTH)] = "",
) -> Filters:
    """The filters of the form. An empty field arrives as an empty text."""
    return Filters(dag=dag.strip() or None, state=state or None, day=day or None, search=WordSearch(q.strip()))


FiltersDep = Annotated[Filters, Depends(_filters)]


def _query_of(filters: Filters) -> str:
    """The inverse of :func:`_filters`: the query of an address."""
    values = {"dag": filters.dag, "state": filters.state, "day": filters.day, "q": filters.search.text}
    return urlencode({name: value or "" for name, value in values.items()})


After = Annotated[str, Query(max_length=300)]


def _board_page(session: SessionDep, dag_ids: ReadableDags, filters: FiltersDep, after: After = "") -> BoardPage:
    return load_board_page(session, dag_ids=dag_ids, filters=filters, after=Cursor.parse(after))


BoardPageDep = Annotated[BoardPage, Depends(_board_page)]


@router.get("/")
def show(request: Request, page: BoardPageDep, filters: FiltersDep, after: After = "") -> HTMLResponse:
    """The latest videos that match the filters."""
    chosen = _query_of(filters)
    return render_page(request, "board.html", page=page, filters=filters, chosen=chosen, after=after)


@router.get("/videos")
def videos(request: Request, page: BoardPageDep, filters: FiltersDep) -> HTMLResponse:
    """The cards of the videos alone, by which the board refreshes itself."""
    return render_page(request, "videos.html", page=page, filters=filters, chosen=_query_of(filters))


@router.get("/batches")
def batches(request: Request, session: SessionDep, dag_ids: ReadableDags, filters: FiltersDep) -> HTMLResponse:
    """The latest batches, also those that have submitted nothing yet."""
    found = load_recent_batches(session, dag_ids=dag_ids, filters=filters)
    return render_page(request, "batches.html", found=found, filters=filters)


def _waiting_videos(session: SessionDep, dag_ids: ReadableDags) -> WaitingVideos:
    latest_videos = load_board_page(session, dag_ids=dag_ids, filters=Filters()).videos
    waiting = load_waiting_videos(session, dag_ids=dag_ids, latest_videos=latest_videos)
    # No database connection is held during the requests to the service.
    session.close()
    return waiting


@router.get("/queue")
async def queue(request: Request, waiting: Annotated[WaitingVideos, Depends(_waiting_videos)]) -> HTMLResponse:
    """The videos that wait now."""
    status = await ask_for_queue(waiting)
    return render_page(request, "queue.html", queue=status, now=datetime.now(timezone.utc))


def _waiting_connections(session: SessionDep, dag_ids: ReadableDags) -> WaitingVideos:
    waiting = load_waiting_videos(session, dag_ids=dag_ids, latest_videos=())
    session.close()
    return waiting


@router.get("/health")
async def health(request: Request, waiting: Annotated[WaitingVideos, Depends(_waiting_connections)]) -> HTMLResponse:
    """One line that tells whether all that render jobs need is well."""
    return render_page(request, "health.html", health=await ask_for_health(waiting))


def _failures(
    session: SessionDep,
    dag_ids: ReadableDags,
    filters: FiltersDep,
    can_read_logs: CanReadLogs,
    page: Annotated[int, Query(ge=0, le=MAX_PAGE)] = 0,
) -> RecentFailures:
    found = load_recent_failures(session, dag_ids=dag_ids, filters=filters, page=page, can_read_logs=can_read_logs)
    session.close()
    return found


@router.get("/failures")
async def failures(
    request: Request, filters: FiltersDep, found: Annotated[RecentFailures, Depends(_failures)]
) -> HTMLResponse:
    """The failed tasks by code, page by page."""
    groups = await group_failures(found)
    return render_page(request, "failures.html", failures=found, groups=groups, chosen=_query_of(filters))
