"""What can happen to one paid clip, and what the service's own books and the store say of it afterwards."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from system.cluster import Cluster, Component
from system.dag_run import ENDS_WITHIN, HAPPENS_WITHIN, DagRun
from system.reports import columns
from system.service import content
from system.waiting import until

WaitingOn = Literal["deferrable", "blocking"]

PATHS: tuple[WaitingOn, ...] = ("deferrable", "blocking")

REAL_TIME = {"time_scale": 1, "render_factor": 1}
"""Settings of a service whose times are compared with Airflow's, as reconciling does."""

_FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})


@dataclass(kw_only=True)
class Clip(DagRun):
    """One clip's run: its own connection with a key of its own, input, destination and steps to die at."""

    task_id: str = "retalk"

    @property
    def video_url(self) -> str:
        return self.cluster.clips.url(f"{self.name}.mp4")

    @property
    def destination(self) -> Path:
        return self.cluster.home / "published" / f"{self.name}.mp4"

    def start(self, connection: str) -> None:
        """Triggers the DAG."""
        conf = {
            "video_url": self.video_url,
            "audio_url": self.cluster.clips.url("speech.wav"),
            "destination": self.destination.as_uri(),
            "connection": connection,
        }
        self.trigger(conf)

    def tasks(self) -> list[dict[str, Any]]:
        """The service's tasks for this clip."""
        return self.service.tasks(video_url=self.video_url)

    def wait_for_status(self, status: str) -> None:
        """Waits until the service has a task for this clip that stands so."""

        def stands() -> bool:
            return any(task["status"] == status for task in self.tasks())

        until(stands, what=f"{self.name} has a {status} task", within=HAPPENS_WITHIN)

    def wait_for_wait(self, status: str) -> None:
        """Waits until Airflow waits for a task that stands so: on the triggerer, or in a worker.

        A deferred task instance waits for nothing yet: it takes a second or two until a triggerer takes its trigger up,
        and one that is marked before is never heard of there.
        """
        state = "deferred" if "deferrable" in self.dag_id else "running"
        self.wait_for_status(status)
        until(lambda: self.state() == state, what=f"{self.name} is {state}", within=HAPPENS_WITHIN)
        (task, *_) = self.tasks()
        asked = partial(self.service.was_asked_for, task["task_id"])
        until(asked, what=f"{self.name} is asked for", within=HAPPENS_WITHIN)

    def published(self) -> str:
        """``right``, ``wrong`` or ``none``."""
        if not self.destination.exists():
            return "none"
        beside = self.destination.with_name(f"{self.destination.name}.json")
        whole = beside.exists() and json.loads(beside.read_text())["size"] == self.destination.stat().st_size
        return "right" if whole and self.destination.read_bytes() == content(f"{self.name}.mp4") else "wrong"

    def unpublish(self) -> None:
        """Takes the published video away."""
        self.destination.unlink()
        self.destination.with_name(f"{self.destination.name}.json").unlink()

    def settle(self) -> list[dict[str, Any]]:
        """The service's tasks for this clip, once none of them can change."""
        until(
            lambda: all(task["status"] in _FINAL for task in self.tasks()),
            what=f"the service is done with {self.name}",
            within=ENDS_WITHIN,
        )
        return self.tasks()


