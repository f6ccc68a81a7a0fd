"""Queries of the latest batches: their runs, the sums of their plans, and how many of their videos are made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import and_, case, func, or_, select

from airflow_provider_videoretalk.ui.airflow_db.task_queries import bypass_index, is_on
from airflow_provider_videoretalk.ui.airflow_db.task_row import COST_KEY, PLAN_KEY, RETURN_VALUE_KEY
from airflow_provider_videoretalk.ui.airflow_db.xcom_tables import xcom_column
from airflow_provider_videoretalk.ui.stored_values import stored_value

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_SAME_RUN = and_(TaskInstance.dag_id == DagRun.dag_id, TaskInstance.run_id == DagRun.run_id)


@dataclass(frozen=True, kw_only=True)
class LatestRun:
    """A DAG run.

    :param number: its primary key. A newer run has a higher number
    :param ended_at: ``None`` until it has ended
    :param dag_version: the version of its DAG with which it began; ``None`` if Airflow has deleted it
    """

    number: int
    dag_id: str
    run_id: str
    state: str | None
    run_after: datetime | None
    ended_at: datetime | None
    dag_version: UUID | None


@dataclass(frozen=True, kw_only=True)
class PlanSums:
    """
    :param state: of the task that plans
    :param sums: what it noted of its plan, with checked types; ``None`` if it noted nothing
    """

    state: str | None
    sums: Any


def latest_runs(session: Session, *, dag_ids: Collection[str], day: date | None = None, limit: int) -> list[LatestRun]:
    """The latest runs of some DAGs, the newest first.

    :param day: the day of the runs' ``run_after``, in UTC
    """
    columns = (DagRun.id, DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.run_after, DagRun.end_date)
    statement = select(*columns, DagRun.created_dag_version_id).where(bypass_index(session, DagRun.dag_id).in_(dag_ids))
    if day is not None:
        statement = statement.where(*is_on(day))
    return [
        LatestRun(
            number=number,
            dag_id=dag_id,
            run_id=run_id,
            state=str(state) if state else None,
            run_after=run_after,
            ended_at=ended_at,
            dag_version=version,
        )
        for number, dag_id, run_id, state, run_after, ended_at, version in session.execute(
            statement.order_by(DagRun.id.desc()).limit(limit)
        )
    ]


def plan_sums(
    session: Session, *, run_numbers: Collection[int], task_ids: Collection[str]
) -> dict[tuple[int, str], PlanSums]:
    """The sums of the plans of some runs, by run number and task id."""
    statement = (
        select(DagRun.id, TaskInstance.task_id, TaskInstance.state, xcom_column(PLAN_KEY, "value"))
        .select_from(DagRun)
        .join(TaskInstance, _SAME_RUN)
        .where(DagRun.id.in_(run_numbers), TaskInstance.task_id.in_(task_ids), TaskInstance.map_index == -1)
    )
    return {
        (number, task_id): PlanSums(state=state, sums=stored_value(sums))
        for number, task_id, state, sums in session.execute(statement)
    }


def count_made(session: Session, *, dag_id: str, run_id: str, make: str, after: Sequence[str]) -> int:
    """How many rows of a batch have been made in a run, and have passed all tasks that go on with the video.

    A row whose video another run has published is one of them: its task was skipped, and notes that.
    It reads the task instances of this run alone, and one XCom of each that succeeded or was skipped.

    :param make: the task that makes a video
    :param after: the tasks that go on with it
    """
    tasks = [make, *after]
    # A task that a person marked success or skipped has no such XCom.
    cost, returned = (xcom_column(key, "timestamp") for key in (COST_KEY, RETURN_VALUE_KEY))
    made_something = case((TaskInstance.task_id == make, cost), else_=returned).is_not(None)
    # Of a task that was skipped, only the one that makes has such an XCom.
    has_passed, was_kept = (_count_of(TaskInstance.state == state) for state in ("success", "skipped"))
    found = (
        select(TaskInstance.map_index)
        .select_from(DagRun)
        .join(TaskInstance, _SAME_RUN)
        .where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.map_index >= 0)
        .where(TaskInstance.task_id.in_(tasks), TaskInstance.state.in_(("success", "skipped")), made_something)
        .group_by(TaskInstance.map_index)
        .having(or_(has_passed == len(tasks), was_kept > 0))
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(found)) or 0


def _count_of(condition: Any) -> Any:
    """How many rows of a group meet a condition."""
    return func.sum(case((condition, 1), else_=0))
