"""The main job, end to end: the quickstart DAG on a real Airflow and the emulator, from a script to a published mp4."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from local_airflow import ROOT, LocalAirflow, emulator

DAG_ID = "videoretalk_quickstart"
TASKS = ("speech", "retalk", "publish")
HOME = ROOT / ".demo"
_FINISHED_WITHIN = 300.0
_WORDS = {
    "queued": "is on its way to a worker",
    "running": "runs on a worker",
    "deferred": "waits on the triggerer, no worker is held",
    "success": "is done",
    "failed": "failed",
    "upstream_failed": "can't run",
}


def say(message: str) -> None:
    print(f"[{time.monotonic() - _BEGUN:6.1f} s] {message}", flush=True)


def follow(airflow: LocalAirflow, run: str) -> bool:
    """Tells each change of a task's state until the run ended; whether it succeeded."""
    seen: dict[str, str] = {}
    deadline = time.monotonic() + _FINISHED_WITHIN
    while time.monotonic() < deadline:
        state = airflow.call("GET", run)["state"]
        for task in sorted(airflow.call("GET", f"{run}/taskInstances")["task_instances"], key=_order):
            if task["state"] in _WORDS and seen.get(task["task_id"]) != task["state"]:
                seen[task["task_id"]] = task["state"]
                say(f"{task['task_id']:>8} {_WORDS[task['state']]}")
        if state in ("success", "failed"):
            return bool(state == "success")
        time.sleep(0.3)
    return False


def _order(task: dict[str, str]) -> int:
    return TASKS.index(task["task_id"])


def main() -> int:
    say("starting the emulator and Airflow (scheduler, triggerer, DAG processor, API server)")
    with emulator(home=HOME, time_scale=20) as base_url, LocalAirflow(home=HOME / "airflow").running() as airflow:
        airflow.furnish(base_url=base_url, api_key="sk-demo")
        run_id = airflow.trigger(DAG_ID, {"destination": f"{(HOME / 'videos').as_uri()}/"})
        say(f"running {DAG_ID} ({airflow.url}/dags/{DAG_ID})")
        run = airflow.run_path(DAG_ID, run_id)
        if not follow(airflow, run):
            say(f"the run did not succeed; its logs are in {HOME / 'airflow' / 'logs'}")
            return 1
        published = airflow.call("GET", f"{run}/taskInstances/publish/xcomEntries/return_value")["value"]
        say("stopping Airflow and the emulator")
    video = Path(published["uri"].removeprefix("file://"))
    say(f"{published['billed_seconds']} s of video, {video.stat().st_size} bytes, metadata in {video.name}.json")
    print(f"\n{video}")
    return 0


_BEGUN = time.monotonic()

if __name__ == "__main__":
    sys.exit(main())
