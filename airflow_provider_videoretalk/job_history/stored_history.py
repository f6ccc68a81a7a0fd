"""Reads the job history from stored values, wherever they were read from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from airflow_provider_videoretalk.dashscope.errors import StateReadError
from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.job_history.day_document import unpack_day
from airflow_provider_videoretalk.job_history.fact_keys import FactKey
from airflow_provider_videoretalk.job_history.facts import read_fact
from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.job_history.job_table import JobTable


@dataclass(kw_only=True)
class StoredHistory:
    """The records in stored values. Holds the single facts, and one day of folded ones at a time.

    :param values: the stored values by their keys, as JSON values. They are read once
    :param containing: a text such as a job's id. Folded days without it are skipped
    :param charges: what was paid for without a job, known when all records have been read
    :param unreadable: the keys of what cannot be read, known then too
    """

    values: Iterable[tuple[FactKey, object]]
    containing: str = ""
    charges: list[Charged] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def records(self, *, since: date = date.min) -> Iterator[JobRecord]:
        """The records of jobs that were submitted on this day or later, in no order."""
        days, single = [], JobTable()
        for key, value in self.values:
            if key.kind is None:
                days.append((key, value))
                continue
            try:
                single.add(key.kind, read_fact(key.kind, value, name=f"Variable {key}"))
            except StateReadError:
                self.unreadable.append(str(key))
        for key, value in days:
            table = JobTable()
            try:
                for kind, fact in unpack_day(value, name=f"Variable {key}", containing=self.containing):
                    table.add(kind, fact)
            except StateReadError:
                # What was read before the damage counts.
                self.unreadable.append(str(key))
            table.take_facts_about_own(single)
            self.charges += (charge for charge in table.charges() if charge.day >= since)
            yield from (record for record in table.records() if record.day >= since)
        self.charges += (charge for charge in single.charges() if charge.day >= since)
        yield from (record for record in single.records() if record.day >= since)
