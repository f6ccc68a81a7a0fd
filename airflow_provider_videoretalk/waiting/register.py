"""What this Airflow as a whole submitted lately: the memory that all task instances share.

A ledger's record is one task instance's own. The register tells whose a task in the service's list is, and remembers
for a task instance what a clear made Airflow forget (as Airflow 3.4's does).
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airflow_provider_videoretalk.waiting.record import Record
from airflow_provider_videoretalk.waiting.store import Store

KEYS = tuple(f"dashscope_submissions_{digit:x}" for digit in range(16))
"""The store's keys: few enough to be read all, and enough that two writers seldom meet."""

LIFETIME = 25 * 3600.0
"""Seconds after which a record is dropped. The service's list shows a task for 24 hours."""

_ATTEMPTS = 5


class Register:
    """Records of all task instances, without their results.

    The store has no transactions. A writer reads back what it wrote, and writes again where another one came between.

    :param clock: seconds since the epoch
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sleep = sleep

    def records(self) -> list[Record]:
        """All records, oldest first."""
        held = [Record.parse(data) for key in KEYS for data in self._held(key).values()]
        return sorted(held, key=lambda record: record.intended_at)

    def latest(self, owner: str) -> Record | None:
        """The latest record of one task instance."""
        held = [Record.parse(data) for data in self._held(_key(owner)).values()]
        return max(
            (record for record in held if record.intent.owner == owner),
            key=lambda record: record.intended_at,
            default=None,
        )

    def write(self, record: Record) -> None:
        """Adds a record, or brings it up to date: a submission is known by its owner and its time."""
        data = replace(record, result=None).to_json()
        self._change(record, lambda held: {**held, _name(record): data})

    def withdraw(self, record: Record) -> None:
        """Drops the record of a submit that was refused."""
        self._change(record, lambda held: {name: data for name, data in held.items() if name != _name(record)})

    def _change(self, record: Record, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        key, oldest = _key(record.intent.owner), self._clock() - LIFETIME
        for _ in range(_ATTEMPTS):
            held = {name: data for name, data in change(self._held(key)).items() if data["intended_at"] > oldest}
            self._store.set(key, held)
            if self._held(key) == held:
                return
            self._sleep(random.uniform(0.0, 0.1))

    def _held(self, key: str) -> dict[str, Any]:
        held: dict[str, Any] = self._store.get(key) or {}
        return held


def _key(owner: str) -> str:
    return KEYS[hashlib.sha256(owner.encode()).digest()[0] % len(KEYS)]


def _name(record: Record) -> str:
    return f"{record.intent.owner} {record.intended_at}"
