"""Queries of a batch: one DAG run with up to some thousand mapped task instances. Each is one statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import and_, case, literal, null, select

from airflow_provider_videoretalk.batches.plan_rows import MAX_LENGTH, ROWS_KEY
from airflow_provider_videoretalk.ui.airflow_db.task_row import COST_KEY, ERROR_KEY, RETURN_VALUE_KEY, TaskKey
from airflow_provider_videoretalk.ui.airflow_db.xcom_tables import xcom_column
from airflow_provider_videoretalk.ui.stored_values import read_json, stored_value

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_ENDED = ("success", "failed", "upstream_failed", "skipped", "removed")


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A DAG run.

    :param dag_version: the version of its DAG with which it began; ``None`` if Airflow has deleted it
    """

    state: str | None
    run_after: datetime | None
    dag_version: UUID | None


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """The task that plans a batch.

    :param key: of its stored rows: other rows have another key; ``None`` if there are none
    """

    state: str | None
    key: tuple[UUID, datetime] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RowTask:
    """A task instance of one row.

    :param cost: what the video did cost: a JSON value, unchecked
    :param has_result: whether Airflow has what the task made. A task that a person marked success has nothing
    """

    state: str | None
    cost: Any = None
    has_result: bool = False


def find_run(session: Session, *, dag_id: str, run_id: str) -> RunRow | None:
    statement = select(DagRun.state, DagRun.run_after, DagRun.created_dag_version_id)
    found = session.execute(statement.where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).first()
    if found is None:
        return None
    state, run_after, version = found
    return RunRow(state=str(state) if state else None, run_after=run_after, dag_version=version)


def find_plan(session: Session, *, dag_id: str, run_id: str, task_id: str) -> PlanRow | None:
    """The task that plans a batch, without its rows; ``None`` if it does not exist."""
    columns = (TaskInstance.state, TaskInstance.id, xcom_column(ROWS_KEY, "timestamp"))
    found = session.execute(_select(*columns).where(*_is_plan(dag_id, run_id, task_id))).first()
    if found is None:
        return None
    state, instance, written_at = found
    return PlanRow(state=state, key=(instance, written_at) if written_at is not None else None)


def plan_rows(session: Session, *, dag_id: str, run_id: str, task_id: str) -> Any:
    """The rows of a plan: a JSON value, unchecked."""
    value = xcom_column(ROWS_KEY, "value", longest=MAX_LENGTH)
    return read_json(session.scalar(_select(value).where(*_is_plan(dag_id, run_id, task_id))))


def row_tasks(session: Session, *, dag_id: str, run_id: str, make: str, after: Sequence[str]) -> dict[TaskKey, RowTask]:
    """All task instances of all rows, also those that are not mapped yet.

    :param make: the task that makes a video
    :param after: the tasks that go on with it
    """
    is_make = TaskInstance.task_id == make
    cost, published = xcom_column(COST_KEY, "value"), xcom_column(RETURN_VALUE_KEY, "timestamp")
    ended = TaskInstance.state == "success"
    statement = _select(
        TaskInstance.task_id,
        TaskInstance.map_index,
        TaskInstance.state,
        # A task that is skipped notes that the video was there.
        case((and_(is_make, TaskInstance.state.in_(("success", "skipped"))), cost), else_=null()),
        case((is_make, null()), (and_(ended, published.is_not(None)), literal(1)), else_=null()),
    ).where(*_of_tasks(dag_id, run_id, [make, *after]))
    return {
        (task_id, map_index): RowTask(
            state=state,
            cost=read_json(cost),
            has_result=cost is not None or published is not None,
        )
        for task_id, map_index, state, cost, published in session.execute(statement)
    }


def tasks_to_answer(session: Session, *, dag_id: str, run_id: str) -> dict[int, str]:
    """The ids of the tasks that wait for a person's answer, by map index; -1 for one that is not mapped."""
    statement = (
        select(TaskInstance.map_index, TaskInstance.task_id)
        .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        .where(
            TaskInstance.dag_id == dag_id,
            TaskInstance.run_id == run_id,
            TaskInstance.state.not_in(_ENDED),
            HITLDetail.responded_at.is_(None),
        )
    )
    return {row.map_index: row.task_id for row in session.execute(statement)}


def row_errors(
    session: Session, *, dag_id: str, run_id: str, task_ids: Collection[str]
) -> dict[int, Mapping[str, Any]]:
    """The errors that failed tasks noted, by map index."""
    statement = _select(TaskInstance.map_index, xcom_column(ERROR_KEY, "value")).where(
        *_of_tasks(dag_id, run_id, task_ids), TaskInstance.state == "failed", TaskInstance.map_index >= 0
    )
    errors = ((map_index, stored_value(text)) for map_index, text in session.execute(statement))
    return {map_index: error for map_index, error in errors if isinstance(error, Mapping)}


def _of_tasks(dag_id: str, run_id: str, task_ids: Collection[str]) -> list[Any]:
    return [TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.task_id.in_(task_ids)]


def _is_plan(dag_id: str, run_id: str, task_id: str) -> list[Any]:
    return [*_of_tasks(dag_id, run_id, [task_id]), TaskInstance.map_index == -1]


def _select(*columns: Any) -> Any:
    same_run = and_(TaskInstance.dag_id == DagRun.dag_id, TaskInstance.run_id == DagRun.run_id)
    return select(*columns).select_from(DagRun).join(TaskInstance, same_run)
