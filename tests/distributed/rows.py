"""The crash table on CeleryExecutor: what is lost, when, and what became of the clips."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from distributed import losses
from distributed.clips import PATHS, Clip, Outcome, WaitingOn, outcome_of, verdicts
from distributed.cluster import WITHIN, DistributedAirflow
from distributed.settings import WORKERS
from system.waiting import until

Injury = Callable[[DistributedAirflow, Sequence[Clip]], None]
"""Starts a row's clips and hurts them. It returns when it is mended, or mends itself."""

BLOCKING: tuple[WaitingOn, ...] = ("blocking", "blocking")
_BOTH_TWICE: tuple[WaitingOn, ...] = (*PATHS, *PATHS)
LANES = len(_BOTH_TWICE)
# Seconds for which the service keeps its reply to a submit back.
_STALLED = 60


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table.

    :param held: no render job ends before the injury has returned
    :param paths: one clip each
    :param networks: whether machines must have networks of their own
    """

    name: str
    injury: Injury
    held: bool = True
    paths: Sequence[WaitingOn] = _BOTH_TWICE
    networks: bool = False


@dataclass(frozen=True, kw_only=True)
class Played:
    """What became of a row's clips.

    :param seconds: from the end of the injury to the end of all runs
    """

    row: Row
    outcomes: Sequence[Outcome]
    seconds: float

    def cells(self) -> tuple[str, ...]:
        bills = ", ".join(str(outcome.billed) for outcome in self.outcomes)
        submits, tries = (sum(getattr(one, name) for one in self.outcomes) for name in ("submitted", "tries"))
        counts = (str(len(self.outcomes)), str(submits), bills, str(tries))
        return (self.row.name, *counts, verdicts(self.outcomes), f"{self.seconds:.0f}")


def play(cluster: DistributedAirflow, row: Row, number: int) -> Played:
    """Plays a row: one clip for each path, each with an account of its own."""
    clips = [
        Clip(name=f"row-{number}-{lane}", path=path, connection=f"lane-{lane}") for lane, path in enumerate(row.paths)
    ]
    if row.held:
        cluster.hold_renders()
    try:
        row.injury(cluster, clips)
    finally:
        cluster.release_renders()
    began = time.monotonic()
    until(lambda: len(cluster.ended_runs(clips)) == len(clips), what=f"{row.name}: all runs end", within=WITHIN)
    runs = cluster.ended_runs(clips)
    seconds = time.monotonic() - began
    return Played(row=row, outcomes=[outcome_of(cluster, clip, runs[clip.name]) for clip in clips], seconds=seconds)


def table(played: Sequence[Played]) -> str:
    """The rows as text, in columns."""
    head = ("what is lost", "clips", "submitted", "bills of each", "tries", "verdict", "seconds to the end")
    lines = [head, *(one.cells() for one in played)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


# Injuries.


def start_all(cluster: DistributedAirflow, clips: Sequence[Clip]) -> None:
    for clip in clips:
        cluster.start_clip(clip)


def machine_lost_at(point: str) -> Injury:
    """Of each clip, the worker's machine is lost when a task comes to a fault point."""

    def injure(cluster: DistributedAirflow, clips: Sequence[Clip]) -> None:
        for clip in clips:
            cluster.halt_at(point, clip)
        start_all(cluster, clips)
        for clip in clips:
            halted = partial(cluster.halted_machine, point, clip)
            cluster.lose(until(halted, what=f"{clip.name} comes to {point}", within=WITHIN))

    return injure


def renders(cluster: DistributedAirflow, clips: Sequence[Clip]) -> None:
    """Starts all, and waits until each is waited for: on a triggerer, or in a worker."""
    start_all(cluster, clips)

    def is_waited_for(clip: Clip) -> bool:
        waits = cluster.triggerer_of(clip) if clip.path == "deferrable" else cluster.machine_of(clip)
        jobs = cluster.jobs(clip)
        rendering = jobs and jobs[0]["status"] == "RUNNING"
        return bool(waits and rendering and cluster.service.was_asked_for(jobs[0]["task_id"]))

    until(lambda: all(map(is_waited_for, clips)), what="all clips render", within=WITHIN)


Condition = Callable[[DistributedAirflow, Sequence[Clip], str], Callable[[], object]]
"""Called before a victim is lost, it returns what is waited for afterwards."""


def while_rendering(loss: losses.Loss, mended_when: Condition | None = None) -> Injury:
    """The loss happens while all clips render, and is mended when a condition holds."""

    def injure(cluster: DistributedAirflow, clips: Sequence[Clip]) -> None:
        renders(cluster, clips)
        victim = loss.victim(cluster, clips, random.Random(0))
        condition = mended_when(cluster, clips, victim) if mended_when else None
        loss.strike(cluster, victim)
        try:
            if condition is not None:
                until(condition, what=f"what the loss of {victim} leads to", within=WITHIN)
        finally:
            loss.mend(cluster, victim)

    return injure


