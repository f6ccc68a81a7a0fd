"""What the metadata database knows of task instances, looked up by primary keys alone."""

from __future__ import annotations

from collections import defaultdict
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


Slot = tuple[str, int]
"""A task id and map index, within a run."""


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


def trigger_arguments(ti: TaskInstance | None) -> Mapping[str, Any]:
    """What the trigger was given by which a task instance waits; nothing if it does not."""
    try:
        return ti.trigger.kwargs if ti is not None and ti.trigger is not None else {}
    except Exception:
        # They are encrypted, perhaps by a key that this process lacks: the page then tells without them.
        return {}


def states(
    session: Session, *, dag_id: str, runs: Collection[str], tasks: Collection[str], map_indexes: Collection[int]
) -> dict[str, dict[Slot, str | None]]:
    """The states of task instances, by run id. Who looks from a task that is not mapped sees all of a mapped one."""
    ti = TaskInstance
    statement = select(ti.run_id, ti.task_id, ti.map_index, ti.state).where(
        ti.dag_id == dag_id, ti.task_id.in_(tasks), ti.run_id.in_(runs)
    )
    if set(map_indexes) != {-1}:
        statement = statement.where(ti.map_index.in_(map_indexes))
    found: dict[str, dict[Slot, str | None]] = defaultdict(dict)
    for run, task, index, state in session.execute(statement.order_by(ti.map_index)):
        found[run][task, index] = state
    return found


def told(
    session: Session,
    *,
    runs: Collection[int],
    tasks: Collection[str],
    map_indexes: Collection[int],
    keys: Collection[str],
) -> dict[int, dict[tuple[str, int, str], Told]]:
    """What tasks told by XCom as far as they did, by the run's number in the database; then by task, index and key."""
    row = XComModel
    rows = session.execute(
        select(row.dag_run_id, row.task_id, row.map_index, row.key, row.value, row.timestamp).where(
            row.dag_run_id.in_(runs), row.task_id.in_(tasks), row.map_index.in_(map_indexes), row.key.in_(keys)
        )
    )
    found: dict[int, dict[tuple[str, int, str], Told]] = defaultdict(dict)
    for run, task, index, key, value, at in rows:
        found[run][task, index, key] = Told(value=value, at=at)
    return found


def rendered(
    session: Session, *, dag_id: str, runs: Collection[str], tasks: Collection[str], map_indexes: Collection[int]
) -> dict[str, dict[Slot, Mapping[str, Any]]]:
    """The rendered fields of task instances, by run id; Airflow keeps those of the last runs."""
    rows = session.execute(
        select(Rendered.run_id, Rendered.task_id, Rendered.map_index, Rendered.rendered_fields).where(
            Rendered.dag_id == dag_id,
            Rendered.task_id.in_(tasks),
            Rendered.run_id.in_(runs),
            Rendered.map_index.in_(map_indexes),
        )
    )
    found: dict[str, dict[Slot, Mapping[str, Any]]] = defaultdict(dict)
    for run, task, index, fields in rows:
        if isinstance(fields, Mapping):
            found[run][task, index] = fields
    return found
