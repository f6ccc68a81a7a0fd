"""The tables of XComs and rendered fields. Their differences between Airflow versions are handled in this file only.

Every expression is a correlated scalar subquery on a unique index. A database can evaluate it in one way only: one
index lookup for each task instance. No query planner can turn it into a scan of all XComs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from airflow.models import renderedtifields, taskinstance, xcom
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import Text, and_, case, cast, func, null, select

from airflow_provider_videoretalk.ui.stored_values import MAX_STORED_LENGTH

_TASK_INSTANCE_COLUMNS = ("dag_id", "task_id", "run_id", "map_index")

# Airflow 3.1 to 3.3 key both tables by the ids of a task instance. Airflow 3.4 keys them by the id of one of its
# tries. It keeps the old tables for rows from before the upgrade.
_KEYED_BY_TRY = hasattr(xcom, "XComModelV2")


def xcom_column(key: str, column: Literal["value", "timestamp"], *, longest: int = MAX_STORED_LENGTH) -> Any:
    """A column of the task instance's XCom with this key; SQL's NULL without such an XCom.

    A value is read as its JSON text, since parsing a damaged one would fail the whole query.

    The enclosing statement selects from ``DagRun`` and ``TaskInstance``.

    :param longest: most characters of a value. A longer one is SQL's NULL
    """
    if not _KEYED_BY_TRY:
        return _legacy_xcom(xcom.XComModel, key, column, longest=longest)
    # Airflow 3.4.
    new, legacy = _models(xcom, "XComModelV2", "XComModelV1")
    found = _readable(new, column, longest)
    value = _scalar_subquery(found, new.task_instance_id == TaskInstance.id, new.key == key)
    legacy_value = _legacy_xcom(legacy, key, column, _belongs_to_selected_try(), longest=longest)
    return func.coalesce(value, legacy_value, type_=value.type)


def rendered_fields() -> Any:
    """The rendered fields of a task instance, as JSON text; SQL's NULL if Airflow has none, or has deleted them."""
    if not _KEYED_BY_TRY:
        return _legacy_fields(renderedtifields.RenderedTaskInstanceFields)
    # Airflow 3.4.
    new, legacy = _models(renderedtifields, "RenderedTaskInstanceFields", "LegacyRenderedTaskInstanceFields")
    fields = _scalar_subquery(_readable(new, "rendered_fields"), new.task_instance_id == TaskInstance.id)
    return func.coalesce(fields, _legacy_fields(legacy, _belongs_to_selected_try()), type_=Text())


def _legacy_xcom(model: Any, key: str, column: str, *conditions: Any, longest: int) -> Any:
    of_task = (model.task_id == TaskInstance.task_id, model.map_index == TaskInstance.map_index)
    of_run = model.dag_run_id == DagRun.id
    return _scalar_subquery(_readable(model, column, longest), of_run, *of_task, model.key == key, *conditions)


def _legacy_fields(model: Any, *conditions: Any) -> Any:
    return _scalar_subquery(_readable(model, "rendered_fields"), *_same_task_instance(model), *conditions)


def _readable(model: Any, column: str, longest: int = MAX_STORED_LENGTH) -> Any:
    """A column; of JSON its text, or SQL's NULL for one that is too long."""
    found = getattr(model, column)
    if column == "timestamp":
        return found
    text = cast(found, Text)
    return case((func.length(text) <= longest, text), else_=null())


def _belongs_to_selected_try() -> Any:
    """Whether the selected try wrote the row of a legacy table. An earlier try may have written it."""
    (owner,) = _models(taskinstance, "LegacyTaskDataOwner")
    statement = select(owner.task_id).where(owner.task_instance_id == TaskInstance.id, *_same_task_instance(owner))
    return statement.correlate(TaskInstance).exists()


def _same_task_instance(model: Any) -> list[Any]:
    return [getattr(model, name) == getattr(TaskInstance, name) for name in _TASK_INSTANCE_COLUMNS]


def _scalar_subquery(column: Any, *conditions: Any) -> Any:
    return select(column).where(and_(*conditions)).correlate(DagRun, TaskInstance).scalar_subquery()


def _models(module: Any, *names: str) -> Sequence[Any]:
    """Models by name, since type checkers see one version of Airflow only."""
    return [getattr(module, name) for name in names]
