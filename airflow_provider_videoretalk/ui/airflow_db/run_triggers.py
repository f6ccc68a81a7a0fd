"""Who or what triggered DAG runs. Each is looked up by the unique index on DAG and run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from airflow.models.dagrun import DagRun
from sqlalchemy import select

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_RUNS = 20_000
"""Runs that one look-up takes at most, which bounds its time."""

RunKey: TypeAlias = "tuple[str, str]"
"""DAG id and run id."""

# Values in one statement. SQLite allows 32,766, and older ones 999.
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class RunTrigger:
    """
    :param kind: Airflow's type of the run; ``operator_triggered`` also for a run that a task of Airflow 3.1 or 3.2
        triggered
    :param person: the name of the user; ``None`` if nobody triggered it
    """

    kind: str
    person: str | None


def find_run_triggers(session: Session, runs: Iterable[RunKey]) -> dict[RunKey, RunTrigger]:
    """The triggers of those runs that exist.

    :param runs: at most :data:`MAX_RUNS` are looked up
    """
    by_dag: dict[str, list[str]] = defaultdict(list)
    for dag_id, run_id in list(dict.fromkeys(runs))[:MAX_RUNS]:
        by_dag[dag_id].append(run_id)
    found: dict[RunKey, RunTrigger] = {}
    for dag_id, run_ids in by_dag.items():
        for first in range(0, len(run_ids), _AT_ONCE):
            found |= _triggers(session, dag_id, run_ids[first : first + _AT_ONCE])
    return found


def _triggers(session: Session, dag_id: str, run_ids: list[str]) -> dict[RunKey, RunTrigger]:
    statement = select(DagRun.run_id, DagRun.run_type, DagRun.triggered_by, DagRun.triggering_user_name)
    rows = session.execute(statement.where(DagRun.dag_id == dag_id, DagRun.run_id.in_(run_ids)))
    return {
        (dag_id, run_id): RunTrigger(kind=_kind(str(run_type), by), person=person)
        for run_id, run_type, by, person in rows
    }


def _kind(run_type: str, triggered_by: object) -> str:
    is_by_task = run_type == "manual" and getattr(triggered_by, "value", None) == "operator"
    return "operator_triggered" if is_by_task else run_type
