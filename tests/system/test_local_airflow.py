"""The quickstart on a real Airflow: scheduler, triggerer, DAG processor and API server as processes of their own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from connections import API_KEY
from local_airflow import LocalAirflow, emulator
from recognition import heard_share

DAG_ID = "videoretalk_quickstart"
NEW_VIDEO = "videoretalk_on_new_video"
SCRIPT = "Good morning, and welcome to the morning news. The weather is warm and the people are happy."
NOT_A_VIDEO = "http://127.0.0.1:9/none.mp4"
FINISHED_WITHIN = 180.0


def finished(airflow: LocalAirflow, run_id: str) -> dict[str, Any]:
    """The run's state and its task instances' states, once it ended."""
    run = airflow.run_path(DAG_ID, run_id)
    deadline = time.monotonic() + FINISHED_WITHIN
    while (state := airflow.call("GET", run)["state"]) not in ("success", "failed"):
        assert time.monotonic() < deadline, f"run {run_id} is still {state}"
        time.sleep(0.5)
    instances = airflow.call("GET", f"{run}/taskInstances")["task_instances"]
    return {"run": state} | {instance["task_id"]: instance["state"] for instance in instances}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an Airflow in which one run succeeded and one failed, and that has stopped since."""
    home = tmp_path_factory.mktemp("system")
    local = LocalAirflow(home=home / "airflow", published=home)
    with emulator(home=home, time_scale=100) as base_url, local.running() as airflow:
        airflow.configure(base_url=base_url, api_key=API_KEY)
        test = {"connection_id": "dashscope_default", "conn_type": "dashscope", "host": base_url, "password": API_KEY}
        assert airflow.call("POST", "/connections/test", json=test)["status"] is True
        airflow.publish_in(home / "videos")
        good = airflow.trigger(DAG_ID, {"script": SCRIPT})
        bad = airflow.trigger(DAG_ID, {"video": NOT_A_VIDEO})
        assert finished(airflow, good) == dict.fromkeys(("run", "speech", "retalk", "publish"), "success")
        assert finished(airflow, bad) == {
            "run": "failed",
            "speech": "success",
            "retalk": "failed",
            "publish": "upstream_failed",
        }
        events = airflow.call("GET", "/assets/events")["asset_events"]
        assert [event["extra"]["script"] for event in events] == [SCRIPT]
        (home / "told.json").write_text(json.dumps(told_of_new_videos(airflow, folder=home / "assets")))
    return home


def told_of_new_videos(airflow: LocalAirflow, *, folder: Path) -> list[dict[str, Any]]:
    """What the DAG after next was told, once a script was announced as an asset's event."""
    airflow.publish_in(folder)
    (asset,) = airflow.call("GET", "/assets", params={"name_pattern": "videoretalk_script"})["assets"]
    airflow.call("POST", "/assets/events", json={"asset_id": asset["id"], "extra": {"text": SCRIPT}})
    runs = f"/dags/{NEW_VIDEO}/dagRuns"
    deadline = time.monotonic() + FINISHED_WITHIN
    while not (ended := [run for run in airflow.call("GET", runs)["dag_runs"] if run["state"] == "success"]):
        assert time.monotonic() < deadline, f"no run of {NEW_VIDEO} has succeeded"
        time.sleep(0.5)
    run = airflow.run_path(NEW_VIDEO, ended[0]["dag_run_id"])
    value: list[dict[str, Any]] = airflow.call(
        "GET", f"{run}/taskInstances/tell/xcomEntries/return_value", params={"deserialize": True}
    )["value"]
    return value


def test_the_words_of_the_script_are_in_the_published_video(home: Path) -> None:
    (video,) = (home / "videos").glob("*.mp4")
    assert heard_share(video, SCRIPT) >= 0.6


def test_a_new_script_becomes_a_video_that_starts_another_dag(home: Path) -> None:
    (told,) = json.loads((home / "told.json").read_text())
    (video,) = (home / "assets").glob("*/*/*/*.mp4")
    assert told["uri"] == video.as_uri()
    assert told["cost"] == pytest.approx(0.08 * told["billed_seconds"], abs=0.0001)
    assert told["currency"] == "CNY"


def test_the_key_is_in_no_file_that_airflow_left(home: Path) -> None:
    left = [path for path in (home / "airflow").rglob("*") if path.is_file()]
    logs = [path for path in left if path.suffix == ".log" and "task_id=retalk" in str(path)]
    assert any("InvalidURL" in path.read_text() for path in logs)
    assert any(path.name == "airflow.db" for path in left)
    for path in left:
        assert API_KEY.encode() not in path.read_bytes(), path
