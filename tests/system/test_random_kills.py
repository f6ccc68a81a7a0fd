"""Many clips, many kills at random steps and of random components: none paid twice, none lost, none mixed up."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from system.cluster import Cluster, Component
from system.reports import REPORTS
from system.scenarios import PATHS, REAL_TIME, Clip, WaitingOn

SEED = int(os.environ.get("VIDEORETALK_SEED", "20261122"))
CLIPS = int(os.environ.get("VIDEORETALK_CLIPS", "100"))
KILLS = int(os.environ.get("VIDEORETALK_KILLS", "50"))
# Each lane has a key of its own, and makes one clip after another. Reconciling needs both: the list shows no clip of
# another program, and one that is known.
LANES = 10
ENDS_WITHIN = 300.0

STEPS = (
    "before_intent",
    "after_intent",
    "after_post",
    "after_id",
    "after_event",
    "after_result",
    "during_publish",
    "after_publish",
)
COMPONENTS: tuple[tuple[Component, bool], ...] = (
    ("triggerer", True),
    ("scheduler", True),
    ("scheduler", False),
    ("api-server", True),
)
MOMENTS = ("PENDING", "RUNNING", "SUCCEEDED")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A component killed, when the service's task for a clip stands so."""

    component: Component
    whole: bool
    moment: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What happens to one clip.

    :param steps: at which a process of its run dies
    """

    number: int
    path: WaitingOn
    steps: Sequence[str]
    losses: Sequence[Loss]


def plans() -> list[Plan]:
    """What happens to every clip: every fifth kill is of a component, the others at steps of a clip's own."""
    chance = random.Random(SEED)
    losses: dict[int, list[Loss]] = defaultdict(list)
    for number, clip in enumerate(chance.sample(range(CLIPS), KILLS // 5)):
        component, whole = COMPONENTS[number % len(COMPONENTS)]
        losses[clip].append(Loss(component=component, whole=whole, moment=chance.choice(MOMENTS)))
    steps: dict[int, list[str]] = defaultdict(list)
    places = [(clip, step) for clip in range(CLIPS) for step in STEPS]
    for clip, step in chance.sample(places, KILLS - KILLS // 5):
        steps[clip].append(step)
    return [
        Plan(number=clip, path=PATHS[clip // LANES % 2], steps=tuple(steps[clip]), losses=tuple(losses[clip]))
        for clip in range(CLIPS)
    ]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one clip.

    :param kills: what was killed on its way
    """

    clip: str
    plan: Plan
    run: str
    billed: int
    submitted: int
    published: str
    kills: Sequence[str]
    log: str

    @property
    def verdict(self) -> str:
        """``fine``, ``duplicate``, ``lost`` or ``wrong``."""
        if self.billed > 1 or self.submitted > 1:
            return "duplicate"
        if self.published == "wrong":
            return "wrong"
        return "fine" if (self.run, self.billed, self.published) == ("success", 1, "right") else "lost"


def run_lane(cluster: Cluster, lane: int, lane_plans: Sequence[Plan]) -> list[Outcome]:
    connection, service = f"lane-{lane}", cluster.services["main"]
    cluster.connect(connection, service, key=f"sk-{connection}")

    def clip(name: str, path: WaitingOn) -> Clip:
        return Clip(cluster=cluster, service=service, name=name, dag_id=f"clip_{path}", key=f"sk-{connection}")

    first = clip(f"first-{lane}", "deferrable")
    first.start(connection)
    ended(cluster, first)
    return [run_clip(cluster, clip(f"clip-{plan.number}", plan.path), plan, connection) for plan in lane_plans]


def run_clip(cluster: Cluster, clip: Clip, plan: Plan, connection: str) -> Outcome:
    for step in plan.steps:
        cluster.arm(step, folder=clip.steps)
    clip.start(connection)
    kills = [lose(cluster, clip, loss) for loss in plan.losses]
    run = ended(cluster, clip)
    tasks = clip.settle()
    kills += [step for step in plan.steps if cluster.died_at(step, folder=clip.steps)]
    return Outcome(
        clip=clip.name,
        plan=plan,
        run=run,
        billed=sum(task["billed_seconds"] > 0 for task in tasks),
        submitted=len(tasks),
        published=clip.published(),
        kills=kills,
        log=clip.log(),
    )


def lose(cluster: Cluster, clip: Clip, loss: Loss) -> str:
    """Kills a component at its moment, or later where other kills keep that moment from coming."""
    with suppress(TimeoutError):
        clip.wait_for_status(loss.moment)
    cluster.kill(loss.component, whole=loss.whole)
    if not loss.whole:
        cluster.wait_until_alone(loss.component)
    return loss.component if loss.whole else f"{loss.component} (its workers live on)"


def ended(cluster: Cluster, clip: Clip) -> str:
    try:
        return cluster.wait_run(clip.dag_id, clip.run_id, within=ENDS_WITHIN)
    except TimeoutError:
        return "still running"


def report(outcomes: Sequence[Outcome], *, seconds: float) -> str:
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    kills = Counter(kill for outcome in outcomes for kill in outcome.kills)
    lines = [
        f"seed {SEED}: {len(outcomes)} clips, {kills.total()} kills, {seconds:.0f} s",
        *(f"  {count:3} x {kill}" for kill, count in kills.most_common()),
        f"duplicates {verdicts['duplicate']}, lost {verdicts['lost']}, wrong {verdicts['wrong']}",
    ]
    lines += [
        f"  {outcome.verdict}: {outcome.clip} ({outcome.plan.path}), run {outcome.run}, {outcome.submitted} submitted, "
        f"{outcome.billed} billed, published {outcome.published}, kills {list(outcome.kills)}"
        for outcome in outcomes
        if outcome.verdict != "fine"
    ]
    return "\n".join(lines)


def test_random_kills_neither_duplicate_nor_lose_nor_mix_up_a_clip(request: pytest.FixtureRequest) -> None:
    # Not below pytest's own folder: that one is closed to the user whom the database runs as.
    home = Path(tempfile.mkdtemp(prefix="videoretalk-system-"))
    todo = plans()
    with Cluster(home=home / "airflow", services={"main": REAL_TIME}) as cluster:
        began = time.monotonic()
        with ThreadPoolExecutor(LANES) as pool:
            lanes = pool.map(lambda lane: run_lane(cluster, lane, todo[lane::LANES]), range(LANES))
            outcomes = [outcome for lane in lanes for outcome in lane]
        seconds = time.monotonic() - began
    text = report(outcomes, seconds=seconds)
    bad = [outcome for outcome in outcomes if outcome.verdict != "fine"]
    if bad:
        text += f"\nlogs: {home}"
    else:
        shutil.rmtree(home)
    request.config.stash[REPORTS].append(text)
    assert not bad, f"{text}\n{bad[0].log}"
    assert sum(len(outcome.kills) for outcome in outcomes) == KILLS
