"""What was promised of waiting, and whether a measurement keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.results import Goal, at_most
from benchmarks.waiting.clients import HTTP, OURS, SLEEP
from benchmarks.waiting.figures import Figures
from benchmarks.waiting.scenarios import GOAL_QUEUE

# A refusal now and then is how a client learns the rate; more than this share of its requests is a storm.
_STORM = 0.01
# Two runs of the same clips differ by this much.
_NOISE = 1.05
_THOUSAND, _CROWD = 1000, 5000


def many_running(measured: Sequence[Figures]) -> Iterator[Goal]:
    ours = {figures.size: figures for figures in measured if figures.client == OURS}
    others = {(figures.client, figures.size): figures for figures in measured}
    for size in sorted({_THOUSAND, _CROWD} & ours.keys()):
        yield from _crowd(ours[size], others.get((SLEEP, size)))
        if http := others.get((HTTP, size)):
            yield from _machine(ours[size], http)
    if len(ours) > 1:
        yield _growth([ours[size] for size in sorted(ours)])


def ten_thousand(measured: Sequence[Figures]) -> Iterator[Goal]:
    for figures in measured:
        if figures.client == OURS:
            at = f"{figures.size:,} waiting"
            yield at_most(f"{at}: lag, p95", 1.3 * figures.limit, figures.p95, unit=" s")
            yield at_most(f"{at}: lost or not seen", 0, figures.lost + figures.unseen, digits=0)
            yield at_most(f"{at}: share of a core", 30, 100 * figures.core_share, digits=0, unit=" %")
            yield at_most(f"{at}: files open", 50, figures.files, digits=0)


def ending_at_once(measured: Sequence[Figures]) -> Iterator[Goal]:
    for figures in measured:
        at = f"{figures.size:,} ending at once, {1000 * figures.latency:,.0f} ms"
        yield at_most(f"{at}: lag, p95", 1.2 * figures.limit, figures.p95, unit=" s")


def one_running(measured: Sequence[Figures]) -> Iterator[Goal]:
    queues = [figures for figures in measured if figures.client == OURS and figures.size >= GOAL_QUEUE]
    if queues:
        sizes = " / ".join(str(figures.size) for figures in queues)
        worst = max(figures.requests for figures in queues)
        yield at_most(f"one running, {sizes} queued: requests a finished clip", 12, worst)
    for figures in queues:
        if figures.size == GOAL_QUEUE:
            yield at_most(f"one running, {GOAL_QUEUE} queued: lag, median", 3, figures.median, unit=" s")
            yield at_most(f"one running, {GOAL_QUEUE} queued: lag, p95", 6, figures.p95, unit=" s")


def without_list(measured: Sequence[Figures]) -> Iterator[Goal]:
    for figures in measured:
        if figures.client == OURS:
            what = f"one running, {figures.size} queued, no list: requests a finished clip"
            yield at_most(what, 10, figures.requests)


def _crowd(ours: Figures, idle: Figures | None) -> Iterator[Goal]:
    at = f"{ours.size:,} waiting, many running"
    yield at_most(f"{at}: requests a job", 1.6, ours.requests, digits=2)
    yield at_most(f"{at}: lost", 0, ours.lost + ours.unseen, digits=0)
    if ours.size == _THOUSAND:
        yield at_most(f"{at}: lag, p95", 6, ours.p95, unit=" s")
        share = ours.refused / max(1, ours.asked)
        yield at_most(f"{at}: refused (429) of all requests", 100 * _STORM, 100 * share, unit=" %")
    if ours.size == _CROWD and idle:
        more = 1000 * (ours.stall_seconds - idle.stall_seconds)
        yield at_most(f"{at}: stall beyond that of triggers that sleep", 100, more, digits=0, unit=" ms")


def _machine(ours: Figures, http: Figures) -> Iterator[Goal]:
    at = f"{ours.size:,} waiting, many running"
    yield at_most(f"{at}: CPU a job, a fifth of HttpSensor's", http.cpu_ms / 5, ours.cpu_ms, unit=" ms")
    yield at_most(f"{at}: memory, half of HttpSensor's", http.megabytes / 2, ours.megabytes, unit=" MB")


def _growth(by_size: Sequence[Figures]) -> Goal:
    found = " / ".join(f"{figures.requests:.2f}" for figures in by_size)
    sizes = " / ".join(f"{figures.size:,}" for figures in by_size)
    met = all(figures.requests <= by_size[0].requests * _NOISE for figures in by_size)
    return Goal(what=f"requests a job, {sizes} waiting", wanted="no growth", found=found, met=met)
