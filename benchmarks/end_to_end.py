"""What a clip takes in a real Airflow beyond its render, stage by stage.

Scheduler, triggerer, DAG processor and API server run on this machine, with the emulator. Clips of several lengths run
one after another. The first ones are not counted: they find nothing loaded, and the triggerer learns from them how long
renders take. Airflow's times are those of the task instance and of its log, and the service's those of the emulator's
book: one clock, since all run on one machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal

import requests

from benchmarks.machine import undisturbed
from benchmarks.results import ROOT, Result, Table, at_most, commit, setting

sys.path.insert(0, str(ROOT / "scripts"))

from local_airflow import LocalAirflow, emulator

Mode = Literal["deferred", "blocking"]

CLIPS = 5
WARM_UP: Mapping[Mode, int] = {"deferred": 5, "blocking": 1}
# Speech of five to eight seconds: renders last longer than the 15 s within which no deferral ends, and no longer than
# the presenter's clip allows.
TIME_SCALE = 3.0
_TEXT = "Here is the news of the day, as it is read every evening, in a few words and for everybody. " * 2
_CHARACTERS = range(80, 115, 7)
GOAL_SECONDS = 3.5
_API_KEY = "sk-benchmark"
_STARTED, _FIRED, _DEFERRED = "Pre Execute", "Trigger fired event", "Pausing task as DEFERRED"


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Moments of a clip, in seconds since the epoch. The last three stages of a deferred one are ``None`` if it blocks.

    :param started: when a worker began it
    :param fired: when the trigger handed its event over
    :param queued: when the scheduler queued it again
    :param resumed: when a worker went on with it
    :param asked: status queries and pages of the list until its end
    """

    started: float
    submitted: float
    render_began: float
    render_ended: float
    fired: float | None
    queued: float | None
    resumed: float | None
    ended: float
    asked: int

    @property
    def overhead(self) -> float:
        return (self.ended - self.started) - (self.render_ended - self.render_began)

    def stages(self) -> dict[str, float]:
        """Seconds by stage, all but the render."""
        found = {
            "from the worker's start to the submit": self.submitted - self.started,
            "from the submit to the render": self.render_began - self.submitted,
        }
        if self.fired is None or self.queued is None or self.resumed is None:
            return found | {"from the render's end to the task's end": self.ended - self.render_ended}
        return found | {
            "from the render's end to the trigger's event": self.fired - self.render_ended,
            "from the event until the scheduler queues the task": self.queued - self.fired,
            "from the queue to a worker": self.resumed - self.queued,
            "from the worker to the task's end": self.ended - self.resumed,
        }


def measure(*, quick: bool) -> Result:
    clips, _ = undisturbed(partial(_clips, CLIPS), what="end to end")
    overheads = {mode: [clip.overhead for clip in found] for mode, found in clips.items()}
    goal = at_most("overhead of a deferred clip, warm", GOAL_SECONDS, median(overheads["deferred"]), unit=" s")
    return Result(
        setting=setting("apache-airflow", more=f"{CLIPS} clips each"),
        commit=commit(),
        goals=[goal],
        tables=[_stages(mode, found) for mode, found in clips.items()],
    )


def _stages(mode: Mode, clips: Sequence[Clip]) -> Table:
    by_stage = [clip.stages() for clip in clips]
    rows = [_row(stage, [each[stage] for each in by_stage]) for stage in by_stage[0]]
    asked = [clip.asked for clip in clips]
    return Table(
        title=f"A {mode} clip, seconds",
        header=("stage", "median", "range"),
        rows=[*rows, _row("all but the render", [clip.overhead for clip in clips])],
        note=f"Status queries and pages of the list for a clip: {median(asked):g}, {min(asked)} to {max(asked)}.",
    )


def _row(stage: str, seconds: Sequence[float]) -> list[str]:
    return [stage, f"{median(seconds):.2f}", f"{min(seconds):.2f} to {max(seconds):.2f}"]


def _clips(count: int) -> dict[Mode, list[Clip]]:
    found: dict[Mode, list[Clip]] = {"deferred": [], "blocking": []}
    with tempfile.TemporaryDirectory(prefix="end-to-end-") as folder:
        home = Path(folder)
        local = LocalAirflow(
            home=home / "airflow",
            published=home / "videos",
            settings={"AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "benchmarks" / "dags")},
        )
        with emulator(home=home, time_scale=TIME_SCALE) as base_url, local.running() as airflow:
            airflow.configure(base_url=base_url, api_key=_API_KEY)
            speeches = [_speech(base_url, _TEXT[:characters]) for characters in _CHARACTERS]
            for mode, clips in found.items():
                for turn in range(WARM_UP[mode] + count):
                    clip = _clip(airflow, mode, base_url=base_url, speech=speeches[turn % len(speeches)])
                    clips += [clip] if turn >= WARM_UP[mode] else []
    return found


def _clip(airflow: LocalAirflow, mode: Mode, *, base_url: str, speech: str) -> Clip:
    """
    :raises RuntimeError: the clip failed
    """
    conf = {"video": f"{_root(base_url)}/samples/presenter.mp4", "audio": speech}
    run = airflow.run_path(mode, airflow.trigger(mode, conf))
    airflow.wait_until(lambda: airflow.call("GET", run)["state"] in ("success", "failed"), what=f"the {mode} clip")
    task = airflow.call("GET", f"{run}/taskInstances/retalk")
    if task["state"] != "success":
        raise RuntimeError(f"the {mode} clip ended as {task['state']}")
    job = _read(base_url, "tasks")["tasks"][-1]
    log = _read(base_url, "requests")["requests"]
    asked = [entry["operation"] for entry in log if entry["time"] > job["submitted"]]
    logged = list(_logged(airflow.home / "logs", run_id=task["dag_run_id"]))
    starts = [at for at, event in logged if _STARTED in event]
    is_deferred = any(_DEFERRED in event for _, event in logged)
    return Clip(
        started=_moment(task["start_date"]),
        submitted=job["submitted"],
        render_began=job["scheduled"],
        render_ended=job["ended"],
        fired=next((at for at, event in logged if _FIRED in event), None),
        queued=_moment(task["queued_when"]) if is_deferred else None,
        resumed=starts[-1] if is_deferred else None,
        ended=_moment(task["end_date"]),
        asked=asked.count("query") + asked.count("list"),
    )


def _speech(base_url: str, text: str) -> str:
    """URL of a WAV in which the emulator says the text."""
    body = {"model": "qwen3-tts-flash", "input": {"text": text, "voice": "Cherry"}}
    url = f"{base_url}/services/aigc/multimodal-generation/generation"
    with _web() as web:
        reply = web.post(url, json=body, headers={"Authorization": f"Bearer {_API_KEY}"}, timeout=60).json()
    return str(reply["output"]["audio"]["url"])


def _read(base_url: str, what: str) -> Mapping[str, Any]:
    """What the emulator's control API tells."""
    with _web() as web:
        found: Mapping[str, Any] = web.get(f"{_root(base_url)}/emulator/{what}", timeout=60).json()
    return found


def _root(base_url: str) -> str:
    return base_url.removesuffix("/api/v1")


def _web() -> requests.Session:
    web = requests.Session()
    web.trust_env = False
    return web


def _logged(logs: Path, *, run_id: str) -> Iterator[tuple[float, str]]:
    """The lines of worker and triggerer about a run, each with its moment."""
    for path in sorted(logs.glob(f"dag_id=*/run_id={run_id}/task_id=retalk/*.log*")):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            yield _moment(entry["timestamp"]), str(entry["event"])


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
