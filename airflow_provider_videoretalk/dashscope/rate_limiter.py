"""Spaces the requests of this process to one account."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

# A tenth of the limit is left to other users of the account.
_SHARE = 0.9
# Evenly spaced requests fall into step with those of other processes, and the same ones would always be refused.
_JITTER = 0.05
# A refusal leaves this share of the rate. The full rate is back after so many seconds.
_AFTER_REFUSAL, _RECOVERY_SECONDS = 0.75, 60.0
_LOWEST_SHARE = 1 / 100
# The refusals may concern some jobs only. So the account is asked again soon, by one query.
_LONGEST_HOLD = 10.0


class RateLimiter:
    """Spaces requests below a limit that other processes may use as well.

    Each refusal takes a quarter of the rate. Time restores it by the same amount a second in every process (additive
    increase, multiplicative decrease). Processes that do not know each other thus come to equal shares of the account's
    limit.

    A poller looks up its next turn and takes it when it has a query to send. A single request, such as a submit or a
    cancel, reserves a turn. If both want more than the rate, each gets half of it: neither many cancels nor many
    queries stop the other. Threads and event loops may share a limiter. All moments are seconds of ``clock``.

    :param limit: requests a second that the account allows, above 0; a tenth of it is not used
    :param chance: returns a random number from 0 to 1
    :param clock: seconds that never run backwards
    """

    def __init__(
        self,
        limit: float,
        *,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chance = chance
        self._clock = clock
        self._lock = threading.Lock()
        self._highest = self._base = _SHARE * limit
        self._slowed_at = self._held_until = 0.0
        self._next_query = self._next_single = 0.0

    def reserve(self) -> float:
        """Takes the next turn of a single request; returns the seconds to wait for it.

        A hold that the service asked for is not waited for: it is about status queries, and a single request has a
        refusal of its own.
        """
        with self._lock:
            now = self._clock()
            turn = max(self._next_single, now)
            if turn == now:
                self._next_query = max(self._next_query, now) + self._interval(now)
            self._next_single = turn + 2 * self._interval(now)
            return turn - now

    def next_turn(self, now: float) -> float:
        """When the next status query may be sent."""
        return max(self._next_query, self._held_until, now)

    def take(self, now: float) -> None:
        """Records a status query that is sent now."""
        with self._lock:
            interval = self._interval(now)
            single_waits = self._next_single - 2 * interval > now
            self._next_query = max(self._next_query, now) + (2 * interval if single_waits else interval)

    def refused(self, *, sent_at: float, now: float, retry_after: float | None = None) -> None:
        """Slows down after the service refused a query as one too many.

        :param sent_at: when the refused query was sent
        :param retry_after: seconds for which the service wants no further query; at most ten are granted
        """
        with self._lock:
            if retry_after is not None:
                self._held_until = max(self._held_until, now + min(retry_after, _LONGEST_HOLD))
            # The refusal of a query that was sent before the last slowdown says nothing about the new rate.
            if sent_at >= self._slowed_at:
                self._base = max(self.per_second(now) * _AFTER_REFUSAL, _LOWEST_SHARE * self._highest)
                self._slowed_at = now
                self._next_query = max(self._next_query, now + 1 / self._base)

    def per_second(self, now: float) -> float:
        """The present rate."""
        return min(self._highest, self._base + self._highest * (now - self._slowed_at) / _RECOVERY_SECONDS)

    def _interval(self, now: float) -> float:
        return (1 + _JITTER * (2 * self._chance() - 1)) / self.per_second(now)
