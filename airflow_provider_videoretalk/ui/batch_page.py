"""The routes of a batch: its page, the part of it that refreshes itself, and its rows as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from math import ceil
from threading import Lock
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from cachetools import LRUCache, cached
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response

from airflow_provider_videoretalk.batches.manifest import as_csv
from airflow_provider_videoretalk.links import batch_path
from airflow_provider_videoretalk.ui.address_limits import MAX_PAGE, Id
from airflow_provider_videoretalk.ui.airflow_db.batch_queries import (
    RunRow,
    find_plan,
    find_run,
    plan_rows,
    row_errors,
    row_tasks,
    tasks_to_answer,
)
from airflow_provider_videoretalk.ui.batch import PAGE_SIZE, Batch, BatchRow, RunTasks, Selection, Show, Sort, batch_of
from airflow_provider_videoretalk.ui.batch_details import error_of, load_shown_rows
from airflow_provider_videoretalk.ui.batch_plan import BatchPlan, read_plan
from airflow_provider_videoretalk.ui.clip_name import content_disposition, cut, file_name
from airflow_provider_videoretalk.ui.page_rendering import render_page
from airflow_provider_videoretalk.ui.permissions import CAN_READ_RUNS, SessionDep
from airflow_provider_videoretalk.ui.related_tasks import BatchTasks, find_batches
from airflow_provider_videoretalk.ui.word_search import MAX_LENGTH, WordSearch

router = APIRouter(prefix="/dags/{dag_id}/runs/{run_id}/batch", dependencies=CAN_READ_RUNS)

_MAX_TITLE = 80
_NO_BATCH = (
    "This DAG run makes no batch: its DAG has no task that plans one, or Airflow has deleted that version of it."
)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A batch in a DAG run.

    :param tasks: of the batch
    :param others: the ids of the tasks that plan the other batches of the DAG
    :param plan_state: the state of the task that plans it
    :param batch: ``None`` as long as there is no plan
    """

    dag_id: str
    run_id: str
    run: RunRow
    tasks: BatchTasks
    others: Sequence[str]
    plan_state: str | None
    batch: Batch | None

    @property
    def path(self) -> str:
        return batch_path(dag_id=self.dag_id, run_id=self.run_id)

    @property
    def title(self) -> str:
        named = self.batch.plan.name if self.batch else ""
        return cut(named or self.dag_id, longest=_MAX_TITLE)


def _selection(
    show: Show | Literal[""] = "",
    q: Annotated[str, Query(max_length=MAX_LENGTH)] = "",
    sort: Sort | Literal[""] = "",
    page: Annotated[int, Query(ge=0, le=MAX_PAGE)] = 0,
) -> Selection:
    """The filters of the form. An empty field arrives as an empty text."""
    return Selection(show=show or None, search=WordSearch(q.strip()), sort=sort or "line", page=page)


SelectionDep = Annotated[Selection, Depends(_selection)]
PlanId = Annotated[str, Query(max_length=250)]


def _found(session: SessionDep, dag_id: Id, run_id: Id, plan: PlanId = "") -> _Found:
    run = find_run(session, dag_id=dag_id, run_id=run_id)
    batches = find_batches(session, dag_version=run.dag_version) if run and run.dag_version else ()
    tasks = next((found for found in batches if plan in ("", found.plan)), None)
    if run is None or tasks is None:
        raise HTTPException(404, _NO_BATCH if run else "There is no such DAG run.")
    ids = {"dag_id": dag_id, "run_id": run_id}
    plan_row = find_plan(session, **ids, task_id=tasks.plan)
    key, batch = plan_row.key if plan_row else None, None
    planned = _plan(session, key, **ids, task_id=tasks.plan) if key else None
    if planned is not None:
        made = row_tasks(session, **ids, make=tasks.make, after=tasks.after) if tasks.make else {}
        found = RunTasks(state=run.state, tasks=made, to_answer=tasks_to_answer(session, **ids))
        batch = batch_of(planned, tasks, found, now=datetime.now(timezone.utc))
    others = [found.plan for found in batches if found is not tasks]
    state = plan_row.state if plan_row else None
    return _Found(**ids, run=run, tasks=tasks, others=others, plan_state=state, batch=batch)


