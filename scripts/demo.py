"""Runs the quickstart DAG on a local Airflow and the emulator, from a text to a published mp4 file."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from child_processes import check_port, free_port
from interrupts import run_to_exit
from local_airflow import ROOT, LocalAirflow, emulator

DAG_ID = "videoretalk_quickstart"
TASKS = ("speech", "retalk", "publish")
HOME = ROOT / ".demo"
_STATE_MESSAGES = {
    "queued": "is queued for a worker",
    "running": "runs on a worker",
    "deferred": "waits on the triggerer without a worker",
    "success": "is done",
    "failed": "failed",
    "upstream_failed": "cannot run, because an earlier task failed",
}


def log(message: str) -> None:
    print(f"[{time.monotonic() - _STARTED:6.1f} s] {message}", flush=True)


def print_states_until_end(airflow: LocalAirflow, run: str) -> bool:
    """Prints each change of a task's state until the run ends; returns whether the run succeeded."""
    seen: dict[str, str] = {}

    def has_ended() -> bool:
        state = airflow.call("GET", run)["state"]
        for task in sorted(airflow.call("GET", f"{run}/taskInstances")["task_instances"], key=_order):
            if task["state"] in _STATE_MESSAGES and seen.get(task["task_id"]) != task["state"]:
                seen[task["task_id"]] = task["state"]
                log(f"{task['task_id']:>8} {_STATE_MESSAGES[task['state']]}")
        return state in ("success", "failed")

    airflow.wait_until(has_ended, what=f"the run of {DAG_ID} to end")
    return bool(airflow.call("GET", run)["state"] == "success")


def _order(task: dict[str, str]) -> int:
    return TASKS.index(task["task_id"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, help="port of Airflow's API server; by default a free port")
    port = parser.parse_args().port
    if port is not None:
        check_port(port)
    local = LocalAirflow(home=HOME / "airflow", published=HOME / "videos", port=port or free_port())
    log("starting the emulator and Airflow (scheduler, triggerer, DAG processor, API server)")
    with emulator(home=HOME, time_scale=20) as base_url, local.running() as airflow:
        airflow.configure(base_url=base_url, api_key="sk-demo")
        run_id = airflow.trigger(DAG_ID, {})
        log(f"running {DAG_ID} ({airflow.url}/dags/{DAG_ID})")
        run = airflow.run_path(DAG_ID, run_id)
        if not print_states_until_end(airflow, run):
            log(f"the run failed; its logs are in {HOME / 'airflow' / 'logs'}")
            return 1
        published = airflow.call("GET", f"{run}/taskInstances/publish/xcomEntries/return_value")["value"]
        log("stopping Airflow and the emulator")
    video = Path(url2pathname(urlsplit(published["uri"]).path))
    log(f"{published['billed_seconds']} s of video, {video.stat().st_size} bytes, metadata in {video.name}.json")
    print(f"\n{video}")
    return 0


_STARTED = time.monotonic()

if __name__ == "__main__":
    run_to_exit(main)
