"""Folds the single facts of past days into one stored value a day, and deletes what is too old.

One process at a time may do this: it is the only writer of days. If it is killed, the next one goes on. A day is
written before its single facts are deleted, and adding a fact twice changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from airflow_provider_videoretalk.dashscope.errors import StateReadError
from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.job_history.day_document import MAX_JOBS, pack_day, unpack_day
from airflow_provider_videoretalk.job_history.fact_keys import FactKey, day_of
from airflow_provider_videoretalk.job_history.facts import Fact, Submitted, read_fact
from airflow_provider_videoretalk.job_history.history import LATER_FACTS, FactStore, keys_in
from airflow_provider_videoretalk.job_history.job_table import JobTable, table_of

KEPT_DAYS = 31
"""Days for which the history is kept, besides today."""

# A fact may still be written again within an hour after midnight.
_SETTLED_SECONDS = 3600.0

_log = logging.getLogger(__name__)


class FoldSummary(NamedTuple):
    """What a fold did.

    :param days: written
    :param facts: that are in them, and no longer single
    :param deleted: keys that were too old
    :param unreadable: keys that were left alone, because they cannot be read
    """

    days: int
    facts: int
    deleted: int
    unreadable: list[str]


def fold(store: FactStore, *, now: float, kept_days: int = KEPT_DAYS) -> FoldSummary:
    """Folds all days before today.

    :param now: in seconds since the epoch
    :raises Exception: the store fails. Each store raises its own errors
    """
    today = day_of(now - _SETTLED_SECONDS)
    keys = keys_in(store)
    old = [key for key in keys if key.day < today - timedelta(days=kept_days)]
    for key in old:
        store.delete(str(key))
    folding = _Folding(store, today=today)
    folding.read(key for key in keys if key.kind and key.day < today and key not in set(old))
    facts = sum(folding.write(day) for day in sorted(folding.days))
    if folding.unreadable:
        _log.warning("Left alone what cannot be read of the job history: %s", ", ".join(folding.unreadable))
    return FoldSummary(days=len(folding.written), facts=facts, deleted=len(old), unreadable=folding.unreadable)


class _Folding:
    """
    :ivar days: the keys of the facts to fold, by the day that gets them
    """

    def __init__(self, store: FactStore, *, today: date) -> None:
        self._store = store
        self._today = today
        self._facts: dict[FactKey, Fact] = {}
        self._documents: dict[date, JobTable | None] = {}
        self.days: dict[date, list[FactKey]] = {}
        self.written: list[date] = []
        self.unreadable: list[str] = []

    def read(self, keys: Iterable[FactKey]) -> None:
        """Reads single facts. Each belongs to the day on which its job was submitted."""
        for key in keys:
            try:
                stored = self._store.get(str(key))
                if stored is not None and key.kind is not None:
                    self._facts[key] = read_fact(key.kind, stored, name=f"Variable {key}")
            except StateReadError:
                self.unreadable.append(str(key))
        submits = [fact for fact in self._facts.values() if isinstance(fact, Submitted)]
        submit_days = {fact.job_id: day_of(fact.intended_at) for fact in submits if fact.job_id}
        for key, fact in self._facts.items():
            if isinstance(fact, Submitted):
                day = day_of(fact.intended_at)
            elif isinstance(fact, Charged):
                day = fact.day
            else:
                day = submit_days.get(fact.job_id) or self._day_of_job(fact.job_id, until=key.day)
            # Clocks differ: a fact of yesterday may be about a submit of today.
            if day < self._today:
                self.days.setdefault(day, []).append(key)

    def write(self, day: date) -> int:
        """Writes a day, then deletes its single facts. Returns how many there were; 0 if the day cannot be written."""
        document, keys = self._document(day), self.days[day]
        if document is None:
            return 0
        new = table_of((key.kind, self._facts[key]) for key in keys if key.kind)
        new.add_all(document)
        records, charges = list(new.records()), new.charges()
        count = len(records) + len(charges)
        if count > MAX_JOBS:
            _log.error("The facts of %s are not folded: it has %s jobs, allowed are %s", day, count, MAX_JOBS)
            return 0
        self._store.set(str(FactKey(day=day)), pack_day(records, charges))
        for key in keys:
            self._store.delete(str(key))
        self.written.append(day)
        return len(keys)

    def _day_of_job(self, job_id: str, *, until: date) -> date:
        """The folded day with the submit of a job, not long before another day; without one, that day."""
        for back in range(LATER_FACTS.days + 1):
            day = until - timedelta(days=back)
            document = self._document(day)
            if document is not None and job_id in document.job_ids:
                return day
        return until

    def _document(self, day: date) -> JobTable | None:
        """A folded day; ``None`` if it cannot be read."""
        if day not in self._documents:
            key = str(FactKey(day=day))
            try:
                stored = self._store.get(key)
                name = f"Variable {key}"
                self._documents[day] = table_of(() if stored is None else unpack_day(stored, name=name))
            except StateReadError:
                self.unreadable.append(key)
                self._documents[day] = None
        return self._documents[day]
