"""Keeps a process within what its connections may ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import lru_cache

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint


class Pace:
    """A token bucket that holds one second's worth of queries.

    :param per_second: queries a second, above 0
    :param clock: seconds that never run backwards
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1.0 / per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._next = clock() - 1.0

    def reserve(self) -> float:
        """Takes the next turn; returns the seconds to wait for it."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now - 1.0 + self._interval)
            self._next = turn + self._interval
            return max(0.0, turn - now)


@lru_cache(maxsize=64)
def pace_of(endpoint: Endpoint) -> Pace:
    """The pace that all clients of an endpoint share in this process, on whatever event loop or thread."""
    return Pace(endpoint.queries_per_second)
