"""What the board costs beside Airflow's own pages, by how many results there are, on SQLite and PostgreSQL.

    python -m benchmarks.board SIZE REQUESTS

measures in this process, with the database that the environment names, which must be new.

Each database has as many videos as its size says, and twice as many runs of other DAGs between them. A year of
videos lies in PostgreSQL alone: single ones, and batches of 167 and of 5,000. Every figure is the median of requests
that ask for the same, through Airflow's whole API server, after some that nobody counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal

from benchmarks.machine import undisturbed
from benchmarks.results import ROOT, Goal, Result, Table, at_most, commit, setting

sys.path.insert(0, str(ROOT / "tests"))

from postgresql import postgresql

Database = Literal["SQLite", "PostgreSQL"]

GOAL_MS = 300.0
DATABASES: tuple[Database, ...] = ("SQLite", "PostgreSQL")
SIZES = (1_000, 10_000)
A_YEAR = 120_000
"""Videos of a year with 1,000,000 XComs, which only PostgreSQL is filled with (:mod:`year_rows` of the tests)."""

BATCH_ROWS = 5_000
DAG, OTHER = "videoretalk_quickstart", "somebody_elses"
BOARD, BATCH, AIRFLOWS_RUNS = "the board", f"a batch of {BATCH_ROWS:,} videos", "Airflow: DAG runs"
_OURS = "/videoretalk"
ASKED = {
    BOARD: f"{_OURS}/",
    "its second page": f"{_OURS}/?after={{middle}}.-1.retalk",
    "one DAG": f"{_OURS}/?dag={DAG}",
    "failed ones": f"{_OURS}/?state=failed",
    "one day": f"{_OURS}/?day={{day}}",
    "a search": f"{_OURS}/?q=nothing",
    "batches": f"{_OURS}/batches",
    "what waits": f"{_OURS}/queue",
    "spend": f"{_OURS}/spend",
    "failures": f"{_OURS}/failures",
    BATCH: f"{_OURS}/dags/videoretalk_batch/runs/spring/batch",
    "a result page": f"{_OURS}/dags/{DAG}/runs/video1/tasks/retalk/-1",
    # What the pages of Airflow's UI load.
    "Airflow: DAGs": "/ui/dags?limit=50",
    AIRFLOWS_RUNS: "/api/v2/dags/~/dagRuns?limit=50&order_by=-run_after",
    "Airflow: runs of one DAG": f"/api/v2/dags/{DAG}/dagRuns?limit=50&order_by=-run_after",
    "Airflow: task instances": "/api/v2/dags/~/dagRuns/~/taskInstances?limit=50&order_by=-start_date",
    "Airflow: grid of one DAG": f"/ui/grid/runs/{DAG}?limit=25",
}
_FAILED_ONE_IN = 50


@contextmanager
def database(kind: Database, home: Path) -> Iterator[str]:
    """A fresh database's URL."""
    if kind == "SQLite":
        yield f"sqlite:///{home / 'airflow.db'}"
        return
    with postgresql(home / "postgres") as url:
        yield url


