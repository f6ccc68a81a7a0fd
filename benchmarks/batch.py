"""What planning a batch costs: a process that runs ``PlanVideosOperator``, by the format of the table.

    python -m benchmarks.batch TABLE FOLDER

is that process. It plans the table once and prints its seconds, its memory, and how many videos are made and kept.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.machine import peak_megabytes, undisturbed
from benchmarks.results import ROOT, Result, Table, at_most, commit, setting

ROWS = 5_000
"""The most that a table may have."""

GOAL_SECONDS, GOAL_MB = 30.0, 300.0
_LANGUAGES = ("en", "de", "zh", "es", "fr", "ja")
_SCRIPT = "Good morning, and welcome to part {} of our course. Today we look at how a video is made from a script."
_COLUMNS = ("name", "text", "language", "video")

Figures = dict[str, float]


def measure(*, quick: bool) -> Result:
    count = ROWS // 10 if quick else ROWS
    found: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        presenter = _presenter(folder)
        tables = {
            "CSV, all to make": (_csv(folder / "t.csv", presenter, count), folder / "new"),
            "XLSX, all to make": (_xlsx(folder / "t.xlsx", presenter, count), folder / "new"),
            "CSV, all kept": (folder / "t.csv", folder / "published"),
        }
        _planned(*tables["CSV, all kept"], publish=True)
        for what, (table, videos) in tables.items():
            found[what], _ = undisturbed(partial(_planned, table, videos), what=f"a batch, {what}")
    rows = [
        [what, *(f"{each[key]:,.{digits}f}" for key, digits in (("seconds", 1), ("mb", 0), ("make", 0), ("keep", 0)))]
        for what, each in found.items()
    ]
    goals = [
        at_most(f"{ROWS:,} rows planned", GOAL_SECONDS, max(each["seconds"] for each in found.values()), unit=" s"),
        at_most(f"{ROWS:,} rows planned: memory", GOAL_MB, max(each["mb"] for each in found.values()), unit=" MB"),
    ]
    table = Table(header=(f"{count:,} rows", "seconds", "MB, at most", "to make", "kept"), rows=rows)
    return Result(setting=setting("apache-airflow"), commit=commit(), goals=[] if quick else goals, tables=[table])


def _presenter(folder: Path) -> str:
    sys.path.insert(0, str(ROOT / "tests"))
    from media_files import video

    return video(folder / "presenter.mp4", seconds=4).as_uri()


def _rows(presenter: str, count: int) -> list[tuple[str, ...]]:
    return [
        (f"part{number}", _SCRIPT.format(number), _LANGUAGES[number % len(_LANGUAGES)], presenter)
        for number in range(count)
    ]


def _csv(path: Path, presenter: str, count: int) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([_COLUMNS, *_rows(presenter, count)])
    return path


def _xlsx(path: Path, presenter: str, count: int) -> Path:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (_COLUMNS, *_rows(presenter, count)):
        sheet.append(row)
    book.save(path)
    return path


def _planned(table: Path, folder: Path, *, publish: bool = False) -> Figures:
    """Plans in a process of its own.

    :param publish: afterwards, write the metadata files of the videos, as if they were made and published
    """
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {
            "AIRFLOW_HOME": home,
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW__CORE__MAX_MAP_LENGTH": str(ROWS),
            "AIRFLOW__VIDEORETALK__ALLOWED_SOURCES": "remote, file:///",
            "AIRFLOW__VIDEORETALK__ALLOWED_DESTINATIONS": "remote, file:///",
            "AIRFLOW_CONN_DASHSCOPE_DEFAULT": json.dumps({"conn_type": "dashscope", "password": "sk-b"}),
        }
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.batch", str(table), folder.as_uri()]
        done = subprocess.run([*command, *(["publish"] if publish else [])], cwd=ROOT, env=env, capture_output=True)
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def plan_once(table: str, folder: str, *, publish: bool) -> Figures:
    """Plans in this process; returns what that took."""
    # What the process that runs a task has loaded.
    import airflow.sdk.execution_time.task_runner  # noqa: F401

    from airflow_provider_videoretalk.airflow_adapters import variable_store
    from airflow_provider_videoretalk.operators import plan_videos as operator

    variable_store.VariableStore = lambda: SimpleNamespace(names=lambda prefix: [])  # type: ignore[assignment, misc]
    if publish:
        operator.plan_videos = _publishing(operator.plan_videos)
    pushed: dict[str, Any] = {}
    instance = SimpleNamespace(
        dag_id="d", run_id="r", task_id="plan", map_index=-1, xcom_push=lambda key, value: pushed.update({key: value})
    )
    begun = time.perf_counter()
    operator.PlanVideosOperator(task_id="plan", table=table, folder=f"{folder}/").execute({"ti": instance})  # type: ignore[arg-type]
    seconds = time.perf_counter() - begun
    counts = pushed["videoretalk_plan"]["counts"]
    return {"seconds": seconds, "mb": peak_megabytes(), "make": counts["make"], "keep": counts["keep"]}


def _publishing(plan: Callable[..., Any]) -> Callable[..., Any]:
    def plan_and_publish(*args: Any, **kwargs: Any) -> Any:
        planned = plan(*args, **kwargs)
        for number, one in enumerate(planned):
            made = {"task_id": f"job-{number}", "billed_seconds": 8.0, "cost": 0.64, "currency": "CNY", "batch": "d"}
            one.destination.write_bytes(b"media")
            metadata = one.destination.parent / f"{one.destination.name}.json"
            metadata.write_text(json.dumps({"size": 5, **one.recipe.fields, **made}))
        return planned

    return plan_and_publish


if __name__ == "__main__":
    print(json.dumps(plan_once(sys.argv[1], sys.argv[2], publish="publish" in sys.argv[3:])))
