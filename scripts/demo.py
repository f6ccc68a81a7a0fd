"""Runs a DAG on a local Airflow and the emulator, from a text to a published mp4 file.

The quickstart by default. With ``--long``, the batch of one video of four minutes, with its price before it is made.
With ``--dub``, a video of two minutes in English becomes three in other languages, with an enrolled voice.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from child_processes import check_port, free_port
from interrupts import run_to_exit
from local_airflow import ROOT, LocalAirflow, emulator

HOME = ROOT / ".demo"
API_KEY = "sk-demo"
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
    :param is_dub: whether the run gets an original to dub
    :param settings: of Airflow, as environment variables
    """

    dag_id: str
    tasks: tuple[str, ...]
    publish: tuple[str, int]
    conf: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    is_dub: bool = False


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
        "subtitles": True,
    },
    settings={"AIRFLOW__VIDEORETALK__AIGC_CONTENT_PRODUCER": "demo of airflow-provider-videoretalk"},
)
DUB = Demo(
    dag_id="videoretalk_dub",
    tasks=(
        "languages",
        "has_sample",
        "transcript",
        "voice",
        "dub.translation",
        "dub.proofread",
        "dub.speech",
        "table",
        "plan",
        "approve",
        "video.make",
        "video.publish",
        "manifest",
    ),
    publish=("video.publish", 0),
    conf={
        "name": "the way of a letter",
        "languages": ["de", "zh", "es"],
        "proofread": False,
        "consent": "The emulator's synthetic voice belongs to nobody.",
    },
    is_dub=True,
)


def log(message: str) -> None:
    print(f"[{time.monotonic() - _STARTED:6.1f} s] {message}", flush=True)


def print_states_until_end(airflow: LocalAirflow, demo: Demo, run: str) -> bool:
    """Prints each change of a task's state until the run ends; returns whether the run succeeded."""
    seen: dict[tuple[str, int], str] = {}

    def has_ended() -> bool:
        state = airflow.call("GET", run)["state"]
        tasks = airflow.call("GET", f"{run}/taskInstances")["task_instances"]
        for task in sorted(tasks, key=lambda task: (demo.tasks.index(task["task_id"]), task["map_index"])):
            key = (task["task_id"], task["map_index"])
            if task["state"] in _STATE_MESSAGES and seen.get(key) != task["state"]:
                seen[key] = task["state"]
                label = f" ({task['rendered_map_index']})" if demo.is_dub and task["map_index"] >= 0 else ""
                log(f"{task['task_id']:>13}{label} {_STATE_MESSAGES[task['state']]}")
                if (*key, task["state"]) == ("plan", -1, "success"):
                    _print_price(airflow, run)
        return state in ("success", "failed")

    airflow.wait_until(has_ended, what=f"the run of {demo.dag_id} to end")
    return bool(airflow.call("GET", run)["state"] == "success")


def _print_price(airflow: LocalAirflow, run: str) -> None:
    plan = airflow.call("GET", f"{run}/taskInstances/plan/xcomEntries/videoretalk_plan")["value"]
    bound = "" if plan["exact"] else "at most "
    log(f"the video will cost {bound}{plan['most_cost']:.2f} {plan['currency']}, and be ready at {plan['ready_at']}")


def _original(stack: ExitStack, *, base_url: str) -> dict[str, str]:
    """The fields of the form that name the original and the sample of its voice."""
    # Loads the emulator's media libraries.
    from original_video import original_video

    made = original_video(LONG_SCRIPT.read_text(), base_url=base_url, api_key=API_KEY, folder=HOME / "original")
    original = stack.enter_context(made)
    return {"video": original.video, "voice_sample": original.voice_sample}


def _print_paid(airflow: LocalAirflow, base_url: str) -> None:
    """What the emulator's book says of all jobs, and what Airflow's page Spend says was paid."""
    with requests.Session() as web:
        web.trust_env = False
        book = web.get(f"{base_url.removesuffix('/api/v1')}/emulator/tasks", timeout=60).json()
    seconds: dict[str, float] = {}
    for job in book["tasks"]:
        seconds[job["model"]] = seconds.get(job["model"], 0.0) + job["billed_seconds"]
    for model, billed in seconds.items():
        log(f"the emulator's book: {billed:.2f} s of {model}")
    for line in csv.DictReader(airflow.read_page("/spend.csv").splitlines()):
        log(f"the page Spend: {line['amount']} {line['unit']} for {line['paid_for']}")


def _file_name(uri: str) -> str:
    return url2pathname(urlsplit(uri).path).rpartition("/")[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, help="port of Airflow's API server; by default a free port")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--long", action="store_const", dest="demo", const=LONG, help="make a video of four minutes")
    which.add_argument("--dub", action="store_const", dest="demo", const=DUB, help="dub a video of two minutes")
    arguments = parser.parse_args()
    demo = arguments.demo or QUICKSTART
    if arguments.port is not None:
        check_port(arguments.port)
    local = LocalAirflow(
        home=HOME / "airflow",
        published=HOME / "videos",
        port=arguments.port or free_port(),
        settings=demo.settings,
    )
    log("starting the emulator and Airflow (scheduler, triggerer, DAG processor, API server)")
    with emulator(home=HOME, time_scale=20) as base_url, local.running() as airflow, ExitStack() as stack:
        airflow.configure(base_url=base_url, api_key=API_KEY)
        conf = dict(demo.conf)
        if demo.is_dub:
            log("making the original: a drawn presenter who speaks English for two minutes")
            conf |= _original(stack, base_url=base_url)
        run_id = airflow.trigger(demo.dag_id, conf)
        log(f"running {demo.dag_id} ({airflow.url}/dags/{demo.dag_id})")
        run = airflow.run_path(demo.dag_id, run_id)
        if not print_states_until_end(airflow, demo, run):
            log(f"the run failed; its logs are in {HOME / 'airflow' / 'logs'}")
            return 1
        task_id, map_index = demo.publish
        if demo.is_dub:
            _print_paid(airflow, base_url)
        path = f"{run}/taskInstances/{task_id}/xcomEntries/return_value?map_index={map_index}"
        published = airflow.call("GET", path)["value"]
        log("stopping Airflow and the emulator")
    video = Path(url2pathname(urlsplit(published["uri"]).path))
    log(f"{published['billed_seconds']} s of video, {video.stat().st_size} bytes, metadata in {video.name}.json")
    if "subtitles" in published:
        log(f"subtitles in {' and '.join(map(_file_name, published['subtitles'].values()))}")
    if "aigc" in published:
        log(f"marked as made by AI: {json.dumps(published['aigc'])}")
    print(f"\n{video}")
    return 0


_STARTED = time.monotonic()

if __name__ == "__main__":
    run_to_exit(main)