def milliseconds(kind: Database, size: int, requests: int) -> dict[str, float]:
    """Milliseconds by what is asked, found by a process of its own."""
    with tempfile.TemporaryDirectory(prefix="board-") as folder, database(kind, Path(folder)) as url:
        env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        env |= {
            "AIRFLOW_HOME": folder,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of this benchmark, of sixty-four characters, or some more",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True, env=env)
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.board", str(size), str(requests)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
        if done.returncode:
            raise SystemExit(done.stderr)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found


def fill(size: int) -> tuple[int, datetime]:
    """Writes the rows; returns the number of a run in the middle, and when the first was."""
    if size == A_YEAR:
        return _fill_year()
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from batch_rows import DAG as BATCH_DAG
    from batch_rows import many_rows
    from sqlalchemy import func, select, text
    from video_rows import Row, add_runs, finished_run, write_dags

    write_dags()
    apart = timedelta(minutes=3)
    begin = datetime.now(timezone.utc) - size * apart
    noise = [Row(task_id=f"t{number}", xcoms={"return_value": {"n": number}}) for number in range(3)]
    step = 500
    with create_session(scoped=False) as session:
        for first in range(0, size, step):
            numbers = range(first, min(first + step, size))
            published = {"uri": "s3://videos/v.mp4", "sha256": "0" * 64, "size": 1_000_000, "language": "en"}
            runs = {f"video{n}": finished_run(f"task-{n}", published=published) for n in numbers}
            for n in numbers:
                if n % _FAILED_ONE_IN == 0:
                    xcoms = {"dashscope_task_id": f"task-{n}", "videoretalk_watch": "/"}
                    runs[f"video{n}"] = [Row(task_id="retalk", state="failed", xcoms=xcoms)]
            add_runs(session, DAG, runs, at=begin + first * apart, apart=apart)
            add_runs(session, OTHER, {f"s{2 * n}": noise for n in numbers}, at=begin + first * apart, apart=apart)
            add_runs(session, OTHER, {f"s{2 * n + 1}": noise for n in numbers}, at=begin + first * apart, apart=apart)
        add_runs(session, BATCH_DAG, {"spring": many_rows(BATCH_ROWS)}, at=begin, apart=apart)
        # As PostgreSQL does by itself within a minute.
        session.execute(text("ANALYZE"))
        middle = session.scalar(select(func.max(DagRun.id) - 3 * step // 2))
    return int(middle or 0), begin


def _fill_year() -> tuple[int, datetime]:
    from airflow.utils.session import create_session
    from video_rows import write_dags
    from year_rows import fill_year

    write_dags()
    with create_session(scoped=False) as session:
        return fill_year(session)


def inner(size: int, requests: int) -> dict[str, float]:
    """Milliseconds by what is asked of an API server in this process."""
    from fastapi.testclient import TestClient

    middle, begin = fill(size)
    from airflow.api_fastapi.app import create_app

    client = TestClient(create_app(apps="all"))
    client.headers["Authorization"] = f"Bearer {client.get('/auth/token').json()['access_token']}"
    found = {}
    for name, address in ASKED.items():
        path = address.format(middle=middle, day=begin.date() + timedelta(days=1))
        taken = []
        for _ in range(requests + 3):
            started = perf_counter()
            reply = client.get(path)
            taken.append((perf_counter() - started) * 1000)
            assert reply.status_code == 200, (path, reply.status_code, reply.text)
        found[name] = median(taken[3:])
    return found


def measure(*, quick: bool) -> Result:
    requests = 40
    columns: list[tuple[Database, int]] = [(kind, size) for kind in DATABASES for size in SIZES]
    columns.append(("PostgreSQL", A_YEAR))
    found = {}
    for kind, size in columns:
        run = partial(milliseconds, kind, size, requests)
        found[kind, size], _ = undisturbed(run, what=f"the board, {kind}, {size}")
    header = ("milliseconds, median", *(f"{kind}, {size:,}" for kind, size in columns))
    rows = [[name, *(f"{found[column][name]:.0f}" for column in columns)] for name in ASKED]
    return Result(
        setting=setting("apache-airflow", more=f"{requests} requests each"),
        commit=commit(),
        goals=list(_goals(found)),
        tables=[Table(header=header, rows=rows)],
    )


def _goals(found: Mapping[tuple[Database, int], Mapping[str, float]]) -> Iterator[Goal]:
    slowest = max(figures[BOARD] for figures in found.values())
    yield at_most("the board, slowest of all databases", GOAL_MS, slowest, digits=0, unit=" ms")
    slowest = max(figures[BATCH] for figures in found.values())
    yield at_most(f"{BATCH}, slowest of all databases", GOAL_MS, slowest, digits=0, unit=" ms")
    share = max(figures[BOARD] / figures[AIRFLOWS_RUNS] for figures in found.values())
    yield Goal(
        what="the board, beside Airflow's own list of DAG runs",
        wanted="no slower",
        found=f"{share:.2f} of its time at most",
        met=share <= 1,
    )


if __name__ == "__main__":
    print(json.dumps(inner(int(sys.argv[1]), int(sys.argv[2]))))
