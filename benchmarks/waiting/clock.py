"""A clock that runs faster than the wall's, so that an hour of waiting is measured in a minute."""

from __future__ import annotations

import asyncio
import selectors
import time
from dataclasses import dataclass
from typing import Any

WALL = time.time
"""Seconds since the epoch as the wall's clock has them, whatever :func:`hurry` did."""


@dataclass(frozen=True, kw_only=True)
class FastClock:
    """Seconds since the epoch that pass ``speed`` times as fast as the wall's, and agreed with them at ``since``."""

    speed: float
    since: float

    def time(self) -> float:
        return self.since + (WALL() - self.since) * self.speed


class _FastSelector(selectors.DefaultSelector):
    """Waits for what an event loop believes to be ``timeout`` seconds."""

    speed = 1.0

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout if timeout is None else timeout / self.speed)


def hurry(clock: FastClock) -> None:
    """Lets all of this process live by ``clock``: ``time``, and every event loop made with :func:`fast_loop`.

    To be called before anything is imported that keeps a reference to one of ``time``'s functions. What is waited for,
    by whatever library, then needs no setting of its own.
    """
    sleep = time.sleep
    time.time = clock.time
    time.monotonic = clock.time
    time.sleep = lambda seconds: sleep(float(seconds) / clock.speed)
    _FastSelector.speed = clock.speed


def fast_loop() -> asyncio.AbstractEventLoop:
    """An event loop whose sleeps and time-outs go by the process's clock."""
    return asyncio.SelectorEventLoop(_FastSelector())