def _plan_key(session: SessionDep, key: Any, **ids: str) -> Any:
    return key


# A page refreshes itself, and the rows of a plan do not change. Those of a large table take some megabytes here.
@cached(LRUCache(maxsize=8), key=_plan_key, lock=Lock())
def _plan(session: SessionDep, key: Any, **ids: str) -> BatchPlan | None:
    return read_plan(plan_rows(session, **ids))


FoundDep = Annotated[_Found, Depends(_found)]


@router.get("")
def show(request: Request, session: SessionDep, found: FoundDep, selection: SelectionDep) -> HTMLResponse:
    """The batch page."""
    return _page("batch.html", request, session, found, selection)


@router.get("/rows")
def rows(request: Request, session: SessionDep, found: FoundDep, selection: SelectionDep) -> HTMLResponse:
    """The sums and the table alone, by which the page refreshes itself."""
    return _page("batch_rows.html", request, session, found, selection)


def _page(template: str, request: Request, session: SessionDep, found: _Found, selection: Selection) -> HTMLResponse:
    selected = selection.rows_of(found.batch) if found.batch else []
    shown = load_shown_rows(
        session, selection.page_of(selected), dag_id=found.dag_id, run_id=found.run_id, tasks=found.tasks
    )
    return render_page(
        request,
        template,
        found=found,
        batch=found.batch,
        plan=found.batch.plan if found.batch else None,
        selection=selection,
        selected=len(selected),
        shown=shown,
        first=selection.page * PAGE_SIZE + 1,
        pages=ceil(len(selected) / PAGE_SIZE),
        query=lambda **changed: _query_of(found, selection, **changed),
        now=datetime.now(timezone.utc),
    )


def _query_of(found: _Found, selection: Selection, **changed: Any) -> str:
    """The inverse of :func:`_selection`: the query of an address."""
    values: Mapping[str, Any] = {
        "plan": found.tasks.plan if found.others else "",
        "show": selection.show or "",
        "q": selection.search.text,
        "sort": selection.sort if selection.sort != "line" else "",
        "page": selection.page or "",
        **changed,
    }
    return urlencode({name: value for name, value in values.items() if value != ""})


@router.get(".csv")
def rows_as_csv(session: SessionDep, found: FoundDep, selection: SelectionDep) -> Response:
    """The rows that match the filters, with the columns of the manifest."""
    if found.batch is None:
        raise HTTPException(404, "There is no plan yet.")
    related, errors = found.tasks.related, {}
    if related is not None:
        errors = row_errors(session, dag_id=found.dag_id, run_id=found.run_id, task_ids=related.task_ids)
    currency = found.batch.plan.currency
    lines = [_line(row, currency, errors.get(row.plan.place or 0, {})) for row in selection.rows_of(found.batch)]
    name = file_name(f"{found.title} {found.run_id}", suffix=".csv")
    return Response(
        as_csv({"videos": lines}),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": content_disposition(name, kind="attachment")},
    )


def _line(row: BatchRow, currency: str, error: Mapping[str, Any]) -> dict[str, Any]:
    planned = row.plan
    code, message, remedy = error_of(error) if row.state == "failed" else ("", planned.problem or "", "")
    return {
        "line": planned.line,
        "name": planned.name,
        "language": planned.language,
        "state": row.state,
        "uri": planned.uri,
        "seconds": row.seconds if row.seconds is not None else planned.seconds,
        "cost": planned.cost if row.state in ("kept", "planned") else row.cost,
        "currency": row.currency or currency,
        "code": code,
        "problem": message or row.step if row.state in ("failed", "missing") else message,
        "remedy": remedy,
    }
