"""What this Airflow as a whole submitted lately: the memory that all task instances share.

A ledger's record is one task instance's own. The register tells whose a task in the service's list is, and remembers
for a task instance what a clear made Airflow forget (as Airflow 3.4's does).
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import replace

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.waiting.record import Record
from airflow_provider_videoretalk.waiting.store import SharedStore

PREFIX = "dashscope_submission_"
"""What the keys begin with; a hash of the owner and the time in milliseconds follow."""

LIFETIME = 6 * 3600.0
"""Seconds after which a record is dropped: twice as long as the service lets a task go without a result."""


class Register:
    """Records of all task instances, without their results. Each has a key of its own, which only its owner writes.

    :param clock: seconds since the epoch
    """

    def __init__(self, store: SharedStore, *, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self._clock = clock

    def records(self, *, since: float = 0.0, until: float = math.inf) -> list[Record]:
        """The records intended between two moments, oldest first."""
        keys = [key for key in self.store.names(PREFIX) if since <= _time(key) <= until]
        return [record for key in sorted(keys, key=_time) if (record := self._read(key)) is not None]

    def latest(self, owner: str) -> Record | None:
        """The latest record of one task instance."""
        keys = self.store.names(f"{PREFIX}{_hash(owner)}_")
        return self._read(max(keys, key=_time)) if keys else None

    def write(self, record: Record) -> None:
        """Adds a record, or brings it up to date: a submission is known by its owner and its time."""
        self.store.set(_key(record), replace(record, result=None).to_json())

    def withdraw(self, record: Record) -> None:
        """Drops the record of a submit that was refused."""
        self.store.delete(_key(record))

    def drop_old(self) -> None:
        """Drops what is past its lifetime, whoever's it is."""
        oldest = self._clock() - LIFETIME
        for key in self.store.names(PREFIX):
            if _time(key) < oldest:
                self.store.delete(key)

    def _read(self, key: str) -> Record | None:
        """A record; ``None`` where it was dropped since its key was listed.

        :raises TransportError: it is there, but can't be had: Airflow calls a Variable missing that it fails to look up
        """
        data = self.store.get(key)
        if data is not None:
            return Record.parse(data)
        if key in self.store.names(key):
            raise TransportError("Airflow can't tell now what was submitted lately", remedy="Try again.")
        return None


def _key(record: Record) -> str:
    return f"{PREFIX}{_hash(record.intent.owner)}_{record.intended_at * 1000:.0f}"


def _hash(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:16]


def _time(key: str) -> float:
    return int(key.rpartition("_")[2]) / 1000
