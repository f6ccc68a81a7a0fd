"""An account: who a key belongs to, how fast it may call, what it has running and queued."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.service.task import Task

Clock = Callable[[], float]


class RateLimiter:
    """At most `per_second` calls in any second; below 1, one call per ``1 / per_second`` seconds.

    A sliding window over calls that were let through. That refused calls do not count is not known of the service.

    :param per_second: ``None`` lets everything through
    :param clock: seconds since the epoch
    """

    def __init__(self, *, per_second: float | None, clock: Clock) -> None:
        self._clock = clock
        self._calls = 0 if per_second is None else max(1, int(per_second))
        self._window = 0.0 if per_second is None else self._calls / per_second
        self._passed: deque[float] = deque()

    def allow(self) -> bool:
        """Whether a call may pass now; a call that passes is counted."""
        if not self._calls:
            return True
        now = self._clock()
        # A wall clock set back must not lock an account out, so times in the future are dropped as well.
        while self._passed and not now - self._window < self._passed[0] <= now:
            self._passed.popleft()
        if len(self._passed) >= self._calls:
            return False
        self._passed.append(now)
        return True


class Account:
    """One main account: all its keys share its limits, its tasks and its uploads.

    :param name: the name in the books
    :param limits: operation -> calls per second, ``None`` for no limit
    """

    def __init__(self, *, name: str, limits: dict[str, float | None], clock: Clock) -> None:
        self.name = name
        digits = int(hashlib.sha256(name.encode()).hexdigest(), 16)
        # Shapes as in the documented sample: 16 digits for the account.
        self.uid = str(10**15 + digits % (9 * 10**15))
        self.queue: deque[Task] = deque()
        self.task_ids: list[str] = []
        self.running = 0
        self._limiters = {key: RateLimiter(per_second=rate, clock=clock) for key, rate in limits.items()}

    def allow(self, operation: str) -> bool:
        return self._limiters[operation].allow()


def key_id(key: str) -> str:
    """``api_key_id`` of a key: digits that do not give the key away."""
    return str(10000 + int(hashlib.sha256(f"key:{key}".encode()).hexdigest(), 16) % 90000)
