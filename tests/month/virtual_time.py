"""Time of a whole process that only passes by being waited for.

To be called before anything is imported that keeps a reference to one of ``time``'s functions.
"""

from __future__ import annotations

import time
from typing import Protocol

EPOCH = 1_790_000_000.0
"""When the process began, in seconds since the epoch. The month is over by now: some rules use the machine's clock."""


class Loop(Protocol):
    """The part of a virtual event loop that tells the time."""

    def time(self) -> float: ...

    def oversleep(self, seconds: float) -> None: ...


class VirtualTime:
    """
    :ivar loop: whose time it is; ``None`` before it begins
    """

    def __init__(self) -> None:
        self.loop: Loop | None = None

    def rule(self) -> None:
        """Lets all of this process live by it."""
        time.time, time.monotonic, time.sleep = self.time, self.monotonic, self.sleep

    def time(self) -> float:
        return EPOCH + self.monotonic()

    def monotonic(self) -> float:
        return self.loop.time() if self.loop else 0.0

    def sleep(self, seconds: float) -> None:
        """A worker's short pause. It blocks nobody else for longer than that."""
        if self.loop:
            self.loop.oversleep(max(0.0, seconds))
