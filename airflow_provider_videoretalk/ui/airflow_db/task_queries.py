"""Queries of task instances with their XComs. None of them scans the rows of other DAGs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import String, and_, case, func, null, or_, select, tuple_, type_coerce
from sqlalchemy.sql.expression import UnaryExpression, custom_op

from airflow_provider_videoretalk.ui.airflow_db.task_row import (
    ERROR_KEY,
    EXPECTED_START_KEY,
    JOB_ID_KEY,
    StoredXCom,
    TaskRow,
)
from airflow_provider_videoretalk.ui.airflow_db.xcom_tables import rendered_fields, xcom_column
from airflow_provider_videoretalk.ui.stored_values import stored_value
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# Runs whose tasks are read by one query.
_RUN_BATCH = 100
_UNFINISHED = ("running", "deferred", "up_for_retry", "up_for_reschedule")


def latest_task_rows(
    session: Session,
    *,
    key: str,
    extra_keys: Collection[str] = (),
    dag_ids: Collection[str],
    day: date | None = None,
    after: tuple[int, str, int] | None = None,
    limit: int,
) -> list[TaskRow]:
    """The latest task instances with an XCom of this key, those of the newest run first.

    :param extra_keys: further XCom keys to read. A task instance without them is returned too
    :param dag_ids: the DAGs to search. A DAG without tasks of this package costs time, but adds no rows
    :param day: the day of the runs' ``run_after``, in UTC
    :param after: run number, task id and map index of the row before the first one
    """
    order = (DagRun.id, TaskInstance.task_id, TaskInstance.map_index)
    run_columns = (bypass_index(session, DagRun.dag_id), bypass_index(session, DagRun.run_id))
    keys = (key, *extra_keys)
    statement = _select_tasks(keys=keys, run_columns=run_columns).where(xcom_column(key, "timestamp").is_not(None))
    if after is not None:
        statement = statement.where(tuple_(*order) < tuple_(*after))
    statement = statement.order_by(*(column.desc() for column in order))
    found: list[TaskRow] = []
    newest = after[0] if after is not None else None
    while len(found) < limit:
        run_numbers = _run_numbers(session, dag_ids=dag_ids, day=day, newest=newest)
        if not run_numbers:
            break
        batch = statement.where(DagRun.id.in_(run_numbers)).limit(limit - len(found))
        found += _fetch(session, batch, keys=keys)
        newest = run_numbers[-1] - 1
    return found


def _run_numbers(session: Session, *, dag_ids: Collection[str], day: date | None, newest: int | None) -> Sequence[int]:
    """The numbers of a batch of runs, the newest first.

    This is a query of its own. In one query with the tasks, a database may join all of them before it sorts and limits.
    """
    statement = select(DagRun.id).where(bypass_index(session, DagRun.dag_id).in_(dag_ids))
    if newest is not None:
        statement = statement.where(DagRun.id <= newest)
    if day is not None:
        statement = statement.where(*is_on(day))
    return session.scalars(statement.order_by(DagRun.id.desc()).limit(_RUN_BATCH)).all()


def is_on(day: date) -> tuple[Any, Any]:
    """The SQL conditions that select the runs of a day."""
    start = datetime.combine(day, time.min, tzinfo=timezone.utc)
    return DagRun.run_after >= start, DagRun.run_after < start + timedelta(days=1)


def task_rows_of_runs(
    session: Session,
    *,
    dag_id: str,
    run_ids: Collection[str],
    task_ids: Collection[str],
    map_indexes: Collection[int],
    keys: Collection[str],
) -> list[TaskRow]:
    """Some tasks of some runs of a DAG, with their rendered fields.

    :param map_indexes: the map indexes whose XComs and rendered fields are read. ``{-1}`` alone, for a task that is not
        mapped, also selects the states of all mapped task instances
    :param keys: the XCom keys to read
    """
    is_selected = TaskInstance.map_index.in_(map_indexes)
    statement = _select_tasks(keys=keys, fields=True, values_for=is_selected).where(
        TaskInstance.dag_id == dag_id, TaskInstance.run_id.in_(run_ids), TaskInstance.task_id.in_(task_ids)
    )
    if set(map_indexes) != {-1}:
        statement = statement.where(is_selected)
    return _fetch(session, statement.order_by(TaskInstance.map_index), keys=keys)


def unfinished_task_rows(session: Session, *, dag_ids: Collection[str], limit: int) -> list[TaskRow]:
    """Unfinished task instances that wait for a render job, those that have waited longest first.

    Each of them has submitted a job, holds a job back, or was given the id of a job to wait for. The query uses the
    index on the task state.
    """
    keys = (JOB_ID_KEY, EXPECTED_START_KEY)
    waits_since = func.coalesce(*(xcom_column(key, "timestamp") for key in keys), TaskInstance.start_date)
    is_given_job = rendered_fields().contains(f'"{JOB_ID_KEY}":')
    statement = (
        _select_tasks(keys=keys, fields=True)
        .where(TaskInstance.state.in_(_UNFINISHED), TaskInstance.dag_id.in_(dag_ids), waits_since.is_not(None))
        .where(or_(*(xcom_column(key, "timestamp").is_not(None) for key in keys), is_given_job))
        .order_by(waits_since)
        .limit(limit)
    )
    return _fetch(session, statement, keys=keys)


def failed_task_rows(
    session: Session,
    *,
    keys: Collection[str],
    dag_ids: Collection[str],
    day: date | None = None,
    offset: int = 0,
    limit: int,
) -> tuple[list[TaskRow], int]:
    """Failed task instances with the errors that they noted, those that ended last first, and how many there are.

    It costs as much as there are failed task instances in these DAGs, by the index on DAG and state.

    :param keys: a task instance with an XCom of any of these keys is one of this package
    :param day: the day of the runs' ``run_after``, in UTC
    """
    is_own = or_(*(xcom_column(key, "timestamp").is_not(None) for key in keys))
    noted = (ERROR_KEY,)
    is_failed = (TaskInstance.dag_id.in_(dag_ids), TaskInstance.state == "failed")
    statement = _select_tasks(keys=noted).where(*is_failed, is_own)
    if day is not None:
        statement = statement.where(*is_on(day))
    number = session.scalar(statement.with_only_columns(func.count(), maintain_column_froms=True))
    order = (TaskInstance.end_date.desc(), DagRun.id.desc(), TaskInstance.task_id, TaskInstance.map_index)
    rows = _fetch(session, statement.order_by(*order).offset(offset).limit(limit), keys=noted)
    return rows, number or 0


def find_task_row(session: Session, ref: TaskInstanceRef) -> TaskRow | None:
    """One task instance, without XComs and fields; ``None`` if it does not exist."""
    statement = _select_tasks(keys=()).where(*conditions_for(ref))
    return next(iter(_fetch(session, statement, keys=())), None)


def find_noted_error(session: Session, ref: TaskInstanceRef) -> Any:
    """The error that the last try of a task instance has noted as an XCom; ``None`` without one."""
    rows = _fetch(session, _select_tasks(keys=(ERROR_KEY,)).where(*conditions_for(ref)), keys=(ERROR_KEY,))
    return next((row.xcoms[ERROR_KEY].value for row in rows if ERROR_KEY in row.xcoms), None)


def conditions_for(ref: TaskInstanceRef) -> list[Any]:
    """The SQL conditions that select one task instance."""
    return [
        TaskInstance.dag_id == ref.dag_id,
        TaskInstance.task_id == ref.task_id,
        TaskInstance.run_id == ref.run_id,
        TaskInstance.map_index == ref.map_index,
    ]


def _select_tasks(
    *,
    keys: Collection[str],
    fields: bool = False,
    values_for: Any = None,
    run_columns: tuple[Any, Any] = (DagRun.dag_id, DagRun.run_id),
) -> Any:
    """Columns of task instances with their runs.

    :param fields: whether the rendered fields are read
    :param values_for: the condition of the task instances whose XComs and fields are read; ``None`` for all
    :param run_columns: the two columns that join a task instance to its run
    """
    ti = TaskInstance
    columns = [ti.dag_id, ti.run_id, ti.task_id, ti.map_index, DagRun.id, ti.state, ti.start_date, ti.end_date]
    values = [xcom_column(key, column) for key in keys for column in ("value", "timestamp")]
    if fields:
        values.append(rendered_fields())
    if values_for is not None:
        values = [case((values_for, column), else_=null()) for column in values]
    return (
        select(*columns, ti.dag_version_id, ti._rendered_map_index, *values)
        .select_from(DagRun)
        .join(ti, and_(ti.dag_id == run_columns[0], ti.run_id == run_columns[1]))
    )


def _fetch(session: Session, statement: Any, *, keys: Collection[str]) -> list[TaskRow]:
    return [_to_task_row(record, keys) for record in session.execute(statement)]


def _to_task_row(record: Any, keys: Collection[str]) -> TaskRow:
    dag_id, run_id, task_id, map_index, run_number, state, started_at, ended_at, version, label, *values = record
    xcoms = zip(keys, values[::2], values[1::2], strict=False)
    fields = stored_value(values[-1]) if len(values) % 2 else None
    return TaskRow(
        ref=TaskInstanceRef(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index),
        run_number=run_number,
        state=state,
        started_at=started_at,
        ended_at=ended_at,
        dag_version=version,
        # Airflow stores the index itself as the label of a task instance without a name.
        label=label if map_index >= 0 and label and not label.isdigit() else None,
        xcoms={key: StoredXCom(value=stored_value(value), timestamp=at) for key, value, at in xcoms if at is not None},
        fields=fields if isinstance(fields, Mapping) else {},
    )


def bypass_index(session: Session, column: Any) -> Any:
    """A column whose index SQLite must not use.

    With that index, SQLite collects and sorts all runs of the DAGs. Without it, SQLite reads them in order.
    """
    if session.get_bind().dialect.name != "sqlite":
        return column
    return type_coerce(UnaryExpression(column, operator=custom_op("+")), String)
