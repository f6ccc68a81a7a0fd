"""Endings of a render job's task, and what the page, the spend and the job history have to say of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any, Literal

import psutil
import requests
from system.cluster import Cluster
from system.dag_run import ENDS_WITHIN, HAPPENS_WITHIN
from system.scenarios import Clip, Injury, WaitingOn
from system.waiting import until

Pace = Literal["quick", "held", "endless"]
"""Three seconds of video are rendered in 3 s, or until the run has ended, or not while the tests run."""

PACES: Mapping[Pace, Mapping[str, Any]] = {
    "quick": {},
    "held": {"time_scale": 1, "render_factor": 0},
    "endless": {"time_scale": 1, "render_factor": 3600},
}
RELEASE = "release"
_BY_STATUS: Mapping[str, float | None] = {"SUCCEEDED": 3.0, "FAILED": 0.0, "CANCELED": 0.0}
_TAGS = re.compile(r"<[^>]*>")
_BADGE = re.compile(r'<span class="badge \w+">([^<]+)</span>')
_HEADING = re.compile(r'<h2 id="outcome">([^<]+)</h2>')
_ERROR = re.compile(r"There is no such task instance")


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What happens to one clip, and what must be true afterwards.

    :param airflow: what becomes of Airflow's task, for the table
    :param service: what the service does, for the table
    :param badge: beside the title of the page
    :param page: what the page says of the render job
    :param also: what it says besides
    :param spend: what the board counts for the DAG
    :param jobs: how the service's jobs end, the oldest first
    :param billed: what the history has for each job whose id is known; by default what the service billed
    :param is_saved: whether the audit publishes a result
    :param shape: of the DAG
    :param pace: of the service
    :param steps: fault points of the run
    :param faults: armed in an emulator of the clip's own
    :param settings: of that emulator
    :param queued: whether another render job of the account is ahead
    :param play: what is done to the run
    """

    name: str
    airflow: str
    service: str
    badge: str
    page: str = ""
    also: str = ""
    spend: str
    jobs: Sequence[str]
    billed: Sequence[float | None] | None = None
    is_saved: bool = False
    shape: str = ""
    path: WaitingOn = "deferrable"
    pace: Pace = "quick"
    steps: Sequence[str] = ()
    faults: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    queued: bool = False
    play: Injury = lambda clip: 0.0

    @property
    def dag_id(self) -> str:
        return f"ending_{self.path}_{self.name}"

    @property
    def service_name(self) -> str:
        return self.name if self.faults or self.settings or self.pace == "held" else self.pace

    def service_settings(self, *, steps: Path) -> Mapping[str, Any]:
        """
        :param steps: the cluster's folder of steps
        """
        held = {"release": str(steps / self.name / RELEASE)} if self.pace == "held" else {}
        return {**PACES[self.pace], **self.settings, **held}

    @property
    def book(self) -> Sequence[float | None]:
        """What the history has for each job."""
        return [_BY_STATUS.get(status) for status in self.jobs] if self.billed is None else self.billed

    @property
    def says(self) -> str:
        """What the page says, in the words of the documentation's table."""
        return _joined(self.badge, self.page)

    @property
    def row(self) -> tuple[str, ...]:
        """The row of the documentation's table."""
        return self.airflow, self.service, self.says, self.spend, "publishes it" if self.is_saved else ""

    def clip(self, cluster: Cluster) -> Clip:
        service = cluster.services[self.service_name]
        return Clip(cluster=cluster, service=service, name=self.name, dag_id=self.dag_id, key=f"sk-{self.name}")


def play(cluster: Cluster, ending: Ending) -> str:
    """Plays an ending until run and render jobs stand as they should. Returns what kept it from that, or ``""``."""
    clip = ending.clip(cluster)
    try:
        clip.connect(ending.name)
        if ending.queued:
            urls = {"video_url": cluster.clips.url("stranger.mp4"), "audio_url": cluster.clips.url("stranger.wav")}
            clip.service.submit(key=clip.key, **urls)
        if ending.faults:
            clip.service.arm(*ending.faults)
        for step in ending.steps:
            cluster.arm(step, folder=clip.steps)
        clip.start(ending.name)
        ending.play(clip)
        until(partial(_has_ended, clip), what=f"the run of {ending.name} ends", within=ENDS_WITHIN)
        release(clip)
        until(partial(_stand, clip, ending.jobs), what=f"jobs {list(ending.jobs)}", within=ENDS_WITHIN)
    except Exception as error:
        found = [job["status"] for job in clip.tasks()]
        return f"{type(error).__name__}: {error} (jobs: {found})"
    return ""


def release(clip: Clip) -> None:
    """Lets the renders of a held service end."""
    clip.cluster.arm(RELEASE, folder=clip.steps)


def _stand(clip: Clip, statuses: Sequence[str]) -> bool:
    return [job["status"] for job in clip.tasks()] == list(statuses)


def _has_ended(clip: Clip) -> bool:
    """A deleted run has ended."""
    states = clip.cluster.run_states(clip.dag_id)
    return all(state in ("success", "failed") for state in states.values())


