"""No page reads the rows of a year for the rows that it shows, by the query plans of a real PostgreSQL.

Its times are measured by ``python -m benchmarks board``: here nothing depends on the machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from postgresql import postgresql
from query_plans import nodes_of, rows_read, statements_of
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from video_rows import write_dags
from year_rows import BATCH_DAG, BIG_BATCH, DAG, KINDS, OTHER, VIDEOS, XCOMS, fill_year

from airflow_provider_videoretalk.ui import batch_page, board, queue_status, recent_batches
from airflow_provider_videoretalk.ui.airflow_db.stored_dags import ProviderDags
from airflow_provider_videoretalk.ui.airflow_db.task_queries import find_task_row
from airflow_provider_videoretalk.ui.batch import Selection
from airflow_provider_videoretalk.ui.batch_details import load_shown_rows
from airflow_provider_videoretalk.ui.board import PAGE_SIZE, Filters, load_board_page
from airflow_provider_videoretalk.ui.queue_status import load_waiting_videos
from airflow_provider_videoretalk.ui.recent_batches import load_recent_batches
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef
from airflow_provider_videoretalk.ui.task_outputs import load_video

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

DAGS = {DAG, OTHER, BATCH_DAG}
BIG = ("xcom", "rendered_task_instance_fields", "task_instance", "dag_run")

MOST_READ = 25_000
"""Rows of these tables that one statement reads: of the newest big batch of 5,000 videos, its 10,001 tasks and an XCom
of each, and a margin. The year has 500,000 tasks and 1,000,000 XComs."""


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A server with a year of rows."""
    from airflow.jobs import job  # noqa: F401 - one of the models
    from airflow.models import import_all_models
    from airflow.models.base import Base

    import_all_models()
    with postgresql(tmp_path_factory.mktemp("postgres")) as url:
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            write_dags(session=session)
            session.commit()
            fill_year(session)
        yield engine
        engine.dispose()


def _board(session: Session) -> None:
    page = load_board_page(session, dag_ids=DAGS, filters=Filters())
    assert len(page.videos) == PAGE_SIZE
    assert page.next_cursor is not None
    load_board_page(session, dag_ids=DAGS, filters=Filters(), after=page.next_cursor)


def _one_dag(session: Session) -> None:
    assert len(load_board_page(session, dag_ids=DAGS, filters=Filters(dag=DAG)).videos) == PAGE_SIZE


def _one_day(session: Session) -> None:
    day = (datetime.now(timezone.utc) - timedelta(days=100)).date()
    assert len(load_board_page(session, dag_ids=DAGS, filters=Filters(day=day)).videos) == PAGE_SIZE


def _batch(session: Session) -> None:
    batch_page._plan.cache.clear()
    found = batch_page._found(session, BATCH_DAG, BIG_BATCH)
    assert found.batch is not None
    assert found.batch.videos == 5_000
    rows = Selection(page=0).page_of(found.batch.rows)
    assert len(load_shown_rows(session, rows, dag_id=BATCH_DAG, run_id=BIG_BATCH, tasks=found.tasks)) == 50


def _batches(session: Session) -> None:
    recent_batches._count_once.cache.clear()
    assert load_recent_batches(session, dag_ids=DAGS, filters=Filters()).batches[0].rows == 5_000


def _waiting(session: Session) -> None:
    assert load_waiting_videos(session, dag_ids=DAGS, latest_videos=[]).videos == []


def _result(session: Session) -> None:
    row = find_task_row(session, TaskInstanceRef(dag_id=DAG, run_id="video900", task_id="retalk", map_index=-1))
    assert row is not None
    assert load_video(session, row).job_id == "task-900"


PAGES: dict[str, Callable[[Session], None]] = {
    "the board, two pages": _board,
    "one DAG": _one_dag,
    "one day": _one_day,
    "a big batch": _batch,
    "batches": _batches,
    "what waits": _waiting,
    "a result page": _result,
}


def test_the_year_is_a_year(year: Engine) -> None:
    assert sum(kind.count * kind.videos for kind in KINDS) >= VIDEOS
    with Session(year) as session:
        assert int(session.scalar(text("SELECT count(*) FROM xcom")) or 0) >= XCOMS


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_reads_what_it_shows(
    page: Callable[[Session], None], year: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (board, queue_status):
        monkeypatch.setattr(module, "provider_dags", ProviderDags())
    monkeypatch.setattr(recent_batches, "batch_dags", ProviderDags("videoretalk_batch"))
    read = dict(_rows_read(year, page))
    assert read
    assert {statement: rows for statement, rows in read.items() if rows > MOST_READ} == {}


def test_a_scan_would_be_seen(year: Engine) -> None:
    scan = text("SELECT count(*) FROM xcom WHERE value IS NOT NULL")
    ((_, rows),) = _rows_read(year, lambda session: session.scalar(scan))
    assert rows >= XCOMS


def _rows_read(engine: Engine, page: Callable[[Session], Any]) -> Iterator[tuple[str, int]]:
    """The statements by which a page reads the big tables, with the rows that each takes from them."""
    for statement, parameters in statements_of(engine, page):
        nodes = [node for node in nodes_of(engine, statement, parameters) if node.get("Relation Name") in BIG]
        if nodes:
            yield json.dumps([statement, [node["Node Type"] for node in nodes]]), sum(map(rows_read, nodes))
