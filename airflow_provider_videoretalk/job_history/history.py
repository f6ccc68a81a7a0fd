"""The job history of this Airflow, in a store that all task instances share."""

from __future__ import annotations

import logging
import random
import time
from calendar import monthrange
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Protocol

from airflow_provider_videoretalk.dashscope.errors import StateReadError
from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.job_history.fact_keys import PREFIX, FactKey, day_of
from airflow_provider_videoretalk.job_history.facts import Fact, FactKind, JobReport, read_fact, write_fact
from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.job_history.job_table import stronger
from airflow_provider_videoretalk.job_history.stored_history import StoredHistory

LATER_FACTS = timedelta(days=3)
"""After a submit, facts about its job may be written for so long. The service forgets a job within two days."""

# A month of this age has no day of the last 31.
_EXPIRED = timedelta(days=62)
_MAX_DROPPED = 100

_log = logging.getLogger(__name__)


def is_clean_up_turn(moment: float) -> bool:
    """Whether the writer of a record deletes old ones. One of sixteen does: to find them takes a listing of all keys.

    :param moment: when it is written, in seconds since the epoch. Its millisecond chooses
    """
    return round(moment * 1000) % 16 == 0


class FactStore(Protocol):
    """The part of Airflow's Variables that the history needs. Values are of JSON's types.

    ``get`` raises :class:`~airflow_provider_videoretalk.dashscope.errors.StateReadError` for a value that is not JSON.
    """

    def get(self, key: str, default: Any = None) -> Any: ...

    def set(self, key: str, value: Any) -> None: ...

    def delete(self, key: str) -> None: ...

    def names(self, prefix: str) -> Sequence[str]: ...


class JobHistory:
    """Writes and reads facts. A failure to write is logged and not raised: no paid task fails because of it.

    :param store: ``None`` keeps no history
    :param clock: seconds since the epoch
    """

    def __init__(self, store: FactStore | None, *, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self._clock = clock

    def note(self, kind: FactKind, fact: Fact, *, now: float | None = None) -> None:
        """Writes a fact, or writes it again. A report never replaces a stronger one of its day.

        :param now: in seconds since the epoch; by default, what the clock says
        """
        if self.store is None:
            return
        key = FactKey.of(kind, fact, now=self._clock() if now is None else now)
        try:
            if isinstance(fact, JobReport) and fact.status != "SUCCEEDED":
                stored = self.store.get(str(key))
                if stored is not None and stronger(read_fact(kind, stored, name=f"Variable {key}"), fact) is not fact:
                    return
            self.store.set(str(key), write_fact(fact))
        except StateReadError as error:
            _log.warning("The job history keeps a fact that cannot be read: %s", error)
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
            _log.warning("The job history lacks that %s (%s). The task goes on", _sentence(kind, fact), failure)

    def withdraw(self, fact: Fact, *, noted_at: float) -> None:
        """Deletes a submit that is known to have created no job.

        :param noted_at: when it was written, in seconds since the epoch
        """
        if self.store is None:
            return
        try:
            self.store.delete(str(FactKey.of("submitted", fact, now=noted_at)))
        except Exception as error:
            _log.warning("The job history keeps a submit that created no job (%s: %s)", type(error).__name__, error)

    def clean_up(self, *, written_at: float) -> None:
        """Lets one of sixteen writers delete old facts.

        :param written_at: of the fact that it has written, in seconds since the epoch
        """
        if is_clean_up_turn(written_at):
            self.drop_expired()

    def drop_expired(self) -> None:
        """Deletes some facts that are months old. Without the audit, which folds them, their number stays bounded.

        Looks at a day of the expired month, by chance: to list a month of 100,000 videos takes 300 requests. Only if
        that day has no facts, the month is listed. A failure is logged and not raised.
        """
        if self.store is None:
            return
        try:
            expired = day_of(self._clock()) - _EXPIRED
            day = random.randint(1, monthrange(expired.year, expired.month)[1])
            month = f"{PREFIX}{expired:%Y%m}"
            for key in (self.store.names(f"{month}{day:02}") or self.store.names(month))[:_MAX_DROPPED]:
                if FactKey.parse(key):
                    self.store.delete(key)
        except Exception as error:
            _log.warning("Old facts of the job history cannot be deleted (%s: %s)", type(error).__name__, error)

    def load(self, since: date) -> list[JobRecord]:
        """The records of jobs that were submitted on this day or later, in no order. A warning names what is damaged.

        :raises Exception: the store cannot be read. Each store raises its own errors
        """
        return self.load_with_charges(since)[0]

    def load_with_charges(self, since: date) -> tuple[list[JobRecord], list[Charged]]:
        """Like :meth:`load`, and what was paid for without a job on these days."""
        history = StoredHistory(values=self._values(since - LATER_FACTS))
        records = list(history.records(since=since))
        if history.unreadable:
            _log.warning("Skipped what cannot be read of the job history: %s", ", ".join(history.unreadable))
        return records, history.charges

    def _values(self, since: date) -> Iterator[tuple[FactKey, object]]:
        if self.store is None:
            return
        for key in keys_in(self.store):
            if key.day >= since:
                try:
                    value = self.store.get(str(key))
                except StateReadError:
                    value = "not JSON"
                if value is not None:
                    yield key, value


def keys_in(store: FactStore) -> list[FactKey]:
    """The keys of the history in a store."""
    return [key for name in store.names(PREFIX) if (key := FactKey.parse(name))]


def _sentence(kind: FactKind, fact: Fact) -> str:
    if isinstance(fact, Charged):
        return f"{fact.task_instance} paid for {fact.paid_for}"
    return f"render job {fact.job_id or '(of unknown id)'} is {kind}"
