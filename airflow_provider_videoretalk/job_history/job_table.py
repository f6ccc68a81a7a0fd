"""Combines facts into records. The facts of a job may come in any order, and more than once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.job_history.fact_keys import subject_of
from airflow_provider_videoretalk.job_history.facts import Fact, FactKind, Submitted
from airflow_provider_videoretalk.job_history.job_record import JobRecord


class JobTable:
    """Facts by what they are about. Of two facts of a kind about the same, the stronger one is kept.

    :ivar job_ids: of the jobs of this table
    """

    def __init__(self) -> None:
        self._submits: dict[str, Submitted] = {}
        self._later: dict[str, dict[FactKind, Fact]] = {}
        self._charges: dict[str, Charged] = {}
        self.job_ids: set[str] = set()

    def add(self, kind: FactKind, fact: Fact) -> None:
        """Adds a fact, unless a stronger one is there."""
        if isinstance(fact, Charged):
            charge = self._charges.get(subject_of(fact))
            self._charges[subject_of(fact)] = fact if charge is None else cast("Charged", stronger(charge, fact))
            return
        if fact.job_id is not None:
            self.job_ids.add(fact.job_id)
        if isinstance(fact, Submitted):
            subject = subject_of(fact)
            known = self._submits.get(subject)
            self._submits[subject] = fact if known is None else cast("Submitted", stronger(known, fact))
        else:
            facts = self._later.setdefault(fact.job_id, {})
            facts[kind] = stronger(facts[kind], fact) if kind in facts else fact

    def take_facts_about_own(self, other: JobTable) -> None:
        """Moves the facts about the submits and jobs of this table from another one to this one."""
        for subject in self._submits.keys() & other._submits.keys():
            self.add("submitted", other._submits.pop(subject))
        for subject in self._charges.keys() & other._charges.keys():
            self.add("charged", other._charges.pop(subject))
        for job_id in self.job_ids & other._later.keys():
            for kind, fact in other._later.pop(job_id).items():
                self.add(kind, fact)

    def add_all(self, other: JobTable) -> None:
        """Adds all facts of another table."""
        for record in other.records():
            for kind, fact in facts_of(record):
                self.add(kind, fact)
        for charge in other.charges():
            self.add("charged", charge)

    def charges(self) -> list[Charged]:
        """What was paid for without a job."""
        return list(self._charges.values())

    def records(self) -> Iterator[JobRecord]:
        """One record for each job, and for each submit of unknown outcome."""
        later, seen = dict(self._later), set()
        for submit in self._submits.values():
            if submit.job_id is None:
                yield JobRecord(submitted=submit)
            elif submit.job_id not in seen:
                # A job that two submits claim is one job.
                seen.add(submit.job_id)
                yield JobRecord(submitted=submit, **cast("Mapping[str, Any]", later.pop(submit.job_id, {})))
        for facts in later.values():
            yield JobRecord(**cast("Mapping[str, Any]", facts))


def table_of(facts: Iterable[tuple[FactKind, Fact]]) -> JobTable:
    """A table of these facts."""
    table = JobTable()
    for kind, fact in facts:
        table.add(kind, fact)
    return table


def facts_of(record: JobRecord) -> Iterator[tuple[FactKind, Fact]]:
    """The facts of a record."""
    facts: tuple[tuple[FactKind, Fact | None], ...] = (
        ("submitted", record.submitted),
        ("ended", record.ended),
        ("published", record.published),
        ("checked", record.checked),
    )
    return ((kind, fact) for kind, fact in facts if fact is not None)


def stronger(one: Fact, other: Fact) -> Fact:
    """Of two facts of the same kind about the same, the one that is true; of two alike, the second."""
    return one if cast("Any", one).strength > cast("Any", other).strength else other
