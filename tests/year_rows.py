"""A year of Airflow's metadata database on PostgreSQL, without the runs: 120,000 videos and 1,000,000 XComs.

A handful of rows are written as runs leave them (:mod:`video_rows`), and copied within the database, which takes a
minute or two on an idle machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from batch_rows import DAG as BATCH_DAG
from batch_rows import many_rows
from sqlalchemy import text
from video_rows import Row, add_runs, finished_run

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

DAG, OTHER = "videoretalk_quickstart", "somebody_elses"
BIG_BATCH = "spring"
"""The run of the newest of the big batches."""

VIDEOS, XCOMS = 120_000, 1_000_000
"""At least so many. A single video has 5 XComs, one of a batch 4, and a run of the other DAG 8."""

FAILED_ONE_IN = 50
_YEAR = timedelta(days=365)
# Runs of other kinds have ids between those of the most frequent kind.
_STEP = 4


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Runs of a DAG, evenly over the year.

    :param run_id: of the newest one, and how those of the others begin
    :param videos: of each
    :param place: tells their ids from those of other kinds
    """

    dag_id: str
    run_id: str
    count: int
    videos: int
    place: int


KINDS = (
    Runs(dag_id=DAG, run_id="video", count=30_000, videos=1, place=0),
    Runs(dag_id=BATCH_DAG, run_id="daily", count=360, videos=167, place=1),
    Runs(dag_id=BATCH_DAG, run_id=BIG_BATCH, count=6, videos=5_000, place=2),
    Runs(dag_id=OTHER, run_id="s", count=61_500, videos=0, place=3),
)


def fill_year(session: Session) -> tuple[int, datetime]:
    """Writes the rows; returns the id of a run in the middle, and when the first was. Needs Airflow 3.3.

    :param session: of a database that has the example DAGs already
    """
    # Copies of rows whose references are right need no check of each, and a lost database would be filled again.
    session.execute(text("SET session_replication_role = replica"))
    session.execute(text("SET synchronous_commit = off"))
    now = datetime.now(timezone.utc)
    for kind in KINDS:
        add_runs(session, kind.dag_id, {kind.run_id: _newest(kind)}, at=now, apart=_YEAR)
    last = _STEP * max(kind.count for kind in KINDS)
    for kind in KINDS:
        _copy_runs(session, kind, last=last)
    _fail_some(session)
    session.execute(text(f"SELECT setval('dag_run_id_seq', {last + _STEP})"))
    session.commit()
    session.execute(text("RESET session_replication_role"))
    # As PostgreSQL does by itself within a minute.
    session.execute(text("ANALYZE"))
    session.commit()
    return last // 2, now - _YEAR


def _newest(kind: Runs) -> list[Row]:
    if kind.dag_id == BATCH_DAG:
        return many_rows(kind.videos)
    if kind.dag_id == DAG:
        published = {"uri": "s3://videos/v.mp4", "sha256": "0" * 64, "size": 1_000_000, "language": "en"}
        return finished_run("task-0", published=published)
    return [Row(task_id=f"t{number}", xcoms={"return_value": {"n": number}, "k": number}) for number in range(4)]


def _copy_runs(session: Session, kind: Runs, *, last: int) -> None:
    """Copies the newest run of a kind so many times, each a little earlier, and gives it the highest id."""
    step = last // kind.count // _STEP * _STEP
    number = f"{last} - {step} * n + {kind.place}"
    newest = {"dag": kind.dag_id, "run": kind.run_id, "number": last + kind.place}
    session.execute(
        text(
            "UPDATE xcom SET dag_run_id = :number WHERE dag_id = :dag AND run_id = :run; "
            "UPDATE dag_run SET id = :number WHERE dag_id = :dag AND run_id = :run"
        ),
        newest,
    )
    copied = {"run_id": "t.run_id || n"}
    _copy(session, "dag_run", kind, copied | {"id": number})
    _copy(session, "task_instance", kind, copied | {"id": "gen_random_uuid()"})
    value = "replace(t.value::text, 'task-0', 'task-' || n)::{type}"
    _copy(session, "xcom", kind, copied | {"dag_run_id": number, "value": value})
    _copy(session, "rendered_task_instance_fields", kind, copied)


def _copy(session: Session, table: str, kind: Runs, changed: Mapping[str, str]) -> None:
    found = session.execute(
        text("SELECT column_name, udt_name FROM information_schema.columns WHERE table_name = :table"), {"table": table}
    )
    columns = {str(name): str(udt) for name, udt in found}
    values = []
    for name, udt in columns.items():
        earlier = f" - n * interval '{_YEAR.total_seconds() / kind.count} seconds'"
        value = f't."{name}"' + (earlier if udt in ("timestamp", "timestamptz") else "")
        values.append(changed.get(name, value).replace("{type}", udt))
    names = ", ".join(f'"{name}"' for name in columns)
    session.execute(
        text(
            f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} "
            f"FROM generate_series(1, :count) n, {table} t WHERE t.dag_id = :dag AND t.run_id = :run"
        ),
        {"count": kind.count - 1, "dag": kind.dag_id, "run": kind.run_id},
    )


def _fail_some(session: Session) -> None:
    """Lets a share of the single videos fail, which then have no result."""
    which = (
        f"dag_id = '{DAG}' AND task_id = 'retalk' AND run_id <> 'video' "
        f"AND substring(run_id FROM 6)::int % {FAILED_ONE_IN} = 0"
    )
    session.execute(text(f"UPDATE task_instance SET state = 'failed' WHERE {which}"))
    session.execute(text(f"DELETE FROM xcom WHERE {which} AND key = 'return_value'"))
