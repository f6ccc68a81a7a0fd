"""What can happen to one paid step of a dub, and what the service's own book says of it afterwards."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from system.cluster import Cluster
from system.dag_run import HAPPENS_WITHIN
from system.reports import columns
from system.step_run import StepRun, release_file
from system.waiting import until

# What the book calls a request, and what the table calls what it has paid for.
_PAID_FOR = {"voices": "voices", "translation": "translations", "speech": "speeches", "detect": "checks"}
_SETTINGS = {"queries_per_second": 100}
_LATE_ROUNDS = 4


Injury = Callable[[Sequence[StepRun]], None]
"""Hurts the runs of a scenario on their way."""


@dataclass(frozen=True, kw_only=True)
class StepScenario:
    """What happens to a step, and what must be true afterwards.

    :param name: unique for each DAG
    :param dag: of ``dags/dub_steps.py``
    :param points: armed before the run starts
    :param kills: how often a process dies at a point, at least
    :param faults: armed in an emulator of the scenario's own
    :param held: whether jobs run until the injury releases them
    :param twins: how many runs have the same input and account
    :param paid: what the service's book has, by kind
    :param says: words that the task's log must hold
    """

    name: str
    dag: str
    points: Sequence[str] = ()
    kills: int | None = None
    injury: Injury | None = None
    faults: Sequence[Mapping[str, Any]] = ()
    held: bool = False
    twins: int = 1
    paid: Mapping[str, int]
    says: str = ""

    @property
    def id(self) -> str:
        return f"{self.dag}: {self.name}"

    @property
    def slug(self) -> str:
        """A name for files, URLs, connections and accounts."""
        return re.sub(r"\W+", "-", self.id)

    @property
    def service_name(self) -> str:
        return self.slug if self.faults or self.held else "main"

    @property
    def least_kills(self) -> int:
        return len(self.points) if self.kills is None else self.kills


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """What became of a scenario.

    :param states: in which the runs ended
    :param made: whether each run returned what was paid for
    :param trouble: what kept the scenario from being played
    """

    id: str
    states: tuple[str, ...] = ()
    paid: Mapping[str, int] = field(default_factory=dict)
    made: bool = False
    kills: int = 0
    seconds: float = 0.0
    log: str = ""
    trouble: str = ""

    def cells(self) -> tuple[str, ...]:
        paid = ", ".join(f"{count} {kind}" for kind, count in self.paid.items()) or "nothing"
        made = self.trouble or ("yes" if self.made else "no")
        return (self.id, str(self.kills), paid, made, f"{self.seconds:.1f}")


def services_of(scenarios: Sequence[StepScenario], *, home: Path) -> dict[str, dict[str, Any]]:
    """The settings of the emulators that the scenarios need, in which each scenario has an account of its name.

    :param home: the folder of the cluster's own
    """
    accounts = {f"sk-{scenario.slug}": scenario.slug for scenario in scenarios}
    return {
        scenario.service_name: {
            **_SETTINGS,
            **({"release": str(release_file(home, scenario.slug))} if scenario.held else {}),
            "accounts": accounts,
        }
        for scenario in scenarios
    }


def play_steps(cluster: Cluster, scenarios: Sequence[StepScenario], *, abreast: int) -> list[StepRow]:
    with ThreadPoolExecutor(abreast) as pool:
        return list(pool.map(partial(_safely, cluster), scenarios))


def _safely(cluster: Cluster, scenario: StepScenario) -> StepRow:
    """A row also where the scenario could not be played: one of them must not hide the others."""
    try:
        return _play(cluster, scenario)
    except Exception as error:
        return StepRow(id=scenario.id, trouble=f"{type(error).__name__}: {error}"[:200])


def _play(cluster: Cluster, scenario: StepScenario) -> StepRow:
    runs = [
        StepRun(
            cluster=cluster,
            service=cluster.services[scenario.service_name],
            name=scenario.slug if not number else f"{scenario.slug}-{number}",
            dag_id=scenario.dag,
            key=f"sk-{scenario.slug}",
            scenario=scenario.slug,
        )
        for number in range(scenario.twins)
    ]
    began, (first, *_) = time.monotonic(), runs
    if scenario.faults:
        first.service.arm(*scenario.faults)
    for run in runs:
        run.arm(*scenario.points)
        run.start()
    if scenario.injury is not None:
        scenario.injury(runs)
    states = tuple(run.wait_until_ended() for run in runs)
    seconds = time.monotonic() - began
    return StepRow(
        id=scenario.id,
        states=states,
        paid=paid_by(first),
        made=all(state == "success" for state in states) and all(run.is_made() for run in runs),
        kills=sum(run.deaths() for run in runs),
        seconds=seconds,
        log="\n".join(run.log() for run in runs),
    )


def paid_by(run: StepRun) -> Mapping[str, int]:
    """What the service's book has for an account, once no request is under way there."""

    def settled() -> bool:
        return all(entry["status"] is not None or entry["fault"] for entry in run.entries())

    until(settled, what=f"all requests of {run.scenario} are answered", within=HAPPENS_WITHIN)
    billed = [entry for entry in run.entries() if entry["account"] == run.scenario and entry["billed"]]
    paid = Counter(_PAID_FOR[entry["operation"]] for entry in billed)
    paid["jobs"] = sum(job["billed_seconds"] > 0 for job in run.jobs())
    return dict(sorted((kind, count) for kind, count in paid.items() if count))


