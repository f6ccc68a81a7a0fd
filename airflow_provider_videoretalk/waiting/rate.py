"""How fast one poller asks."""

from __future__ import annotations

import random
from collections.abc import Callable

_SHARE = 0.9
# Evenly sent, queries fall into step with those of others, of whom the same ones would always be refused.
_JITTER = 0.05
# A refusal leaves this share of the rate; all of it would be won back in so many seconds.
_AFTER_REFUSAL, _RECOVERY = 0.75, 60.0
_LEAST = 1 / 100
_LONGEST_HOLD = 600.0


class Rate:
    """Turns at nearly even distances, below a limit that others may be using up as well.

    Each refusal takes a quarter of the rate, and time wins it back by the same amount a second for everybody (additive
    increase, multiplicative decrease). So pollers that know nothing of one another, as in several triggerers of one
    account, come to equal shares of its limit, and see few refusals. Moments are seconds of any one clock.

    :param limit: queries a second that the account may send, of which a tenth is left alone
    :param chance: a random number from 0 to 1
    """

    def __init__(self, limit: float, *, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._most = self._base = _SHARE * limit
        self._slowed_at = self._next = 0.0

    def per_second(self, now: float) -> float:
        """The present rate."""
        return min(self._most, self._base + self._most * (now - self._slowed_at) / _RECOVERY)

    def turn(self, now: float) -> float:
        """From when on the next query may be sent."""
        return max(self._next, now)

    def take(self, now: float) -> None:
        """Notes a query that is sent now."""
        unevenly = 1 + _JITTER * (2 * self._chance() - 1)
        self._next = max(self._next, now + unevenly / self.per_second(now))

    def refused(self, *, sent_at: float, now: float, retry_after: float | None = None) -> None:
        """Slows down after a refusal of what was sent at that moment.

        :param retry_after: seconds for which the service wants to hear nothing
        """
        if retry_after is not None:
            self._next = max(self._next, now + min(retry_after, _LONGEST_HOLD))
        # What was on its way when the rate was lowered says nothing of the new rate.
        if sent_at >= self._slowed_at:
            self._base = max(self.per_second(now) * _AFTER_REFUSAL, _LEAST * self._most)
            self._slowed_at = now
            self._next = max(self._next, now + 1 / self._base)
