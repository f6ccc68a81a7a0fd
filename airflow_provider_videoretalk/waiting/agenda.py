"""Keys in the order of a number: of the time at which each is due, or of its turn in a queue."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator


class Agenda:
    """A sorted list, not a heap: it tells ranks and counts, and forgets at once. 10,000 keys move in microseconds."""

    def __init__(self) -> None:
        self._order: list[tuple[float, str]] = []
        self._times: dict[str, float] = {}

    def put(self, key: str, time: float) -> None:
        """Adds a key, or moves it."""
        self.drop(key)
        self._times[key] = time
        insort(self._order, (time, key))

    def drop(self, key: str) -> None:
        """Forgets a key, if it is there."""
        time = self._times.pop(key, None)
        if time is not None:
            del self._order[bisect_left(self._order, (time, key))]

    @property
    def first(self) -> tuple[float, str] | None:
        """The earliest time and its key."""
        return self._order[0] if self._order else None

    def time(self, key: str) -> float:
        """The time of a key, which must be there."""
        return self._times[key]

    def count(self, *, until: float) -> int:
        """How many keys have a time up to this one."""
        return bisect_right(self._order, until, key=_time)

    def rank(self, key: str) -> int:
        """How many keys come before this one, which must be there."""
        return bisect_left(self._order, (self._times[key], key))

    def __contains__(self, key: object) -> bool:
        return key in self._times

    def __iter__(self) -> Iterator[str]:
        """The keys in order, as they are now: they may change meanwhile."""
        return iter([key for _, key in self._order])

    def __len__(self) -> int:
        return len(self._order)


def _time(entry: tuple[float, str]) -> float:
    return entry[0]
