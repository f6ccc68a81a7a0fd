"""Limits the calls per second with a sliding window."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.service.clock import Clock


class RateLimiter:
    """Allows at most `per_second` calls in any second; below 1, one call per ``1 / per_second`` seconds.

    The window is about `seconds` long instead of a second: a minute, for a rate by the minute.

    The window counts allowed calls only. Whether the service counts refused calls is not known.

    :param per_second: ``None`` for no limit
    :param clock: seconds since the epoch
    :param seconds: in which the calls may come at once
    """

    def __init__(self, *, per_second: float | None, clock: Clock, seconds: float = 1.0) -> None:
        self._clock = clock
        self._calls = 0 if per_second is None else max(1, int(per_second * seconds + 1e-9))
        self._window = 0.0 if per_second is None else self._calls / per_second
        self._allowed: deque[float] = deque()

    def allow(self) -> bool:
        """Whether a call is allowed now; an allowed call is counted."""
        if not self._calls:
            return True
        now = self._clock()
        # A wall clock that was set back must not block an account, so times in the future are dropped as well.
        while self._allowed and not now - self._window < self._allowed[0] <= now:
            self._allowed.popleft()
        if len(self._allowed) >= self._calls:
            return False
        self._allowed.append(now)
        return True
