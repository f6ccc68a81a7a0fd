"""A span of days in UTC, of bounded length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

MAX_DAYS, DEFAULT_DAYS = 62, 14


class DaySpanError(ValueError):
    """There is no such span, or it is too long. The message is for the person who chose it."""


@dataclass(frozen=True, kw_only=True)
class DaySpan:
    """
    :param first: the first day
    :param last: the last day, which belongs to the span
    :param today: the day on which it was chosen
    """

    first: date
    last: date
    today: date

    @classmethod
    def of(cls, first: date | None = None, last: date | None = None, *, today: date | None = None) -> DaySpan:
        """A span of what was chosen: by default the last :data:`DEFAULT_DAYS` days, and nothing after today.

        :raises DaySpanError: the first day is after the last one, or the span is longer than :data:`MAX_DAYS`
        """
        today = today or datetime.now(timezone.utc).date()
        longest = timedelta(days=MAX_DAYS - 1)
        if last is None:
            last = today if first is None else min(today, first + longest)
        last = min(last, today)
        first = last - timedelta(days=DEFAULT_DAYS - 1) if first is None else first
        if first > last:
            raise DaySpanError(
                f"From is {first}, allowed is {last} at most: the last day, or today in UTC. Choose an earlier day."
            )
        if last - first > longest:
            raise DaySpanError(
                f"From {first} to {last} are {(last - first).days + 1} days, allowed are {MAX_DAYS} at once. "
                f"Choose {last - longest} or later for From, or download the spans one after the other."
            )
        return cls(first=first, last=last, today=today)

    @property
    def days(self) -> Sequence[date]:
        """The earliest first."""
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    @property
    def ends_today(self) -> bool:
        return self.last == self.today

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last
