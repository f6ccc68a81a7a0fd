"""Rows of Airflow's metadata database as a run of ``videoretalk_batch`` leaves them, without the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from video_rows import NOW, Row, result

from airflow_provider_videoretalk.batches.plan_rows import COLUMNS, VERSION

DAG = "videoretalk_batch"
FOLDER = "file:///videos/"


def planned_row(line: int, **values: Any) -> dict[str, Any]:
    """A row of the plan whose video is to be made, unless the values say otherwise."""
    name = values.get("name", f"clip{line:04}")
    return {
        "line": line,
        "name": name,
        "language": "en",
        "script": "Good morning.",
        "state": "make",
        "row": line - 2,
        "seconds": 8.0,
        "cost": 0.64,
        "ready_after": 72 * (line - 1),
        "uri": f"{name}-en.mp4",
        "problem": None,
        **values,
    }


def plan_xcom(rows: Sequence[Mapping[str, Any]], **values: Any) -> dict[str, Any]:
    return {
        "version": VERSION,
        "batch": "spring",
        "planned_at": NOW.isoformat(),
        "dry_run": False,
        "currency": "CNY",
        "exact": False,
        "plan_uri": f"{FOLDER}batches/one/plan.json",
        "uri_prefix": FOLDER,
        "columns": list(COLUMNS),
        "rows": [[row[column] for column in COLUMNS] for row in rows],
        **values,
    }


def sums_xcom(rows: Sequence[Mapping[str, Any]], **values: Any) -> dict[str, Any]:
    counts = {state: sum(row["state"] == state for row in rows) for state in ("make", "keep", "refuse")}
    return {"version": 1, "batch": "spring", "dry_run": False, "counts": counts, "report": "...", **values}


def plan_task(rows: Sequence[Mapping[str, Any]], **values: Any) -> Row:
    plan = {"videoretalk_rows": plan_xcom(rows, **values), "videoretalk_plan": sums_xcom(rows, **values)}
    return Row(task_id="plan", xcoms={**plan, "return_value": []})


def ask_about(run_id: str, *, task_id: str, map_index: int) -> None:
    """Makes a task instance wait for a person."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import insert, select

    ti = TaskInstance
    with create_session(scoped=False) as session:
        found = select(ti.id).where(ti.run_id == run_id, ti.task_id == task_id, ti.map_index == map_index)
        asked = {
            "ti_id": session.scalar(found),
            "options": ["Approve"],
            "subject": "?",
            "params": {},
            "params_input": {},
        }
        session.execute(insert(HITLDetail.__table__), [asked])


def made(place: int, *, cost: float | None = 0.6, name: str = "") -> list[Row]:
    """The tasks of a row whose video was made and published."""
    job = f"job-{place}"
    video = result(job, cost=cost, currency="CNY")
    noted = {"billed_seconds": 7.5, "cost": cost, "currency": "CNY"}
    name = name or f"clip{place + 2:04}"
    published = {"uri": f"{FOLDER}{name}-en.mp4", "sha256": "0" * 64, "size": 9, "name": name, "language": "en"}
    kept = {key: value for key, value in video.items() if key not in ("video_url", "expires_at")}
    return [
        task("make", place, "success", dashscope_task_id=job, return_value=video, videoretalk_cost=noted),
        Row(
            task_id="video.publish",
            map_index=place,
            xcoms={"return_value": kept | published},
            fields={"destination": published["uri"]},
        ),
    ]


def task(name: str, place: int, state: str | None, **xcoms: Any) -> Row:
    return Row(task_id=f"video.{name}", map_index=place, state=state, xcoms=xcoms)


def failed(place: int, **error: Any) -> list[Row]:
    noted = {"row": place, "code": "InvalidFile.Duration", "message": "The speech is too short. It takes 1 s."}
    noted |= {"remedy": "Lengthen the script.", **error}
    return [task("make", place, "failed", videoretalk_error=noted), task("publish", place, "upstream_failed")]


def set_run_state(dag_id: str, run_id: str, state: str) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session(scoped=False) as session:
        statement = update(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        session.execute(statement.values(state=state))


def many_rows(count: int, rows_of: Callable[[int], list[Row]] = made) -> list[Row]:
    """The tasks of a run of so many rows."""
    rows = [plan_task([planned_row(line) for line in range(2, count + 2)])]
    for place in range(count):
        rows += rows_of(place)
    return rows
