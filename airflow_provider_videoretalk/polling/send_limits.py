"""Keeps the queries of some jobs from delaying those of others.

- No query holds a turn: another may be sent while replies are outstanding. So the rate is reached at any latency.
- Queries of jobs whose last query failed take half of the rate, and few are in flight.
- A refusal (HTTP 429) slows all only if it concerns the account.
"""

from __future__ import annotations

import asyncio
import math
from typing import Literal

# The HTTP session has a hundred connections. At 18 queries a second, so many allow for replies that take five seconds.
MOST_IN_FLIGHT = 96
_FAILING_AT_ONCE, _FAILING_SHARE = 4, 1 / 2
_SEVERAL = 3

Throttled = Literal["account", "unclear", "one"]
"""What a refusal says:

- ``account``: it is the third of different queries that were refused in a row
- ``unclear``: it is the first refusal of this query, or one of many in a row
- ``one``: this query is refused again, while others are answered or none is sent
"""


class InFlight:
    """The requests that are on their way. All moments are in the event loop's time."""

    def __init__(self) -> None:
        self.requests: set[asyncio.Task[None]] = set()
        self._failing = 0
        self._next_failing = -math.inf

    @property
    def is_full(self) -> bool:
        return len(self.requests) >= MOST_IN_FLIGHT

    @property
    def failing_turn(self) -> float:
        """From when on a query may be sent for a job whose last query failed."""
        return math.inf if self._failing >= _FAILING_AT_ONCE else self._next_failing

    def begin_failing(self, *, now: float, per_second: float) -> None:
        """Before such a query.

        :param per_second: the rate of all queries
        """
        self._failing += 1
        self._next_failing = now + 1 / (_FAILING_SHARE * per_second)

    def end_failing(self) -> None:
        """After such a query."""
        self._failing -= 1


class Throttling:
    """Which queries were refused since the last answer. A query is named by its job."""

    def __init__(self) -> None:
        self._answers = 0
        self._in_a_row: set[str] = set()
        # By query: the number of answers at its last refusal.
        self._refused: dict[str, int] = {}

    def answered(self, query: str) -> None:
        self._answers += 1
        self._in_a_row.clear()
        self._refused.pop(query, None)

    def refused(self, query: str) -> Throttled:
        """After a refusal."""
        before = self._refused.get(query)
        self._refused[query] = self._answers
        if before is not None and before < self._answers:
            return "one"
        self._in_a_row.add(query)
        if len(self._in_a_row) == _SEVERAL and before is None:
            return "account"
        return "unclear" if before is None or len(self._in_a_row) >= _SEVERAL else "one"

    def forget(self, query: str) -> None:
        """Forgets a query that is not sent any more."""
        self._refused.pop(query, None)
        self._in_a_row.discard(query)
