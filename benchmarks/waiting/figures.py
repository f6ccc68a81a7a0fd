"""What a run came to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.waiting.scenarios import Run

QUERIES_PER_SECOND = 20.0
"""What the service allows of each kind of query; the emulator's default."""


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def best_lags(ends: Sequence[float], *, latency: float, per_second: float = QUERIES_PER_SECOND) -> list[float]:
    """The lags if each end were seen by one query, first ended first, at this rate."""
    free, lags = -math.inf, []
    for end in sorted(ends):
        free = max(free + 1 / per_second, end)
        lags.append(free + latency - end)
    return lags


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of one run. Seconds are the service's, but for those of CPU and of the stall.

    :param jobs: tasks whose end the client saw, or that it gave up
    :param lost: those that it gave up
    :param unseen: tasks that had ended when the run was over, without the client knowing yet
    :param asked: queries and list pages that were sent
    :param lists: the list pages among them
    :param refused: those that got a 429
    :param lags: from a task's end until the client saw it; of what was not seen, until the run was over
    :param limit: the p95 of the lags if each end were seen by one query, first ended first, at the service's rate
    :param files: files and sockets open at once, beyond those from before
    :param server: the service's share of one core, by the wall's clock
    :param disturbed: the share of the cores, or of this client's time, that other processes had
    """

    scenario: str
    client: str
    size: int
    speed: float
    seconds: float
    jobs: int
    lost: int
    unseen: int
    asked: int
    lists: int
    refused: int
    lags: tuple[float, ...]
    limit: float
    files: int
    latency: float
    cpu_seconds: float
    megabytes: float
    stall_seconds: float
    server: float
    disturbed: float

    @property
    def requests(self) -> float:
        """Requests a job."""
        return self.asked / max(1, self.jobs)

    @property
    def median(self) -> float:
        return quantile(self.lags, 0.5)

    @property
    def p95(self) -> float:
        return quantile(self.lags, 0.95)

    @property
    def longest(self) -> float:
        return max(self.lags, default=math.nan)

    @property
    def core_share(self) -> float:
        """The share of one core, at the speed of the wall's clock."""
        return self.cpu_seconds / max(1.0, self.seconds)

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of CPU a job."""
        return 1000 * self.cpu_seconds / max(1, self.jobs)


def figures(run: Run, *, sightings: Mapping[str, Any], books: Mapping[str, Any], server_cpu: float) -> Figures:
    """From what the client saw and what the service's books say.

    :param server_cpu: seconds of CPU the service used meanwhile
    """
    gauge, stopped = sightings["gauge"], sightings["stopped"]
    ended = {task: end for task, end in books["ended"].items() if end <= stopped}
    good = {task: moment for task, (moment, status) in sightings["seen"].items() if status == "SUCCEEDED"}
    gave_up = (set(sightings["seen"]) | set(sightings["failed"])) - set(good)
    waited = {task: end for task, end in ended.items() if task not in gave_up}
    asked = {what: count for what, count in books["asked"].items() if what.startswith(("query", "list"))}
    return Figures(
        scenario=run.scenario,
        client=run.client,
        size=run.size,
        speed=run.speed,
        seconds=stopped - sightings["begun"],
        jobs=len(good) + len(gave_up),
        lost=len(gave_up),
        unseen=len(set(waited) - set(good)),
        asked=sum(asked.values()),
        lists=sum(count for what, count in asked.items() if what.startswith("list")),
        refused=sum(count for what, count in asked.items() if what.endswith("429")),
        limit=quantile(best_lags(list(ended.values()), latency=run.latency), 0.95),
        files=int(gauge["files"]),
        latency=run.latency,
        lags=tuple(good.get(task, stopped) - end for task, end in waited.items()),
        cpu_seconds=gauge["cpu_seconds"],
        megabytes=gauge["megabytes"],
        stall_seconds=gauge["stall_seconds"],
        server=server_cpu / gauge["wall_seconds"],
        disturbed=gauge["queued_seconds"] / gauge["wall_seconds"],
    )
