"""Who was told to come back later before submitting: first come, first served."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_videoretalk.waiting.store import SharedStore

PREFIX = "dashscope_waiting_"
"""What the keys begin with; a hash of the connection, two times in milliseconds and a hash of the owner follow."""

# How long after it should have come back somebody keeps a place: a worker may have to be waited for.
_GRACE = 900.0


class Waitlist:
    """The task instances whose submits on a connection are held back, through all processes.

    All there is to know stands in the keys, so that one request tells it of any number.

    :param connection: the connection's id
    :param clock: seconds since the epoch
    """

    def __init__(self, store: SharedStore, connection: str, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._prefix = f"{PREFIX}{_hash(connection)}_"
        self._clock = clock

    def ahead_of(self, owner: str) -> int:
        """How many came before this task instance, or before now where it has no place yet."""
        places, now = self._places(), self._clock()
        since = min((place.since for place in places if place.owner == _hash(owner)), default=now)
        return sum(place.since < since and place.until + _GRACE > now for place in places)

    def put(self, owner: str, *, until: float) -> None:
        """Gives a place; one that it has already is kept.

        :param until: when it will come back, in seconds since the epoch
        """
        since = min((place.since for place in self._places() if place.owner == _hash(owner)), default=self._clock())
        key = f"{self._prefix}{since * 1000:.0f}_{until * 1000:.0f}_{_hash(owner)}"
        self._store.set(key, owner)
        self._drop(lambda place: place.owner == _hash(owner) and place.key != key)

    def drop(self, owner: str) -> None:
        """Takes the place away, if it has one; and those of whoever never came back."""
        now = self._clock()
        self._drop(lambda place: place.owner == _hash(owner) or place.until + _GRACE <= now)

    def _drop(self, which: Callable[[_Place], bool]) -> None:
        for place in self._places():
            if which(place):
                self._store.delete(place.key)

    def _places(self) -> list[_Place]:
        return [_Place.parse(key) for key in self._store.names(self._prefix)]


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A place and its times, in seconds since the epoch."""

    key: str
    since: float
    until: float
    owner: str

    @classmethod
    def parse(cls, key: str) -> _Place:
        since, until, owner = key.split("_")[-3:]
        return cls(key=key, since=int(since) / 1000, until=int(until) / 1000, owner=owner)


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