Injury = Callable[[Clip], float]
"""Hurts a run on its way; returns when, in seconds since the epoch."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What happens, and what must be true afterwards.

    :param injury: done to the clip's own run while other scenarios go on
    :param loss: done once to the whole cluster, when ``ready`` is true of every path's clip, and nothing else runs
    :param steps: armed for the clip's run before it starts
    :param triggerer_steps: armed for whoever comes to them
    :param faults: armed in an emulator of the clip's own
    :param settings: of that emulator
    :param queued: how many of somebody else's tasks render first
    :param earlier: another clip of the same connection is made first, whose job the list must show
    :param one_key: the paths' clips have one connection to one emulator, and start together
    :param policy: which of the DAGs
    :param says: words that the task's log must hold, in whatever case
    """

    name: str
    injury: Injury | None = None
    loss: Callable[[Cluster], float] | None = None
    ready: Callable[[Clip], None] = lambda clip: None
    steps: Sequence[str] = ()
    triggerer_steps: Sequence[str] = ()
    faults: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    queued: int = 0
    earlier: bool = False
    one_key: bool = False
    policy: str = ""
    paths: Sequence[WaitingOn] = PATHS
    run: str = "success"
    submitted: int = 1
    billed: int = 1
    published: str = "right"
    says: str = ""

    @property
    def alone(self) -> bool:
        return self.loss is not None or bool(self.triggerer_steps) or self.one_key

    def is_said_in(self, log: str) -> bool:
        return self.says.casefold() in log.casefold()

    def slug(self, path: str) -> str:
        """A name for files, URLs and connections."""
        return re.sub(r"\W+", "-", f"{self.name}-{path}")

    def key(self, path: WaitingOn) -> str:
        return "sk-clip" if self.queued else f"sk-{self.connection(path)}"

    def connection(self, path: WaitingOn) -> str:
        return self.slug("both" if self.one_key else path)

    def service_name(self, path: WaitingOn) -> str:
        own = bool(self.earlier or self.faults or self.settings or self.queued or self.one_key)
        return self.connection(path) if own else "main"

    def service_settings(self) -> dict[str, Any]:
        # The stranger's key and the clip's are one account, whose tasks wait for each other.
        accounts = {"accounts": {"sk-stranger": "shop", "sk-clip": "shop"}} if self.queued else {}
        return {**self.settings, **accounts}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one clip.

    :param seconds: from the injury, or from the start where there was none, to the run's end
    :param trouble: what kept the scenario from being played
    """

    scenario: str
    path: str
    run: str = ""
    submitted: int = 0
    billed: int = 0
    published: str = ""
    seconds: float = 0.0
    statuses: tuple[str, ...] = ()
    log: str = ""
    trouble: str = ""

    def cells(self) -> tuple[str, ...]:
        published = self.published or f"not played: {self.trouble}"
        seconds = f"{self.seconds:.1f}"
        return (self.scenario, self.path, str(self.submitted), str(self.billed), published, seconds)


def play_all(cluster: Cluster, wanted: Sequence[tuple[Scenario, WaitingOn]], *, abreast: int) -> list[Row]:
    """Plays scenarios: those that hurt only their own run side by side, the others one after another."""
    apart = [(scenario, path) for scenario, path in wanted if not scenario.alone]
    with ThreadPoolExecutor(abreast) as pool:
        rows = list(pool.map(lambda pair: _safely(cluster, *pair), apart))
    for scenario in dict.fromkeys(scenario.name for scenario, _ in wanted if scenario.alone):
        pairs = [pair for pair in wanted if pair[0].name == scenario]
        rows += _play_loss(cluster, pairs)
    return rows


def _play_loss(cluster: Cluster, pairs: Sequence[tuple[Scenario, WaitingOn]]) -> list[Row]:
    """Plays every path of one scenario against the same loss."""
    scenario = pairs[0][0]
    met = threading.Barrier(len(pairs))
    lost: list[float] = []

    def loss(clip: Clip) -> float:
        scenario.ready(clip)
        if met.wait(HAPPENS_WITHIN) == 0 and scenario.loss is not None:
            lost.append(scenario.loss(cluster))
        return until(lambda: next(iter(lost), None), what="the loss", within=HAPPENS_WITHIN)

    for step in scenario.triggerer_steps:
        cluster.arm(step)
    injury = loss if scenario.loss is not None else scenario.injury
    with ThreadPoolExecutor(len(pairs)) as pool:
        return list(pool.map(lambda pair: _safely(cluster, *pair, injury=injury), pairs))


def _safely(cluster: Cluster, scenario: Scenario, path: WaitingOn, *, injury: Injury | None = None) -> Row:
    """A row also where the scenario could not be played: one of them must not hide the others."""
    try:
        return _play(cluster, scenario, path, injury=injury or scenario.injury)
    except Exception as error:
        return Row(scenario=scenario.name, path=path, trouble=f"{type(error).__name__}: {error}"[:200])


def _play(cluster: Cluster, scenario: Scenario, path: WaitingOn, *, injury: Injury | None) -> Row:
    name, connection = scenario.slug(path), scenario.connection(path)
    clip = Clip(
        cluster=cluster,
        service=cluster.services[scenario.service_name(path)],
        name=name,
        dag_id="_".join(filter(None, ("clip", path, scenario.policy))),
        key=scenario.key(path),
    )
    clip.connect(connection)
    for _ in range(scenario.queued):
        urls = {"video_url": cluster.clips.url("stranger.mp4"), "audio_url": cluster.clips.url("stranger.wav")}
        clip.service.submit(key="sk-stranger", **urls)
    if scenario.earlier:
        earlier = replace(clip, name=f"{name}-earlier")
        earlier.start(connection)
        assert cluster.wait_run(earlier.dag_id, earlier.run_id, within=ENDS_WITHIN) == "success"
    if scenario.faults:
        clip.service.arm(*scenario.faults)
    for step in scenario.steps:
        cluster.arm(step, folder=clip.steps)
    hurt = time.time()
    clip.start(connection)
    hurt = injury(clip) if injury else hurt
    run = cluster.wait_run(clip.dag_id, clip.run_id, within=ENDS_WITHIN)
    ended = time.time()
    tasks = clip.settle()
    with suppress(TimeoutError):
        until(lambda: scenario.is_said_in(clip.log()), what="the log", within=10.0)
    return Row(
        scenario=scenario.name,
        path=path,
        run=run,
        submitted=len(tasks),
        billed=sum(task["billed_seconds"] > 0 for task in tasks),
        published=clip.published(),
        seconds=ended - hurt,
        statuses=tuple(task["status"] for task in tasks),
        log=clip.log(),
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as text, in columns."""
    head = ("scenario", "path", "tasks submitted", "tasks billed", "published", "seconds to recover")
    return columns([head, *(row.cells() for row in rows)])


