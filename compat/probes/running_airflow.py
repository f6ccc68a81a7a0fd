"""Runs Airflow with the installed package, and the quickstart DAG on the emulator."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path.cwd()
sys.path.insert(0, str(ROOT / "scripts"))

import requests  # noqa: E402
from local_airflow import LocalAirflow, emulator  # noqa: E402

HOME = ROOT / ".running"
QUICKSTART = "videoretalk_quickstart"
DAGS = {path.stem for path in (ROOT / "dags").glob("*.py")}
_PARSED_WITHIN = 180.0
_MADE_WITHIN = 420.0


def main() -> None:
    local = LocalAirflow(home=HOME / "airflow", published=HOME / "videos")
    with emulator(home=HOME, time_scale=20) as base_url, local.running() as airflow:
        airflow.configure(base_url=base_url, api_key="sk-demo")
        check_board(airflow)
        check_dags(airflow)
        check_quickstart(airflow)
    print("Airflow runs, and the quickstart produced a video")


def check_board(airflow: LocalAirflow) -> None:
    airflow.call("GET", "/version")
    board = f"{airflow.url}/videoretalk/"
    token = requests.get(f"{airflow.url}/auth/token", timeout=30).json()["access_token"]
    response = requests.get(board, cookies={"_token": token}, timeout=60)
    print("board", response.status_code, len(response.content))
    assert response.status_code == 200, f"the board answers {response.status_code}"
    assert "VideoRetalk" in response.text, "the page is not the board"
    icon = requests.get(f"{board}static/icon.svg", cookies={"_token": token}, timeout=60)
    assert icon.status_code == 200, f"a static file answers {icon.status_code}"
    plugins = {plugin["name"] for plugin in airflow.call("GET", "/plugins")["plugins"]}
    assert "videoretalk" in plugins, f"plugins are {plugins}"


def check_dags(airflow: LocalAirflow) -> None:
    found: set[str] = set()
    deadline = time.monotonic() + _PARSED_WITHIN
    while time.monotonic() < deadline:
        errors: list[dict[str, Any]] = airflow.call("GET", "/importErrors")["import_errors"]
        assert not errors, errors
        found = {dag["dag_id"] for dag in airflow.call("GET", "/dags?limit=100")["dags"]}
        if found >= DAGS:
            print("parsed", sorted(found))
            return
        time.sleep(1)
    raise AssertionError(f"not parsed within {_PARSED_WITHIN:.0f} s: {sorted(DAGS - found)}")


def check_quickstart(airflow: LocalAirflow) -> None:
    run_id = airflow.trigger(QUICKSTART, {})
    run = airflow.run_path(QUICKSTART, run_id)
    state = ""
    deadline = time.monotonic() + _MADE_WITHIN
    while state not in ("success", "failed") and time.monotonic() < deadline:
        state = airflow.call("GET", run)["state"]
        time.sleep(1)
    tasks = {task["task_id"]: task["state"] for task in airflow.call("GET", f"{run}/taskInstances")["task_instances"]}
    print("quickstart", state, tasks)
    assert state == "success", f"the quickstart is {state}: {tasks}"
    videos = [path for path in (HOME / "videos").glob("*.mp4") if path.stat().st_size]
    assert len(videos) == 1, f"expected one published video, found {videos}"


if __name__ == "__main__":
    main()