# What can be seen.


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a result page says.

    :param says: in the words of the documentation's table
    :param text: all of its text, with the parts that a browser loads into it
    """

    says: str = ""
    text: str = ""

    def is_of(self, ending: Ending) -> bool:
        """Whether it is the page of an ending."""
        return self.says == ending.says and ending.also in self.text


def page_of(cluster: Cluster, ending: Ending) -> Said:
    """What the result page of an ending says."""
    html = cluster.page(f"/dags/{ending.dag_id}/runs/{ending.name}/tasks/retalk/-1")
    parts = [cluster.page(part, absolute=True) for part in re.findall(r'data-load="([^"]+)"', html)]
    badges, headings = _BADGE.findall(html) or _ERROR.findall(html), _HEADING.findall("".join(parts))
    return Said(says=_joined(*map(unescape, (*badges, *headings))), text=_text(" ".join((html, *parts))))


def _joined(*words: str) -> str:
    return ". ".join(" ".join(word.split()) for word in words if word)


def _text(html: str) -> str:
    return " ".join(unescape(_TAGS.sub(" ", html)).split())


_NOTHING = "Nothing is known to have been billed for the last 14 days."
SPENDS: Mapping[str, str] = {
    "nothing": _NOTHING,
    "0.24 CNY": "0.24 CNY for 1 video in 14 days, by what the service said.",
    "0.48 CNY": "0.48 CNY for 2 videos in 14 days, by what the service said.",
    "unknown": f"{_NOTHING} 1 video with an unknown bill is not included",
    "not ended": f"{_NOTHING} 1 video has not ended as far as Airflow knows, and is not included",
}
"""How the board says what it counts for one DAG. Its sentences after these repeat the amounts."""


def spend_of(cluster: Cluster, ending: Ending) -> str:
    """What the board counts for the ending's DAG, in the words of the table; else all that it says."""

    def read() -> str:
        said = _text(cluster.page(f"/spend/panel?dag={ending.dag_id}")).removeprefix("Spend ")
        return "" if said.startswith("The job history could not be read in time.") else said

    said = until(read, what=f"the spend of {ending.name}", within=HAPPENS_WITHIN)
    # Each amount or remark is in one sentence. With more of them, the board counts something else.
    found = (word for word, begin in SPENDS.items() if said.startswith(begin))
    return next((word for word in found if said.count("not included") == SPENDS[word].count("not included")), said)


# What is done to a run.


def cancelled_by_others(clip: Clip) -> float:
    """Somebody cancels the job in the vendor's console."""
    clip.wait_for_wait("PENDING")
    (job,) = clip.tasks()
    headers = {"Authorization": f"Bearer {clip.key}"}
    url = f"{clip.service.base_url}/tasks/{job['task_id']}/cancel"
    requests.post(url, headers=headers, timeout=30).raise_for_status()
    return 0.0


def run_marked_while(state: str, status: str, *, deleted: bool = False) -> Injury:
    def mark(clip: Clip) -> float:
        clip.wait_for_wait(status)
        path = f"/dags/{clip.dag_id}/dagRuns/{clip.run_id}"
        clip.cluster.call("PATCH", path, json={"state": state})
        if deleted:
            clip.cluster.call("DELETE", path)
        return 0.0

    return mark


def another_task_fails(clip: Clip) -> float:
    clip.wait_for_wait("RUNNING")
    clip.cluster.arm("fail", folder=clip.steps)
    return 0.0


def worker_stops(clip: Clip) -> None:
    """Airflow stops a task's process with its next heartbeat. Until then it may return its video, also if marked."""
    pid = clip.cluster.task(clip.dag_id, clip.run_id, "retalk").pid
    assert pid is not None
    until(lambda: not psutil.pid_exists(pid), what=f"the process of {clip.name} stops", within=ENDS_WITHIN)


def then(*steps: Callable[[Clip], Any]) -> Injury:
    def play_all(clip: Clip) -> float:
        for step in steps:
            step(clip)
        return 0.0

    return play_all


def submitted_again(clip: Clip) -> None:
    until(lambda: len(clip.tasks()) == 2, what=f"{clip.name} is submitted again", within=ENDS_WITHIN)


def published(clip: Clip) -> None:
    until(lambda: clip.published() == "right", what=f"{clip.name} is published", within=ENDS_WITHIN)


def cleared_with_publish(clip: Clip) -> None:
    clip.cluster.wait_run(clip.dag_id, clip.run_id, within=ENDS_WITHIN)
    clip.cluster.clear(clip.dag_id, clip.run_id, "retalk", downstream=True)


def key_changed(clip: Clip) -> None:
    """The connection has another key, which the service refuses."""
    connection = {"connection_id": clip.name, "conn_type": "dashscope", "password": "revoked"}
    params = {"update_mask": "password"}
    clip.cluster.call("PATCH", f"/connections/{clip.name}", params=params, json=connection)


def sensor_waits(clip: Clip) -> None:
    def waits() -> bool:
        return clip.state("wait") == "deferred"

    until(waits, what=f"the sensor of {clip.name} waits", within=HAPPENS_WITHIN)