# Injuries.


def dies_at(step: str) -> Injury:
    """A process of the run is killed at a step that is armed for it."""
    return lambda clip: clip.wait_for_death(step)


def triggerer_dies_at(step: str) -> Injury:
    return lambda clip: clip.wait_for_death(step, folder=clip.cluster.steps)


def fault_hits(clip: Clip) -> float:
    return clip.wait_for_fault()


def is_submitted(clip: Clip) -> None:
    """Waits until the service has taken the submit, whether it answers or not."""
    until(clip.tasks, what=f"{clip.name} is submitted", within=HAPPENS_WITHIN)


def worker_dies_in_submit(clip: Clip) -> float:
    """The service has taken the submit and holds its reply back: the task and its worker are killed there."""
    is_submitted(clip)
    return clip.cluster.kill_worker(clip.dag_id, clip.run_id, "retalk")


def worker_dies_waiting(clip: Clip) -> float:
    clip.wait_for_wait("RUNNING")
    return clip.cluster.kill_worker(clip.dag_id, clip.run_id, "retalk")


def cleared_while(status: str, *, forgets: bool = False) -> Injury:
    def clear(clip: Clip) -> float:
        clip.wait_for_wait(status)
        clip.cluster.clear(clip.dag_id, clip.run_id, "retalk", forgets=forgets)
        return time.time()

    return clear


def cleared_when_published(clip: Clip) -> float:
    """The run succeeded, its video is lost since, and the clip is cleared with what follows it."""
    clip.cluster.wait_run(clip.dag_id, clip.run_id, within=ENDS_WITHIN)
    clip.unpublish()
    clip.cluster.clear(clip.dag_id, clip.run_id, "retalk", downstream=True)
    return time.time()


def marked_while(state: str, status: str) -> Injury:
    def mark(clip: Clip) -> float:
        clip.wait_for_wait(status)
        clip.cluster.mark(clip.dag_id, clip.run_id, "retalk", state)
        return time.time()

    return mark


def killed(component: Component, *, whole: bool = True) -> Callable[[Cluster], float]:
    def kill(cluster: Cluster) -> float:
        moment = cluster.kill(component, whole=whole)
        cluster.wait_until_back(component)
        if not whole:
            cluster.wait_until_alone(component)
        return moment

    return kill


def waits_for(status: str) -> Callable[[Clip], None]:
    return lambda clip: clip.wait_for_wait(status)
