"""Rows of a batch whose presenter is a photo, on the emulator."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from connections import connect
from PIL import Image
from state_store import TaskStateStore
from statsd_lines import record_metrics

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator
from airflow_provider_videoretalk.operators.plan_videos import PlanVideosOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator

from ..conftest import OutletEvents


class PhotoBatch:
    """The tasks of a run, and what an account of its own was billed."""

    def __init__(self, emulator: Emulator, key: str, folder: Path) -> None:
        self.emulator, self.folder = emulator, f"{folder.as_uri()}/"
        self.account = emulator.state.authenticate(f"Bearer {key}").account.name
        self.table = f"name,text,photo\nshop,Good morning and welcome.,{emulator.url}/samples/portrait.png\n"
        self.states: dict[str, TaskStateStore] = {}
        self.pushed: dict[str, Any] = {}
        self.run_id = "first"

    def context(self, task_id: str) -> dict[str, Any]:
        ti = SimpleNamespace(
            dag_id="photos",
            run_id=self.run_id,
            task_id=task_id,
            map_index=-1,
            max_tries=1,
            xcom_push=lambda key, value: self.pushed.update({key: json.loads(json.dumps(value))}),
        )
        return {
            "ti": ti,
            "dag_run": SimpleNamespace(clear_number=0),
            "outlet_events": OutletEvents(),
            "task_state_store": self.states.setdefault(f"{self.run_id} {task_id}", TaskStateStore()),
        }

    def plan(self, **arguments: Any) -> Any:
        given = {"table": self.table, "folder": self.folder} | arguments
        return PlanVideosOperator(task_id="plan", **given).execute(self.context("plan"))

    def make(self, row: Any) -> Any:
        make = MakeVideoOperator(task_id="make", row=row, folder=self.folder, deferrable=False)
        return make.execute(self.context("make"))

    def publish(self, result: Any) -> Any:
        destination, metadata = self.pushed["videoretalk_destination"], self.pushed["videoretalk_metadata"]
        publish = PublishMediaOperator(task_id="publish", source=result, destination=destination, metadata=metadata)
        return publish.execute(self.context("publish"))

    @property
    def paid(self) -> dict[str, int]:
        requests = [one for one in self.emulator.state.requests if one["account"] == self.account]
        jobs = [one for one in self.emulator.state.job_reports() if one["account"] == self.account]
        assert {job["model"] for job in jobs} <= {"liveportrait"}
        return {"checks": sum(one["operation"] == "detect" for one in requests), "jobs": len(jobs)}


@pytest.fixture
def batch(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PhotoBatch:
    key, folder = f"sk-{uuid.uuid4()}", tmp_path / "videos"
    folder.mkdir()
    connect(monkeypatch, host=emulator.base_url, password=key, allow_private=True, poll_interval=0.1)
    return PhotoBatch(emulator, key, folder)


def test_a_photo_becomes_a_video_and_is_kept(batch: PhotoBatch, tmp_path: Path) -> None:
    (row,) = batch.plan()
    assert row["photo_model"] == "liveportrait"
    most = batch.pushed["videoretalk_plan"]["most_cost"]
    result = batch.make(row)
    assert result["price"]["per_job"] == "0.004"
    assert 0.004 < result["cost"] <= most
    # A second try finds the job, and asks the check no more.
    assert batch.make(row)["task_id"] == result["task_id"]
    assert batch.paid == {"checks": 1, "jobs": 1}
    batch.publish(result)
    metadata = json.loads((tmp_path / "videos" / "shop.mp4.json").read_text())
    assert (metadata["photo_model"], metadata["parameters"]) == ("liveportrait", {})
    batch.run_id = "second"
    assert batch.plan() == []
    assert batch.plan(photo_model="wan2.2-s2v") != []
    for wrong in (True, "wan"):
        with pytest.raises(InputError, match=r"^photo_model is "):
            batch.plan(photo_model=wrong)


def test_a_photo_that_was_held_back_is_made_by_its_own_model(batch: PhotoBatch) -> None:
    (row,) = batch.plan()
    make = MakeVideoOperator(task_id="make", row=row, folder=batch.folder, deferrable=False)
    result = make.execute_again(batch.context("make"), {"refusals": 0, "since": 0.0})
    assert batch.paid == {"checks": 1, "jobs": 1}
    assert batch.pushed["videoretalk_cost"]["cost"] == result["cost"] > 0.004


def test_a_deferred_photo_is_counted_under_its_own_model(batch: PhotoBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = batch.plan()
    given: dict[str, Any] = {"task_id": "make", "row": row, "folder": batch.folder, "deferrable": True}
    with pytest.raises(TaskDeferred) as deferred:
        MakeVideoOperator(**given).execute(batch.context("make"))

    async def fired() -> Any:
        return await anext(deferred.value.trigger.run())

    payload, lines = asyncio.run(fired()).payload, record_metrics(monkeypatch)
    # Another process goes on.
    result = MakeVideoOperator(**given).execute_complete(batch.context("make"), payload)
    job = "connection_id=dashscope_default,model=liveportrait"
    assert f"videoretalk.job_ended,{job},status=succeeded:1|c" in lines
    assert batch.pushed["videoretalk_cost"]["cost"] == result["cost"] > 0.004


def test_a_photo_without_a_face_is_told_before_its_job(batch: PhotoBatch, tmp_path: Path) -> None:
    Image.new("RGB", (480, 640), "white").save(tmp_path / "empty.png")
    batch.table = f"name,text,photo\nshop,Good morning and welcome.,{tmp_path / 'empty.png'}\n"
    (row,) = batch.plan(allowed_sources=[tmp_path.as_uri()])
    with pytest.raises(InputError, match=r"^image_url is a photo that liveportrait cannot make speak"):
        batch.make(row)
    assert batch.paid == {"checks": 1, "jobs": 0}
    speeches = [one for one in batch.emulator.state.requests if one["operation"] == "speech"]
    assert [one for one in speeches if one["account"] == batch.account] == [], "the check comes before the speech"
    assert batch.pushed["videoretalk_error"]["remedy"].startswith("Give a photo of one person")


def test_a_photo_that_the_model_does_not_take_is_a_fault_of_its_row(batch: PhotoBatch, tmp_path: Path) -> None:
    Image.new("RGB", (300, 900), "white").save(tmp_path / "narrow.png")
    batch.table = f"name,text,photo\nshop,Good morning.,{tmp_path / 'narrow.png'}\n"
    with pytest.raises(
        AirflowFailException, match="line 2, column photo: image aspect ratio is 3, allowed is at most 2"
    ):
        batch.plan(allowed_sources=[tmp_path.as_uri()])


def test_a_photo_that_has_changed_is_not_made(batch: PhotoBatch, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (480, 640), "white").save(photo)
    batch.table = f"name,text,photo\nshop,Good morning.,{photo}\n"
    (row,) = batch.plan()
    Image.new("RGB", (480, 640), "black").save(photo)
    with pytest.raises(InputError, match=r"the presenter at .* has changed since the plan"):
        batch.make(row)
    assert batch.paid == {"checks": 0, "jobs": 0}
