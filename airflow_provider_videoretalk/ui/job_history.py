"""The job history for the pages: what became of the render jobs of the DAGs that the caller may read.

Reading two weeks of a large history takes a second. Do it in a thread of these pages' own, and not in one of Airflow's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.airflow_adapters.variable_store import HAS_KEYS
from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.job_history.fact_keys import DAY_LENGTH, PREFIX, FactKey, hash_of
from airflow_provider_videoretalk.job_history.history import LATER_FACTS
from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.job_history.stored_history import StoredHistory
from airflow_provider_videoretalk.ui.airflow_db.variables import read_variables
from airflow_provider_videoretalk.ui.stored_values import read_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef

IS_KEPT = HAS_KEYS
"""Whether this Airflow keeps a history. Airflow 3.1 and 3.2 do not."""


@dataclass(frozen=True, kw_only=True)
class JobsOfDags:
    """
    :param jobs: in no order
    :param charges: what their tasks paid for without a job, in no order
    :param unreadable: the keys of Variables that cannot be read
    """

    jobs: Sequence[JobRecord] = field(default_factory=list)
    charges: Sequence[Charged] = field(default_factory=list)
    unreadable: Sequence[str] = field(default_factory=list)


def load_jobs(session: Session, *, dag_ids: Collection[str], since: date, until: date | None = None) -> JobsOfDags:
    """The jobs of some DAGs that were submitted on these days.

    :param dag_ids: the DAGs that the caller may read
    :param since: the first day
    :param until: the last day; ``None`` for today
    """
    values = _values(session, since=since - LATER_FACTS, until=until + LATER_FACTS if until else None)
    history = StoredHistory(values=values)
    records = (record for record in history.records(since=since) if until is None or record.day <= until)
    jobs = [record for record in records if record.dag_id in dag_ids]
    charges = [charge for charge in history.charges if charge.dag_id in dag_ids and (not until or charge.day <= until)]
    return JobsOfDags(jobs=jobs, charges=charges, unreadable=history.unreadable)


def find_job(session: Session, *, job_id: str, dag_ids: Collection[str], since: date = date.min) -> JobRecord | None:
    """One job by the service's id; ``None`` if the history does not have it, or it is of another DAG.

    Its submit is found once its day is folded. For today's jobs use :func:`find_jobs_of_task`.

    :param dag_ids: the DAGs that the caller may read
    :param since: the first day on which it may have been submitted
    """
    values = _values(session, since=since, subjects=[hash_of(job_id)])
    records = StoredHistory(values=values, containing=job_id).records()
    return next((record for record in records if record.job_id == job_id and record.dag_id in dag_ids), None)


def find_jobs_of_task(session: Session, ref: TaskInstanceRef, *, since: date = date.min) -> list[JobRecord]:
    """The jobs that a task instance submitted, and its submits of unknown outcome; the latest first.

    The caller may read its DAG.

    :param since: the first day on which they may have been submitted
    """
    name = f"{ref.dag_id}/{ref.run_id}/{ref.task_id}/{ref.map_index}"
    values = list(_values(session, since=since, subjects=[f"{hash_of(name)}-"]))
    ids = [record.job_id for record in _records_of(name, values) if record.job_id]
    if ids:
        later = _values(session, since=since, subjects=[hash_of(job_id) for job_id in ids])
        values += [(key, value) for key, value in later if key.kind]
    return sorted(_records_of(name, values), key=lambda record: record.submitted_at or 0.0, reverse=True)


def _records_of(task_instance: str, values: Iterable[tuple[FactKey, object]]) -> list[JobRecord]:
    records = StoredHistory(values=values, containing=task_instance).records()
    return [record for record in records if record.submitted and record.task_instance == task_instance]


def _values(
    session: Session, *, since: date, until: date | None = None, subjects: Sequence[str] = ()
) -> Iterator[tuple[FactKey, object]]:
    """The stored values of the history.

    :param until: the last day on which a value was written
    :param subjects: if there are any, the single facts about them are read, and no others
    """
    stored = read_variables(
        session,
        prefix=PREFIX,
        rest_from=f"{since:%Y%m%d}" if since > date.min else "",
        rest_to=f"{until:%Y%m%d}" if until else "",
        containing=[f"_{subject}" for subject in subjects],
        or_length=DAY_LENGTH,
    )
    return ((key, read_json(value)) for name, value in stored if (key := FactKey.parse(name)))
