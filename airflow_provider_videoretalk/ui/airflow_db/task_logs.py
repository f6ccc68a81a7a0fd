"""The log of a task instance, read through Airflow's log handlers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from sqlalchemy import select, tuple_
from sqlalchemy.orm import joinedload

from airflow_provider_videoretalk.ui.airflow_db.task_queries import conditions_for
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# A task of this package logs a few dozen lines.
_MAX_LINES = 2_000

# The most that reading may take. A handler that blocks longer for one line is not interrupted.
_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class TaskLog:
    """
    :param task_instance: Airflow's, detached from its session; ``None`` if there is none
    """

    ref: TaskInstanceRef
    task_instance: TaskInstance | None

    def read_last_lines(self) -> list[Mapping[str, Any]]:
        """The last lines of the last try, as mappings; empty without a log. Blocks, and needs no session.

        :raises Exception: the log cannot be read. Each log handler raises its own errors
        """
        # Late: it loads Airflow's log handlers.
        from airflow.utils.log.log_reader import TaskLogReader

        if self.task_instance is None:
            return []
        try_number = self.task_instance.try_number
        lines, _ = TaskLogReader().read_log_chunks(self.task_instance, try_number, {"end_of_log": False})
        last = deque((line for line in _in_time(lines) if hasattr(line, "model_dump")), maxlen=_MAX_LINES)
        return [line.model_dump() for line in last]


def find_task_logs(session: Session, refs: Collection[TaskInstanceRef]) -> list[TaskLog]:
    """The logs of the last tries of some task instances, in any order, by one query."""
    columns = (TaskInstance.dag_id, TaskInstance.task_id, TaskInstance.run_id, TaskInstance.map_index)
    wanted = {(ref.dag_id, ref.task_id, ref.run_id, ref.map_index): ref for ref in refs}
    found = session.scalars(select(TaskInstance).where(tuple_(*columns).in_(list(wanted))).options(*_needed()))
    logs = []
    for task in found.unique().all():
        session.expunge(task)
        logs.append(TaskLog(ref=wanted[task.dag_id, task.task_id, task.run_id, task.map_index], task_instance=task))
    return logs


def find_task_log(session: Session, ref: TaskInstanceRef) -> TaskLog:
    """The log of a task instance's last try."""
    task_instance = session.scalar(select(TaskInstance).where(*conditions_for(ref)).options(*_needed()))
    if task_instance is not None:
        session.expunge(task_instance)
    return TaskLog(ref=ref, task_instance=task_instance)


def _needed() -> Sequence[Any]:
    """What log handlers look up. Without a session, nothing else can be loaded."""
    return (
        joinedload(TaskInstance.dag_run),
        joinedload(TaskInstance.dag_model),
        joinedload(TaskInstance.trigger).joinedload(Trigger.triggerer_job),
    )


def _in_time(lines: Any) -> Iterator[Any]:
    deadline = time.monotonic() + _SECONDS
    for line in lines:
        if time.monotonic() > deadline:
            raise TimeoutError
        yield line