def table(rows: Sequence[StepRow]) -> str:
    """The rows as text, in columns."""
    head = ("step: what happens", "killed at a point", "paid", "made", "seconds")
    return columns([head, *(row.cells() for row in rows)])


# Injuries.


def dies_again_and_again(point: str, *, times: int) -> Injury:
    """The run is killed each time it comes to a point that was armed before it started."""

    def injury(runs: Sequence[StepRun]) -> None:
        for number in range(1, times):
            runs[0].wait_for_deaths(point, number)
            runs[0].arm(point)
        runs[0].wait_for_deaths(point, times)

    return injury


def fault_hits(runs: Sequence[StepRun]) -> None:
    runs[0].wait_for_fault()


def worker_dies_in_flight(runs: Sequence[StepRun]) -> None:
    """The service has begun its reply, and holds the rest back: the task and its worker are killed there."""
    (run,) = runs
    run.wait_for_fault()
    run.cluster.kill_worker(run.dag_id, run.run_id, run.task_id)


def worker_dies_waiting(runs: Sequence[StepRun]) -> None:
    (run,) = runs
    run.wait_for_wait()
    run.cluster.kill_worker(run.dag_id, run.run_id, run.task_id)
    run.release()


def triggerer_dies_waiting(runs: Sequence[StepRun]) -> None:
    (run,) = runs
    run.wait_for_wait()
    run.cluster.kill("triggerer")
    run.cluster.wait_until_back("triggerer")
    run.release()


def cleared_after_the_end(runs: Sequence[StepRun]) -> None:
    (run,) = runs
    run.wait_until_ended()
    run.cluster.clear(run.dag_id, run.run_id, run.task_id)


def cleared_and_forgotten(runs: Sequence[StepRun]) -> None:
    """As Airflow 3.4's clear does."""
    (run,) = runs
    run.wait_until_ended()
    run.cluster.clear(run.dag_id, run.run_id, run.task_id, forgets=True)


def killed_often(runs: Sequence[StepRun]) -> None:
    """The run whose turn it is to enrol dies at each point before, while the other waits; then both, at later ones."""

    def first_died_and_others_wait() -> bool:
        died = [run for run in runs if run.deaths("after_intent")]
        for run in died:
            run.arm("before_list")
        return bool(died) and all(run.wants_to_enrol() for run in runs)

    what = "a run dies before it enrols, and the others wait for it"
    until(first_died_and_others_wait, what=what, within=HAPPENS_WITHIN)
    with ThreadPoolExecutor(len(runs)) as pool:
        list(pool.map(_kill_later, runs))


def _kill_later(run: StepRun) -> None:
    # Only a run that enrols comes here.
    run.arm("after_post", "after_id")
    for count in range(1, _LATE_ROUNDS + 1):
        run.arm("before_list", "after_result")
        run.wait_for_deaths("after_result", count)
