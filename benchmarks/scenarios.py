"""What is measured: how many wait, for what, with which client, and how fast the clock runs meanwhile."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from benchmarks.clients import FIXED, HTTP, OURS, SDK, SLEEP

SPREAD = 0.3
QUEUE, MANY = "one running", "many running"
SIZES = (10, 100, 1000, 5000)
GOAL_QUEUE = 150
"""The queue that the goals name, measured in place of 100."""

# What a client does in milliseconds of the wall's clock takes so many times as long by the service's: slow enough for
# that not to matter, and for the service to keep up. The sensor asks as fast as it can at any speed, so that a fast
# clock would flatter it: where it matters, it runs by the wall's.
_MANY_SPEEDS = {
    OURS: {10: 10.0, 100: 10.0, 1000: 2.0, 5000: 4.0},
    SLEEP: {10: 20.0, 100: 20.0, 1000: 8.0, 5000: 4.0},
    FIXED: {10: 20.0, 100: 20.0, 1000: 6.0, 5000: 4.0},
    HTTP: {10: 20.0, 100: 10.0, 1000: 1.0, 5000: 1.0},
    SDK: {10: 20.0, 100: 10.0, 1000: 8.0},
}
# Clock and window, in clips: the service ends what is older than three hours, so that a long queue is never seen off.
_QUEUE_WATCHED = {OURS: (40.0, 30), FIXED: (40.0, 30), HTTP: (10.0, 5), SDK: (15.0, 5)}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One client, waiting for one lot of clips.

    :param running: tasks the account renders at once
    :param lengths: render times in seconds
    :param spacing: seconds between the submits
    :param limit: most seconds to watch
    """

    scenario: str
    client: str
    running: int
    lengths: tuple[float, ...]
    spacing: float
    speed: float
    limit: float

    @property
    def size(self) -> int:
        return len(self.lengths)


def lengths(count: int, *, mean: float, seed: int = 4) -> tuple[float, ...]:
    """Render times in seconds, the same at each call."""
    chance = random.Random(seed)
    return tuple(round(mean * chance.uniform(1 - SPREAD, 1 + SPREAD), 3) for _ in range(count))


def many_running(client: str, size: int) -> Run:
    """All clips render at once, 120 s on average, as with models that have no limit of one."""
    # Long enough for the sensor to show its memory and its stalls; it would take about eight minutes.
    limit = 180.0 if (client, size) == (HTTP, 5000) else 3600.0
    speeds = _MANY_SPEEDS[client]
    return Run(
        scenario=MANY,
        client=client,
        running=size,
        lengths=lengths(size, mean=120.0),
        spacing=0.01,
        speed=speeds.get(size) or speeds[min(speeds, key=lambda known: abs(known - size))],
        limit=limit,
    )


def one_running(client: str, size: int) -> Run:
    """One clip renders at a time, 64 s on average, the rest queue; watched until some have ended."""
    clips = lengths(size, mean=64.0)
    # Before it can see anything, Airflow takes seconds of the wall's clock to make thousands of triggers.
    speed, window = _QUEUE_WATCHED[client] if size < 5000 else (8.0, 25)
    return Run(
        scenario=QUEUE,
        client=client,
        running=1,
        lengths=clips,
        spacing=1.0,
        speed=speed,
        limit=sum(clips[:window]) + 30.0,
    )


def runs(sizes: Collection[int] = SIZES, clients: Collection[str] = tuple(_MANY_SPEEDS)) -> Iterator[Run]:
    """All that is measured, in order; base lines not at every size."""
    for size in sizes:
        for client in clients:
            if (client, size) != (SDK, 5000):
                yield many_running(client, size)
    for size in (GOAL_QUEUE if size == 100 else size for size in sizes):
        for client in clients:
            if client == OURS or (size == GOAL_QUEUE and client in _QUEUE_WATCHED):
                yield one_running(client, size)