def triggers_moved(cluster: DistributedAirflow, clips: Sequence[Clip], lost: str) -> Callable[[], object]:
    """Another triggerer has taken over the triggers of the one that is lost."""
    theirs = [clip for clip in clips if cluster.triggerer_of(clip) == lost]
    before = {clip: cluster.trigger_job_of(clip) for clip in theirs}
    return lambda: all(cluster.trigger_job_of(clip) not in (None, before[clip]) for clip in theirs)


def tried_again(cluster: DistributedAirflow, clips: Sequence[Clip], lost: str) -> Callable[[], object]:
    """Airflow has given up the tasks of the worker that is lost, and runs them elsewhere."""
    theirs = [clip for clip in clips if cluster.machine_of(clip) == lost]
    return lambda: all(cluster.machine_of(clip) not in (None, lost) for clip in theirs)


def messages_are_lost(cluster: DistributedAirflow, clips: Sequence[Clip]) -> None:
    """Redis loses the messages that nobody has taken yet: the workers are frozen meanwhile."""
    renders(cluster, clips)
    cluster.freeze(WORKERS)
    cluster.release_renders()
    until(cluster.waiting_messages, what="a message waits in Redis", within=WITHIN)
    cluster.stop_redis()
    cluster.start_redis(empty=True)
    cluster.thaw(WORKERS)


def redis_is_away(cluster: DistributedAirflow, clips: Sequence[Clip]) -> None:
    """Redis is away while renders end, until a task could not be sent."""
    renders(cluster, clips)
    cluster.stop_redis()
    cluster.release_renders()
    # The scheduler could not send it.
    unsent = {"up_for_retry", "failed"}
    until(lambda: unsent & set(cluster.states(clips)), what="a task could not be sent", within=WITHIN)
    cluster.start_redis()


def delivered_again(cluster: DistributedAirflow, clips: Sequence[Clip]) -> None:
    """Redis delivers the message of a running task again, to another worker."""
    renders(cluster, clips)
    assert cluster.deliver_again() >= len(clips)
    until(lambda: not cluster.waiting_messages(), what="the messages are taken", within=WITHIN)


def database_restarts(cluster: DistributedAirflow, clips: Sequence[Clip]) -> None:
    renders(cluster, clips)
    cluster.restart_database()


def cut_off_in_submit(cluster: DistributedAirflow, clips: Sequence[Clip]) -> None:
    """The service has taken a submit, and its reply does not arrive: the worker is cut off until another has it."""
    cluster.service.arm({"operation": "submit", "effect": "stall", "seconds": _STALLED})
    start_all(cluster, clips)
    stalled = until(
        lambda: next((clip for clip in clips if cluster.jobs(clip) and cluster.machine_of(clip)), None),
        what="a submit is taken",
        within=WITHIN,
    )
    worker = until(partial(cluster.machine_of, stalled), what="its worker", within=WITHIN)
    tries = cluster.retalk_tries(stalled)
    cluster.cut_off(worker)
    try:
        until(lambda: cluster.retalk_tries(stalled) > tries, what="Airflow gives the try up", within=WITHIN)
    finally:
        cluster.heal(worker)


NOTHING = Row(name="nothing", injury=renders)
ROWS = (
    *(
        Row(name=f"worker {when}", injury=machine_lost_at(point), held=False, paths=PATHS)
        for point, when in losses.FAULT_POINTS.items()
    ),
    Row(name="worker while it waits", injury=while_rendering(losses.WORKER_KILLED), paths=BLOCKING),
    Row(name="triggerer", injury=while_rendering(losses.TRIGGERER_KILLED, triggers_moved)),
    Row(name="triggerer, frozen and back", injury=while_rendering(losses.TRIGGERER_FROZEN, triggers_moved)),
    Row(name="both schedulers", injury=while_rendering(losses.BOTH_SCHEDULERS_KILLED)),
    Row(name="one API server", injury=while_rendering(losses.API_SERVER_KILLED)),
    Row(name="Redis, for a while", injury=redis_is_away),
    Row(name="Redis with its data", injury=messages_are_lost),
    Row(name="database's connections", injury=while_rendering(losses.DATABASE_CUT)),
    Row(name="database, restarted", injury=database_restarts),
    Row(name="worker's network", injury=while_rendering(losses.WORKER_CUT_OFF, tried_again), networks=True),
    Row(name="worker's network in a submit", injury=cut_off_in_submit, networks=True, paths=PATHS),
    Row(name="nothing: a message comes twice", injury=delivered_again, paths=BLOCKING),
)
