"""The board's page, and the parts of it that load by themselves."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Annotated, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from airflow_provider_videoretalk.ui.access import READER, Readable
from airflow_provider_videoretalk.ui.board import Cursor, Filters, page_of
from airflow_provider_videoretalk.ui.chart import HEIGHT, WIDTH, bars_of
from airflow_provider_videoretalk.ui.failures import failed_tasks
from airflow_provider_videoretalk.ui.queue import queue_of
from airflow_provider_videoretalk.ui.rendering import page
from airflow_provider_videoretalk.ui.spend import spend_of
from airflow_provider_videoretalk.ui.video import Phase

router = APIRouter(dependencies=READER)


def _filters(
    dag: Annotated[str, Query(max_length=250)] = "",
    state: Phase | Literal[""] = "",
    day: date | Literal[""] = "",
) -> Filters:
    """What the form sends; a field that was left empty comes as an empty text."""
    return Filters(dag=dag.strip() or None, state=state or None, day=day or None)


Chosen = Annotated[Filters, Depends(_filters)]


@router.get("/")
def show(
    request: Request, session: SessionDep, dags: Readable, filters: Chosen, after: str | None = None
) -> HTMLResponse:
    """The latest videos; a form chooses among them."""
    found = page_of(session, dags=dags, filters=filters, after=Cursor.parse(after))
    return page(request, "board.html", page=found, filters=filters, now=datetime.now(timezone.utc))


@router.get("/queue")
def queue(request: Request, session: SessionDep, dags: Readable) -> HTMLResponse:
    """What waits now."""
    last = page_of(session, dags=dags, filters=Filters()).videos
    return page(request, "queue.html", queue=queue_of(session, dags=dags, latest=last), now=datetime.now(timezone.utc))


@router.get("/spend")
def spend(request: Request, session: SessionDep, dags: Readable, filters: Chosen) -> HTMLResponse:
    """What was spent on which day."""
    found = spend_of(session, dags=dags, filters=filters)
    return page(request, "spend.html", spend=found, bars=list(bars_of(found)), width=WIDTH, height=HEIGHT)


@router.get("/failures")
def failures(request: Request, session: SessionDep, dags: Readable, filters: Chosen) -> HTMLResponse:
    """What failed lately."""
    return page(request, "failures.html", failures=failed_tasks(session, dags=dags, filters=filters))
