"""What the metadata database knows of task instances, looked up by primary keys alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.models.renderedtifields import RenderedTaskInstanceFields as Rendered
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import select

from airflow_provider_videoretalk.ui.place import Place

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

RESULT, TASK_ID, EXPECTED_START = "return_value", "dashscope_task_id", "dashscope_expected_start"
"""Keys of XComs: what a task returned, the DashScope task that it submitted, when it expects one held back to begin."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """An XCom's stored value, and when it was told."""

    value: Any
    at: datetime


Slot = tuple[int, str, int, str]
"""A DAG run's number in the database, task id, map index and key: an XCom's primary key."""


def task_instance(session: Session, place: Place) -> TaskInstance | None:
    """The task instance with its run; ``None`` where there is none."""
    return session.scalar(
        select(TaskInstance).where(
            TaskInstance.dag_id == place.dag_id,
            TaskInstance.task_id == place.task_id,
            TaskInstance.run_id == place.run_id,
            TaskInstance.map_index == place.map_index,
        )
    )


def told(
    session: Session,
    *,
    runs: Collection[int],
    tasks: Collection[str],
    map_indexes: Collection[int],
    keys: Collection[str],
) -> dict[Slot, Told]:
    """What tasks told by XCom, as far as they did."""
    row = XComModel
    rows = session.execute(
        select(row.dag_run_id, row.task_id, row.map_index, row.key, row.value, row.timestamp).where(
            row.dag_run_id.in_(runs), row.task_id.in_(tasks), row.map_index.in_(map_indexes), row.key.in_(keys)
        )
    )
    return {(run, task, index, key): Told(value=value, at=at) for run, task, index, key, value, at in rows}


def rendered(
    session: Session,
    *,
    dag_id: str,
    runs: Collection[str],
    tasks: Collection[str],
    map_indexes: Collection[int],
) -> dict[tuple[str, str, int], Mapping[str, Any]]:
    """The rendered fields of task instances by run id, task id and map index; Airflow keeps those of the last runs."""
    rows = session.execute(
        select(Rendered.run_id, Rendered.task_id, Rendered.map_index, Rendered.rendered_fields).where(
            Rendered.dag_id == dag_id,
            Rendered.task_id.in_(tasks),
            Rendered.run_id.in_(runs),
            Rendered.map_index.in_(map_indexes),
        )
    )
    return {(run, task, index): fields for run, task, index, fields in rows if isinstance(fields, Mapping)}
