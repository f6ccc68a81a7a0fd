"""A task instance of Airflow's database as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef

RETURN_VALUE_KEY, JOB_ID_KEY, EXPECTED_START_KEY = "return_value", "dashscope_task_id", "dashscope_expected_start"
"""XCom keys: the return value, the id of the submitted render job, and the expected start of a held back one."""

DRY_RUN_KEY = "dashscope_dry_run"
"""The XCom key of a dry run's report."""

COST_KEY, ERROR_KEY = "videoretalk_cost", "videoretalk_error"
"""The XCom keys of what a row of a batch did cost, and of the error with which a task failed."""

PLAN_KEY = "videoretalk_plan"
"""The XCom key of the sums of a batch's plan."""

TaskKey = tuple[str, int]
"""Task id and map index. They identify a task instance within its DAG run."""


@dataclass(frozen=True, kw_only=True)
class StoredXCom:
    """An XCom's stored value, with checked types, and the time at which it was written."""

    value: Any
    timestamp: datetime


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A task instance with the XComs and rendered fields that a query read.

    :param run_number: the primary key of its DAG run. A newer run has a higher number
    :param label: the name that the DAG gives to this map index; ``None`` without a name
    :param xcoms: the XComs that the query selected, by key
    :param fields: the rendered fields, if the query selected them. Airflow keeps those of the last runs only
    """

    ref: TaskInstanceRef
    run_number: int
    state: str | None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    dag_version: UUID | None = None
    label: str | None = None
    xcoms: Mapping[str, StoredXCom] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> TaskKey:
        return self.ref.task_id, self.ref.map_index


def group_by_mapping(rows: Iterable[TaskRow]) -> dict[tuple[str, int], list[TaskRow]]:
    """The rows by run id and map index. Without it, each video of a large run would look at the rows of all others."""
    groups: dict[tuple[str, int], list[TaskRow]] = {}
    for row in rows:
        groups.setdefault((row.ref.run_id, row.ref.map_index), []).append(row)
    return groups
