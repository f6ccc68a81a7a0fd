"""What is measured: how many wait, for what, with which client, and how fast the clock runs meanwhile."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from benchmarks.waiting.clients import FIXED, HTTP, OURS, SDK, SLEEP

SPREAD = 0.3
SIZES = (10, 100, 1000, 5000)
QUEUES = (10, 150, 1000, 5000)
GOAL_QUEUE = 150
"""The queue that the goals name, at which all clients are measured."""

LATENCIES = (0.05, 0.12, 0.5, 1.0)
AT_ONCE = 1500

# What a client does in milliseconds of the wall's clock takes so many times as long by the service's: slow enough for
# that not to matter, and for the service to keep up. All clients of a row's size have the same clock. HttpSensor asks
# as fast as it can at any speed, so that a fast clock would flatter it: 1,000 wait by the wall's.
_MANY_SPEEDS = {10: 10.0, 100: 10.0, 1000: 1.0, 5000: 2.0, 10_000: 1.0}
_QUEUE_SPEEDS = {10: 20.0, 150: 10.0, 1000: 20.0, 5000: 4.0}
# In clips: the service ends what is older than three hours, so that a long queue is never seen off.
_QUEUE_WATCHED = {OURS: 30, FIXED: 30, HTTP: 5, SDK: 5}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One client, waiting for one lot of clips.

    :param running: tasks the account renders at once
    :param lengths: render times in seconds
    :param spacing: seconds between the submits
    :param limit: most seconds to watch
    :param latency: seconds by which the service delays each reply
    :param has_list: whether the service has the list of tasks
    """

    scenario: str
    client: str
    running: int
    lengths: tuple[float, ...]
    spacing: float
    speed: float
    limit: float
    latency: float = 0.0
    has_list: bool = True

    @property
    def size(self) -> int:
        return len(self.lengths)


def lengths(count: int, *, mean: float, seed: int = 4) -> tuple[float, ...]:
    """Render times in seconds, the same at each call."""
    chance = random.Random(seed)
    return tuple(round(mean * chance.uniform(1 - SPREAD, 1 + SPREAD), 3) for _ in range(count))


def many_running(client: str, size: int) -> Run:
    """All clips render at once, 120 s on average, as with models that have no limit of one."""
    return Run(
        scenario="many running",
        client=client,
        running=size,
        lengths=lengths(size, mean=120.0),
        spacing=0.01,
        speed=_MANY_SPEEDS[min(_MANY_SPEEDS, key=lambda known: abs(known - size))],
        # Long enough for the sensor to show its memory and its stalls; it would take about eight minutes.
        limit=180.0 if (client, size) == (HTTP, 5000) else 3600.0,
    )


def many_runs(sizes: Collection[int], clients: Collection[str]) -> Iterator[Run]:
    """Base lines are not run at every size: the vendor's SDK gives up at its first refusal."""
    for size in sizes:
        yield from (many_running(client, size) for client in clients if (client, size) != (SDK, 5000))


def ending_at_once(latency: float) -> Run:
    """All clips render equally long, far from the service."""
    return Run(
        scenario="ending at once",
        client=OURS,
        running=AT_ONCE,
        lengths=(120.0,) * AT_ONCE,
        spacing=0.01,
        speed=1.0,
        limit=1800.0,
        latency=latency,
    )


def one_running(client: str, size: int, *, has_list: bool = True) -> Run:
    """One clip renders at a time, 64 s on average, the rest queue; watched until some have ended."""
    clips = lengths(size, mean=64.0)
    # Before it can see anything, Airflow takes seconds of the wall's clock to make thousands of triggers.
    window = 25 if size >= 5000 else _QUEUE_WATCHED[client]
    return Run(
        scenario="one running",
        client=client,
        running=1,
        lengths=clips,
        spacing=1.0,
        speed=_QUEUE_SPEEDS[size],
        limit=sum(clips[:window]) + 30.0,
        has_list=has_list,
    )


def queue_runs(sizes: Collection[int]) -> Iterator[Run]:
    """Base lines at :data:`GOAL_QUEUE` only."""
    for size in sizes:
        clients = tuple(_QUEUE_WATCHED) if size == GOAL_QUEUE else (OURS,)
        yield from (one_running(client, size) for client in clients)


MANY_CLIENTS = (OURS, SLEEP, FIXED, HTTP, SDK)
