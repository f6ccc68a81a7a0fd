"""What a batch writes, as a whole: the plan, the manifest, XComs and metadata. Pages and later runs read it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError

from .test_batch import Batch, batch

__all__ = ["batch"]

TABLE = "name,text,language\na,Good morning and welcome.,en\nb,Good night and farewell.,\n"


@pytest.fixture
def folder(batch: Batch) -> str:
    return batch.folder.as_uri()


def plan(tasks: Batch, **arguments: Any) -> list[Any]:
    rows: list[Any] = tasks.plan(TABLE, **{"max_cost_per_video": 0.5, "speech_options": {"rate": 1.1}} | arguments)
    return rows


def run_folder(batch: Batch) -> str:
    (run,) = (batch.folder / "batches").iterdir()
    return run.as_uri()


def head(batch: Batch) -> dict[str, Any]:
    """What plan and manifest begin with."""
    return {
        "version": 1,
        "batch": "spring",
        "dag_id": "spring",
        "run_id": "manual__1",
        "planned_at": batch.sums["planned_at"],
        "dry_run": False,
        "currency": "CNY",
    }


def after(moment: str, seconds: float) -> str:
    return (datetime.fromisoformat(moment) + timedelta(seconds=seconds)).isoformat()


def test_the_plan(batch: Batch, folder: str) -> None:
    assert plan(batch) == [{"label": "a (en)", "row": 0}, {"label": "b", "row": 1}]
    planned_at = batch.sums["planned_at"]
    row = {
        "state": "make",
        "seconds": 120.0,
        "exact": False,
        "cost": None,
        "replaces": None,
        "problems": [],
        "remedy": "",
    }
    document = {
        **head(batch),
        "prune": "off",
        # Two videos of at most 0.5, and their speech.
        "most_cost": 1.0049,
        "speech_cost": 0.0049,
        "exact": False,
        "ready_at": after(planned_at, 36),
        "counts": {"make": 2, "keep": 0, "refuse": 0},
        "rows": 2,
    }
    first = {
        **{"line": 2, "name": "a", "language": "en", "label": "a (en)", "row": 0, "uri": f"{folder}/a-en.mp4"},
        **{"most_cost": 0.5025, "ready_at": after(planned_at, 18), **row},
    }
    second = {
        **{"line": 3, "name": "b", "language": None, "label": "b", "row": 1, "uri": f"{folder}/b.mp4"},
        **{"most_cost": 0.5024, "ready_at": after(planned_at, 36), **row},
    }
    assert batch.document("plan") == {**document, "unused": [], "videos": [first, second]}
    report = batch.sums["report"]
    assert report.startswith("2 to make, 0 kept, at most 1.00 CNY (with speech), ready at about ")
    assert batch.sums == {**document, "plan_uri": f"{run_folder(batch)}/plan.json", "report": report}


def test_the_rows_for_the_batch_page(batch: Batch, folder: str) -> None:
    plan(batch)
    (rows,) = batch.pushed["plan", "videoretalk_rows"]
    assert rows == {
        "version": 1,
        "batch": "spring",
        "planned_at": batch.sums["planned_at"],
        "dry_run": False,
        "currency": "CNY",
        "exact": False,
        "plan_uri": f"{run_folder(batch)}/plan.json",
        "uri_prefix": f"{folder}/",
        "columns": [
            *("line", "name", "language", "script", "state", "row"),
            *("seconds", "cost", "ready_after", "uri", "problem"),
        ],
        "rows": [
            [2, "a", "en", "Good morning and welcome", "make", 0, 120.0, 0.5025, 18, "a-en.mp4", None],
            [3, "b", None, "Good night and farewell.", "make", 1, 120.0, 0.5024, 36, "b.mp4", None],
        ],
    }


@pytest.mark.parametrize(("dry_run", "expected"), [(True, []), ("false", [0, 1])])
def test_a_dry_run_and_a_batch_of_another_name_are_said(batch: Batch, dry_run: Any, expected: list[int]) -> None:
    assert [row["row"] for row in plan(batch, dry_run=dry_run, batch="summer", prune="list")] == expected
    document = batch.document("plan")
    is_dry = dry_run is True
    assert (document["dry_run"], document["batch"], document["prune"]) == (is_dry, "summer", "list")
    assert (batch.sums["dry_run"], batch.sums["batch"], batch.sums["prune"]) == (is_dry, "summer", "list")


def test_a_video_and_what_is_missing(batch: Batch, folder: str) -> None:
    first, second = plan(batch)
    result = batch.make(first)
    batch.speech_seconds = 1.0
    with pytest.raises(InputError):
        batch.make(second)
    expected = {
        **{"task_id": "job-0", "request_id": "r", "status": "SUCCEEDED", "billed_seconds": 3.0},
        "usage": {"video_duration": 3.0, "video_ratio": "standard"},
        **dict.fromkeys(("submitted_at", "started_at", "finished_at", "queue_seconds", "render_seconds")),
        "inputs": {"video_url": batch.presenter, "audio_url": batch.service.url_for("/speech.wav")},
        **{"estimated_seconds": 3.0, "estimated_cost": 0.24, "exact": True, "cost": 0.24, "currency": "CNY"},
        "price": {"per_second": "0.08", "currency": "CNY", "as_of": "2026-11-22"},
    }
    assert result == {**expected, "video_url": batch.service.url_for("/made.mp4"), "expires_at": None}
    metadata = {
        "run": run_folder(batch).rpartition("/")[2],
        **{"name": "a", "label": "a (en)", "batch": "spring", "script": "Good morning and welcome."},
        **{"language": "en", "voice": "longanyang", "speech_model": "cosyvoice-v3-flash"},
        "speech_options": {"rate": 1.1},
        "parameters": {"video_extension": True, "query_face_threshold": 170},
    }
    pushed = batch.pushed["make", "videoretalk_metadata"][0]
    assert pushed.pop("presenter").startswith("sha256:")
    assert pushed == metadata
    kept = json.loads((batch.folder / "a-en.mp4.json").read_text())
    assert {name: kept[name] for name in expected | metadata} == expected | metadata
    assert batch.pushed["make", "videoretalk_destination"] == [f"{folder}/a-en.mp4", f"{folder}/b.mp4"]
    assert batch.pushed["make", "dashscope_task_id"] == ["job-0"]
    assert batch.pushed["make", "videoretalk_cost"][-1] == {"billed_seconds": 3.0, "cost": 0.24, "currency": "CNY"}
    error = {
        "code": "InvalidFile.Duration",
        "remedy": "Cut or extend video and audio to 2 to 120 seconds each.",
    }
    message = "audio_url: audio duration is 1 s, allowed is 2 to 120 s"
    assert batch.pushed["make", "videoretalk_error"] == [{"row": 1, "kind": "InputError", "message": message, **error}]
    sums = batch.manifest(tolerate=1)
    document = {**head(batch), "counts": {"published": 1, "failed": 1}, "cost": 0.24}
    uris = {
        f"{name}_uri": f"{run_folder(batch)}/manifest.{suffix}"
        for name, suffix in (("manifest", "json"), ("csv", "csv"))
    }
    assert sums == {**document, **uris} == batch.pushed["manifest", "videoretalk_manifest"][-1]
    made = {
        **{"line": 2, "name": "a", "language": "en", "state": "published", "uri": f"{folder}/a-en.mp4"},
        **{"seconds": 3.0, "cost": 0.24, "currency": "CNY", "code": None, "problem": None, "remedy": None},
    }
    missing = {
        **{"line": 3, "name": "b", "language": None, "state": "failed", "uri": f"{folder}/b.mp4"},
        **{"seconds": None, "cost": None, "currency": None, "problem": message, **error},
    }
    assert batch.document("manifest") == {**document, "removed": [], "videos": [made, missing]}
