"""What the tasks of a batch leave in XCom for the batch page."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_videoretalk.batches.plan_rows import COLUMNS, MAX_LENGTH, rows_for_xcom
from airflow_provider_videoretalk.links import BatchLink
from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator
from airflow_provider_videoretalk.operators.manifest import WriteManifestOperator
from airflow_provider_videoretalk.operators.plan_videos import PlanVideosOperator
from airflow_provider_videoretalk.ui.batch_plan import read_plan

from .test_batch import Batch, batch

__all__ = ["batch"]

TABLE = "name,language,text\nb,en,Good night and farewell.\nc,de,Guten Morgen und willkommen.\n"


def test_the_page_reads_what_the_plan_pushes(batch: Batch) -> None:
    batch.run("name,language,text\nb,en,Good night and farewell.\n")
    (row,) = batch.plan(TABLE)
    plan = read_plan(batch.pushed["plan", "videoretalk_rows"][-1])
    assert plan is not None
    assert (plan.name, plan.dry_run, plan.currency, plan.exact) == ("spring", False, "CNY", False)
    assert plan.plan_uri == batch.sums["plan_uri"]
    kept, made = plan.rows
    assert (kept.state, kept.place, kept.name, kept.language, kept.cost) == ("keep", None, "b", "en", 0.24)
    assert (made.state, made.place, made.label, made.script) == (
        "make",
        row["row"],
        row["label"],
        "Guten Morgen und willkom",
    )
    assert made.cost == batch.sums["most_cost"]
    assert made.render > 0
    folder = batch.folder.as_uri()
    assert (kept.uri, made.uri) == (f"{folder}/b-en.mp4", f"{folder}/c-de.mp4")


def test_a_plan_that_is_refused_has_rows_too(batch: Batch) -> None:
    with pytest.raises(AirflowFailException):
        batch.plan(f"{TABLE}d/,en,Hello there.\n")
    plan = read_plan(batch.pushed["plan", "videoretalk_rows"][-1])
    assert plan is not None
    assert [row.state for row in plan.rows] == ["make", "make", "refuse"]
    assert (plan.rows[2].name, plan.rows[2].uri) == ("line 4", None)
    assert plan.rows[2].problem is not None
    assert plan.rows[2].problem.startswith("line 4, column name: ")


def test_no_signature_of_a_cell_is_in_xcom(batch: Batch) -> None:
    table = "name,text,destination\nb,Hello there.,https://h/x.mp4?Expires=1&Signature=secret-of-cell\n"
    with pytest.raises(AirflowFailException):
        batch.plan(table)
    stored = json.dumps(batch.pushed["plan", "videoretalk_rows"])
    assert "https://h/x.mp4" in stored
    assert "secret-of-cell" not in stored


def test_a_task_notes_what_its_video_did_cost(batch: Batch) -> None:
    (row, _) = batch.plan(TABLE)
    result = batch.make(row)
    noted = batch.pushed["make", "videoretalk_cost"]
    assert noted[-1] == {"billed_seconds": 3.0, "cost": result["cost"], "currency": "CNY"}


@pytest.mark.parametrize(
    ("name", "uri", "text", "problem", "longest"),
    [
        ("Willkommen", "file:///videos/spring/Willkommen-en.mp4", "Hello, you there.", None, 800_000),
        ("😀" * 40, "s3://b/" + "é" * 290, "我" * 100, "x" * 9_000, MAX_LENGTH),
    ],
    ids=["usual", "large"],
)
def test_5000_rows_fit(name: str, uri: str, text: str, problem: str | None, longest: int) -> None:
    videos = [
        {
            **{"line": line, "name": name, "language": "en", "state": "make", "row": line, "seconds": 12.5, "uri": uri},
            **{"cost": None, "most_cost": 1.0, "ready_at": "2026-11-26T12:00:00+00:00"},
            "problems": [problem] if problem else [],
        }
        for line in range(5_000)
    ]
    document = {"batch": "b", "planned_at": "2026-11-25T12:00:00+00:00", "dry_run": False, "currency": "CNY"}
    planned: Any = [SimpleNamespace(row=SimpleNamespace(line=line, text=text)) for line in range(5_000)]
    content = rows_for_xcom(document | {"exact": True, "videos": videos}, planned, plan_uri="p")
    assert len(json.dumps(content)) < longest
    read = read_plan(content)
    assert read is not None
    assert [row.name for row in read.rows] == [name] * 5_000
    assert {len(row) for row in content["rows"]} == {len(COLUMNS)}


def test_buttons_lead_to_the_page_of_the_run() -> None:
    plan = PlanVideosOperator(task_id="my_plan", table="t", folder="file:///v/")
    manifest = WriteManifestOperator(task_id="end", folder="file:///v/", make_task_id="make")
    key = SimpleNamespace(dag_id="a/b", run_id="manual__2026-11-26T12:00:00+00:00", task_id="my_plan", map_index=-1)
    for task in (plan, manifest):
        (link,) = task.operator_extra_links
        assert isinstance(link, BatchLink)
        url = link.get_link(task, ti_key=key)
        assert url.endswith("/videoretalk/dags/a%2Fb/runs/manual__2026-11-26T12%3A00%3A00%2B00%3A00/batch")
    make = MakeVideoOperator(task_id="make", row={"label": "a", "row": 0}, folder="file:///v/")
    assert [link.name for link in make.operator_extra_links] == ["Watch"]
