"""The records of the last submits of this Airflow, in a store that all task instances share.

A ledger keeps the record of one task instance. The registry tells which task instance submitted a job of the service's
list. It also keeps the record of a task instance whose state a clear has deleted (Airflow 3.4).
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from airflow_provider_videoretalk.dashscope.errors import StateReadError, TransportError
from airflow_provider_videoretalk.job_history.history import is_clean_up_turn
from airflow_provider_videoretalk.polling.stored_json import unreadable
from airflow_provider_videoretalk.submission.record import Record
from airflow_provider_videoretalk.submission.record_store import SharedStore

PREFIX = "dashscope_submission_"
"""The start of each key. Hashes of task instance and account, and ``intended_at`` in milliseconds follow."""

# Keys that do not match belong to somebody else, and are skipped.
_KEY = re.compile(rf"{PREFIX}[0-9a-f]{{16}}_(?P<account>[0-9a-f]{{16}})_(?P<milliseconds>[0-9]{{1,15}})")

LIFETIME = 6 * 3600.0
"""Seconds after which a record is deleted: twice the time after which the service drops a job without a result."""

_MISSING = object()

_log = logging.getLogger(__name__)


class StoredRecords(NamedTuple):
    """The records of a span of time, oldest first.

    :param unreadable: the keys of those that cannot be read, with their ``intended_at``
    """

    records: list[Record]
    unreadable: dict[str, float]


class SubmissionRegistry:
    """The records of all task instances, without results. Each has a key that only its task instance writes.

    :param clock: seconds since the epoch
    """

    def __init__(self, store: SharedStore, *, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self._clock = clock

    def read(
        self, *, since: float = 0.0, until: float = math.inf, known: dict[str, Record] | None = None
    ) -> StoredRecords:
        """The records whose ``intended_at`` is in a span of time.

        Each costs a request to Airflow, and to its secrets backend.

        :param known: keeps the records that have a job's id between two calls, by key, so that each is read once
        :raises TransportError: Airflow does not return a record
        """
        found = StoredRecords([], {})
        for moment, key in self._keys(PREFIX):
            if not since <= moment <= until:
                continue
            try:
                record = known[key] if known and key in known else self._read(key)
            except StateReadError:
                found.unreadable[key] = moment
                continue
            if record is not None:
                found.records.append(record)
                if known is not None and record.task_id is not None:
                    known[key] = record
        return found

    def records(self, *, since: float = 0.0, until: float = math.inf) -> list[Record]:
        """The same, without those that cannot be read: one warning names their keys."""
        found = self.read(since=since, until=until)
        if found.unreadable:
            _log.warning(
                "Skipped %s records of other submits that this release cannot read: %s",
                len(found.unreadable),
                ", ".join(found.unreadable),
            )
        return found.records

    def queued_at_most(self, account: str, *, since: float, reads: int) -> int:
        """How many jobs of an account queue or render, at most.

        The service renders in the order of the submits. So the newest records are read, back to the one whose job has
        ended: the jobs before it have ended, too.

        :param account: see :attr:`Intent.account`
        :param since: older records do not count
        :param reads: the most records that are read, with a request to Airflow each; all others count
        :raises TransportError: Airflow does not return a record
        """
        keys = [key for moment, key in self._keys(PREFIX) if moment >= since and _account_in(key) == _hash(account)]
        for place, key in enumerate(reversed(keys[-reads:])):
            try:
                record = self._read(key)
            except StateReadError:
                continue
            if record is not None and record.ended:
                return place
        return len(keys)

    def latest(self, task_instance: str) -> Record | None:
        """The latest record of one task instance.

        :raises StateReadError: it cannot be read
        """
        keys = self._keys(f"{PREFIX}{_hash(task_instance)}_")
        if not keys:
            return None
        _, key = keys[-1]
        record = self._read(key)
        if record is not None and record.intent.task_instance != task_instance:
            raise unreadable(f"Variable {key}", "it is about another task instance")
        return record

    def copy_of(self, record: Record) -> Record | None:
        """The registry's copy of a record, which may have an id that the task's own store did not accept.

        :raises StateReadError: it cannot be read
        """
        return self._read(_key(record))

    def write(self, record: Record) -> None:
        """Adds or updates a record. Task instance and ``intended_at`` identify it."""
        self.store.set(_key(record), replace(record, result=None).to_json())

    def withdraw(self, record: Record) -> None:
        """Deletes the record of a submit that created no job."""
        self.store.delete(_key(record))

    def clean_up(self, *, intended_at: float) -> None:
        """Lets one of sixteen submits delete the old records.

        :param intended_at: of the submit
        """
        if is_clean_up_turn(intended_at):
            self.drop_old()

    def drop_old(self) -> None:
        """Deletes the records that are older than :data:`LIFETIME`, of any task instance."""
        oldest = self._clock() - LIFETIME
        for moment, key in self._keys(PREFIX):
            if moment < oldest:
                self.store.delete(key)

    def _keys(self, prefix: str) -> list[tuple[float, str]]:
        """The times and keys of records, oldest first."""
        matches = [match for key in self.store.names(prefix) if (match := _KEY.fullmatch(key))]
        return sorted((int(match["milliseconds"]) / 1000, match.string) for match in matches)

    def _read(self, key: str) -> Record | None:
        """A record; ``None`` if it was deleted after its key was listed.

        :raises StateReadError: it cannot be read
        :raises TransportError: it exists, but Airflow does not return it: Airflow reports every failure as not found
        """
        data = self.store.get(key, _MISSING)
        if data is not _MISSING:
            return Record.parse(data, name=f"Variable {key}")
        if key in self.store.names(key):
            raise TransportError(
                f"Airflow lists the Variable {key}, but does not return its value",
                remedy="Try again. If it stays, check Airflow's API server and secrets backends.",
            )
        return None


def _key(record: Record) -> str:
    intent = record.intent
    return f"{PREFIX}{_hash(intent.task_instance)}_{_hash(intent.account)}_{record.intended_at * 1000:.0f}"


def _account_in(key: str) -> str:
    return key.split("_")[-2]


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
