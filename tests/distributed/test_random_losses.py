"""Many clips, and whatever a cluster can lose at random: none is paid for twice, none lost, none mixed up.

``VIDEORETALK_SEED`` repeats what is lost and when, as far as clips come in the same order.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from distributed.clips import PATHS, Clip, Outcome, outcome_of, verdicts
from distributed.cluster import WITHIN, DistributedAirflow
from distributed.losses import FAULT_POINTS, LOSSES, Loss
from system.reports import REPORTS
from system.waiting import until

SEED = int(os.environ.get("VIDEORETALK_SEED") or random.SystemRandom().randrange(10**8))
CLIPS = int(os.environ.get("VIDEORETALK_CLIPS") or 100)
DISTURBANCES = int(os.environ.get("VIDEORETALK_DISTURBANCES") or 30)
# Each has an account of its own, and makes one clip after another.
LANES = 10
# Every third disturbance is a worker lost at a fault point of a clip's own.
AT_POINTS = DISTURBANCES // 3
# Seconds until a loss is mended: shorter and longer than what Airflow takes for a death.
AWAY = (3.0, 40.0)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What happens.

    :param points: of each clip, by its number: where the worker that runs it is lost
    :param losses: in their order, each with the seconds until it is mended
    """

    points: Mapping[int, Sequence[str]]
    losses: Sequence[tuple[str, float]]


def plan(chance: random.Random, *, networks: bool) -> Plan:
    """Every kind of loss comes as often as the others."""
    places = chance.sample([(number, point) for number in range(CLIPS) for point in FAULT_POINTS], AT_POINTS)
    points: dict[int, list[str]] = defaultdict(list)
    for number, point in places:
        points[number].append(point)
    kinds = [name for name, loss in LOSSES.items() if networks or not loss.networks]
    count = DISTURBANCES - AT_POINTS
    names = (kinds * (1 + count // len(kinds)))[:count]
    chance.shuffle(names)
    return Plan(points=points, losses=[(name, chance.uniform(*AWAY)) for name in names])


@dataclass(kw_only=True)
class Chaos:
    """Runs all clips in lanes, and loses what the plan says while they are on their way. One step after another."""

    cluster: DistributedAirflow
    plan: Plan
    chance: random.Random
    running: dict[int, Clip] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    away: list[tuple[float, Loss, str]] = field(default_factory=list)
    started: int = 0

    def run(self) -> None:
        try:
            until(self.step, what=f"all clips end, {len(self.outcomes)} have", within=4 * WITHIN)
        finally:
            self.mend(always=True)

    def step(self) -> bool:
        """Returns whether all have ended."""
        self.harvest()
        self.start()
        self.lose_halted()
        self.mend()
        # Evenly over the first four fifths of the run, by the clips that have ended.
        due = min(len(self.plan.losses), len(self.plan.losses) * (len(self.outcomes) + 1) * 5 // (CLIPS * 4))
        if sum(name in LOSSES for name in self.lost) < due:
            self.lose_next()
        return len(self.outcomes) == CLIPS

    def start(self) -> None:
        for lane in range(LANES):
            if lane not in self.running and self.started < CLIPS:
                number, self.started = self.started, self.started + 1
                clip = Clip(name=f"chaos-{number}", path=PATHS[number // LANES % 2], connection=f"chaos-lane-{lane}")
                for point in self.plan.points.get(number, ()):
                    self.cluster.halt_at(point, clip)
                self.cluster.start_clip(clip)
                self.running[lane] = clip

    def harvest(self) -> None:
        ended = self.cluster.ended_runs(self.running.values())
        for lane, clip in list(self.running.items()):
            if clip.name in ended:
                self.outcomes.append(outcome_of(self.cluster, clip, ended[clip.name]))
                del self.running[lane]

    def lose_halted(self) -> None:
        for clip in self.running.values():
            for point in self.plan.points.get(int(clip.name.rpartition("-")[2]), ()):
                machine, name = self.cluster.halted_machine(point, clip), f"{clip.name} {point}"
                if machine and name not in self.lost:
                    self.lost.append(name)
                    self.cluster.lose(machine)

    def lose_next(self) -> None:
        name, seconds = self.plan.losses[sum(name in LOSSES for name in self.lost)]
        loss = LOSSES[name]
        if loss.of in {other.of for _, other, _ in self.away}:
            return
        victim = loss.victim(self.cluster, list(self.running.values()), self.chance)
        loss.strike(self.cluster, victim)
        self.lost.append(name)
        self.away.append((time.monotonic() + seconds, loss, victim))

    def mend(self, *, always: bool = False) -> None:
        for moment, loss, victim in list(self.away):
            if always or time.monotonic() > moment:
                loss.mend(self.cluster, victim)
                self.away.remove((moment, loss, victim))


def report(chaos: Chaos, *, seconds: float) -> str:
    kinds = Counter(name if name in LOSSES else f"worker lost {FAULT_POINTS[name.split()[1]]}" for name in chaos.lost)
    return "\n".join(
        [
            f"seed {SEED}: {len(chaos.outcomes)} clips, {kinds.total()} disturbances, {seconds:.0f} s",
            *(f"  {count:3} x {kind}" for kind, count in sorted(kinds.items())),
            verdicts(chaos.outcomes),
            *(f"  {outcome}" for outcome in chaos.outcomes if outcome.verdict != "fine"),
        ]
    )


def test_random_losses_neither_duplicate_nor_lose_nor_mix_up_a_clip(
    request: pytest.FixtureRequest, cluster: DistributedAirflow
) -> None:
    print(f"VIDEORETALK_SEED={SEED}")
    firsts = [Clip(name=f"first-{lane}", path="deferrable", connection=f"chaos-lane-{lane}") for lane in range(LANES)]
    for clip in firsts:
        cluster.open_account(clip.connection, cluster.service)
        cluster.start_clip(clip)
    until(lambda: len(cluster.ended_runs(firsts)) == LANES, what="each account has a known job", within=WITHIN)
    chance = random.Random(SEED)
    chaos = Chaos(cluster=cluster, plan=plan(chance, networks=not cluster.layout.why_one_network), chance=chance)
    began = time.monotonic()
    try:
        chaos.run()
    finally:
        text = report(chaos, seconds=time.monotonic() - began)
        request.config.stash[REPORTS].append(text)
    bad = [outcome for outcome in chaos.outcomes if outcome.verdict != "fine"]
    assert not bad, f"{text}\n{bad[0].log}"
    assert len(chaos.lost) == DISTURBANCES
