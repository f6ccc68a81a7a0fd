"""What was promised of waiting, and whether a measurement keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.clients import HTTP, OURS, SLEEP
from benchmarks.figures import Figures
from benchmarks.makespan import Makespan
from benchmarks.scenarios import GOAL_QUEUE, MANY, QUEUE

# A refusal now and then is how a client learns the rate; more than this share of its requests is a storm.
_STORM = 0.01
# Two runs of the same clips differ by this much.
_NOISE = 1.05


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One line of the table; ``met`` is ``None`` where nothing was measured."""

    what: str
    wanted: str
    found: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "NOT met", None: "not measured here"}[self.met]


def goals(measured: Sequence[Figures], spans: Sequence[Makespan]) -> list[Goal]:
    """All goals that what was measured says something about."""
    ours = {(figures.scenario, figures.size): figures for figures in measured if figures.client == OURS}
    return [
        *_queue_goals([figures for (scenario, _), figures in ours.items() if scenario == QUEUE]),
        *(_thousand_goals(ours[MANY, 1000]) if (MANY, 1000) in ours else ()),
        *(_crowd_goals(ours[MANY, 5000], measured) if (MANY, 5000) in ours else ()),
        *(_machine_goals(ours[MANY, 1000], measured) if (MANY, 1000) in ours else ()),
        *(_machine_goals(ours[MANY, 5000], measured) if (MANY, 5000) in ours else ()),
        *_growth_goal([figures for (scenario, _), figures in ours.items() if scenario == MANY]),
        *_makespan_goal(spans),
        Goal(what="worker slots held while waiting or throttled", wanted="0", found="0 by design", met=None),
    ]


def _at_most(what: str, limit: float, found: float, *, digits: int = 1, unit: str = "", note: str = "") -> Goal:
    return Goal(
        what=what, wanted=f"<= {limit:.{digits}f}{unit}", found=f"{found:.{digits}f}{unit}{note}", met=found <= limit
    )


def _queue_goals(queues: Sequence[Figures]) -> Iterator[Goal]:
    long = [figures for figures in queues if figures.size >= GOAL_QUEUE]
    if long:
        worst = max(long, key=lambda figures: figures.requests)
        what = f"one running, {' / '.join(str(figures.size) for figures in long)} queued: requests a finished clip"
        yield _at_most(what, 12, worst.requests)
    for figures in long:
        if figures.size == GOAL_QUEUE:
            yield _at_most(f"one running, {GOAL_QUEUE} queued: lag, median", 3, figures.median, unit=" s")
            yield _at_most(f"one running, {GOAL_QUEUE} queued: lag, p95", 6, figures.p95, unit=" s")


def _thousand_goals(figures: Figures) -> Iterator[Goal]:
    at = "1,000 waiting, many running"
    yield _at_most(f"{at}: requests a job", 1.6, figures.requests, digits=2)
    yield _at_most(f"{at}: lag, p95", 6, figures.p95, unit=" s")
    yield _at_most(f"{at}: lost", 0, figures.lost + figures.unseen, digits=0)
    share = figures.refused / max(1, figures.asked)
    yield _at_most(f"{at}: refused (429) of all requests", 100 * _STORM, 100 * share, unit=" %")


def _crowd_goals(figures: Figures, measured: Sequence[Figures]) -> Iterator[Goal]:
    at = "5,000 waiting, many running"
    others = {other.client: other for other in measured if (other.scenario, other.size) == (MANY, figures.size)}
    yield _at_most(f"{at}: lost", 0, figures.lost + figures.unseen, digits=0)
    yield _at_most(f"{at}: requests a job", 1.6, figures.requests, digits=2)
    if (idle := others.get(SLEEP)) is not None:
        more = 1000 * (figures.stall_seconds - idle.stall_seconds)
        yield _at_most(f"{at}: stall beyond that of triggers that sleep", 100, more, digits=0, unit=" ms")


def _machine_goals(figures: Figures, measured: Sequence[Figures]) -> Iterator[Goal]:
    at = f"{figures.size:,} waiting, many running"
    for other in measured:
        if (other.scenario, other.client, other.size) == (MANY, HTTP, figures.size):
            yield _at_most(f"{at}: CPU a job, a fifth of HttpSensor's", other.cpu_ms / 5, figures.cpu_ms, unit=" ms")
            yield _at_most(f"{at}: memory, half of HttpSensor's", other.megabytes / 2, figures.megabytes, unit=" MB")


def _growth_goal(crowds: Sequence[Figures]) -> Iterator[Goal]:
    if len(crowds) < 2:
        return
    by_size = sorted(crowds, key=lambda figures: figures.size)
    found = " / ".join(f"{figures.requests:.2f}" for figures in by_size)
    met = all(figures.requests <= by_size[0].requests * _NOISE for figures in by_size)
    sizes = " / ".join(f"{figures.size:,}" for figures in by_size)
    yield Goal(what=f"requests a job, {sizes} waiting", wanted="no growth", found=found, met=met)


def _makespan_goal(spans: Sequence[Makespan]) -> Iterator[Goal]:
    for span in spans:
        if span.slots == 3:
            yield _at_most("makespan of a pool of 3, of the sum of render times", 1.03, span.ratio, digits=3)
