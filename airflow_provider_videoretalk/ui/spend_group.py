"""What spend is added up by: the DAG of a job, the label of its clip, or the person who triggered its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.ui.airflow_db.run_triggers import MAX_RUNS, RunTrigger, find_run_triggers
from airflow_provider_videoretalk.ui.clip_name import cut
from airflow_provider_videoretalk.ui.stored_values import as_name

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

GroupBy = Literal["dag", "label", "person"]
"""
- ``dag``: the DAG that submitted the job, or waited for it
- ``label``: the clip's name among mapped ones
- ``person``: who triggered the DAG run
"""

_MAX_NAME = 120

_NO_LABEL, _UNKNOWN_RUN, _TOO_MANY = "no label", "run deleted", "not looked up"
_TRIGGERS: Mapping[str, str] = {
    "scheduled": "schedule",
    "backfill": "backfill",
    "asset_triggered": "asset",
    "asset_materialization": "asset",
    "operator_triggered": "another DAG",
}


@dataclass(frozen=True, order=True)
class Group:
    """
    :param name: of a DAG, a clip or a person; else what all jobs without such a name have in common
    """

    name: str
    is_named: bool = True

    def __str__(self) -> str:
        return self.name if self.is_named else f"({self.name})"


def groups_of(session: Session, jobs: Sequence[JobRecord | Charged], *, by: GroupBy) -> list[Group]:
    """The group of each job or charge, in their order.

    :param jobs: of DAGs that the caller may read
    """
    if by == "dag":
        return [_named(job.dag_id) or Group("", is_named=False) for job in jobs]
    if by == "label":
        return [_named(job.label) or Group(_NO_LABEL, is_named=False) for job in jobs]
    keys = [(job.dag_id or "", job.run_id or "") for job in jobs]
    # Of too many runs, the latest ones are looked up.
    latest = sorted(zip(keys, (job.day for job in jobs), strict=True), key=lambda pair: pair[1], reverse=True)
    wanted = list(dict.fromkeys(key for key, _ in latest))[:MAX_RUNS]
    triggers = find_run_triggers(session, wanted)
    known = set(wanted)
    return [_person(triggers.get(key), is_looked_up=key in known) for key in keys]


def _person(trigger: RunTrigger | None, *, is_looked_up: bool) -> Group:
    if trigger is None:
        return Group(_UNKNOWN_RUN if is_looked_up else _TOO_MANY, is_named=False)
    return _named(trigger.person) or Group(_TRIGGERS.get(trigger.kind, "nobody named"), is_named=False)


def _named(name: object) -> Group | None:
    found = cut(as_name(name) or "", longest=_MAX_NAME)
    return Group(found) if found else None
