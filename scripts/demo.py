"""Runs a DAG on a local Airflow and the emulator, from a text to a published mp4 file.

The quickstart by default; with ``--long``, the batch of one video of four minutes, with its price before it is made.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from child_processes import check_port, free_port
from interrupts import run_to_exit
from local_airflow import ROOT, LocalAirflow, emulator

HOME = ROOT / ".demo"
LONG_SCRIPT = ROOT / "scripts" / "long_script.txt"
_STATE_MESSAGES = {
    "queued": "is queued for a worker",
    "running": "runs on a worker",
    "deferred": "waits on the triggerer without a worker",
    "success": "is done",
    "skipped": "is not needed",
    "failed": "failed",
    "upstream_failed": "cannot run, because an earlier task failed",
}


@dataclass(frozen=True, kw_only=True)
class Demo:
    """
    :param tasks: in the order in which they run
    :param publish: the last of them that makes an object, with its map index
    :param conf: of the run
    """

    dag_id: str
    tasks: tuple[str, ...]
    publish: tuple[str, int]
    conf: Mapping[str, Any] = field(default_factory=dict)


QUICKSTART = Demo(dag_id="videoretalk_quickstart", tasks=("speech", "retalk", "publish"), publish=("publish", -1))
LONG = Demo(
    dag_id="videoretalk_batch",
    tasks=("plan", "approve", "video.make", "video.review", "video.publish", "manifest"),
    publish=("video.publish", 0),
    conf={
        "table": json.dumps({"name": "the way of a letter", "language": "en", "text": LONG_SCRIPT.read_text()}),
        "max_cost_per_video": 20,
        "max_cost": 50,
        "approve_above": 50,
    },
)


def log(message: str) -> None:
    print(f"[{time.monotonic() - _STARTED:6.1f} s] {message}", flush=True)


def print_states_until_end(airflow: LocalAirflow, demo: Demo, run: str) -> bool:
    """Prints each change of a task's state until the run ends; returns whether the run succeeded."""
    seen: dict[str, str] = {}

    def has_ended() -> bool:
        state = airflow.call("GET", run)["state"]
        tasks = airflow.call("GET", f"{run}/taskInstances")["task_instances"]
        for task in sorted(tasks, key=lambda task: demo.tasks.index(task["task_id"])):
            if task["state"] in _STATE_MESSAGES and seen.get(task["task_id"]) != task["state"]:
                seen[task["task_id"]] = task["state"]
                log(f"{task['task_id']:>13} {_STATE_MESSAGES[task['state']]}")
                if (task["task_id"], task["state"]) == ("plan", "success"):
                    _print_price(airflow, run)
        return state in ("success", "failed")

    airflow.wait_until(has_ended, what=f"the run of {demo.dag_id} to end")
    return bool(airflow.call("GET", run)["state"] == "success")


def _print_price(airflow: LocalAirflow, run: str) -> None:
    plan = airflow.call("GET", f"{run}/taskInstances/plan/xcomEntries/videoretalk_plan")["value"]
    bound = "" if plan["exact"] else "at most "
    log(f"the video will cost {bound}{plan['most_cost']:.2f} {plan['currency']}, and be ready at {plan['ready_at']}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, help="port of Airflow's API server; by default a free port")
    parser.add_argument("--long", action="store_true", help="make a video of four minutes")
    arguments = parser.parse_args()
    demo = LONG if arguments.long else QUICKSTART
    if arguments.port is not None:
        check_port(arguments.port)
    local = LocalAirflow(home=HOME / "airflow", published=HOME / "videos", port=arguments.port or free_port())
    log("starting the emulator and Airflow (scheduler, triggerer, DAG processor, API server)")
    with emulator(home=HOME, time_scale=20) as base_url, local.running() as airflow:
        airflow.configure(base_url=base_url, api_key="sk-demo")
        run_id = airflow.trigger(demo.dag_id, dict(demo.conf))
        log(f"running {demo.dag_id} ({airflow.url}/dags/{demo.dag_id})")
        run = airflow.run_path(demo.dag_id, run_id)
        if not print_states_until_end(airflow, demo, run):
            log(f"the run failed; its logs are in {HOME / 'airflow' / 'logs'}")
            return 1
        task_id, map_index = demo.publish
        path = f"{run}/taskInstances/{task_id}/xcomEntries/return_value?map_index={map_index}"
        published = airflow.call("GET", path)["value"]
        log("stopping Airflow and the emulator")
    video = Path(url2pathname(urlsplit(published["uri"]).path))
    log(f"{published['billed_seconds']} s of video, {video.stat().st_size} bytes, metadata in {video.name}.json")
    print(f"\n{video}")
    return 0


_STARTED = time.monotonic()

if __name__ == "__main__":
    run_to_exit(main)
