"""The failed tasks, grouped by the code of their error, those that failed last first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

from cachetools import LRUCache

from airflow_provider_videoretalk.links import WatchLink
from airflow_provider_videoretalk.ui.airflow_db.task_logs import TaskLog, UnreadableLogError, find_task_logs
from airflow_provider_videoretalk.ui.airflow_db.task_queries import failed_task_rows
from airflow_provider_videoretalk.ui.airflow_db.task_row import ERROR_KEY, JOB_ID_KEY, TaskRow
from airflow_provider_videoretalk.ui.board import Filters, matching_dags
from airflow_provider_videoretalk.ui.clip_name import joined
from airflow_provider_videoretalk.ui.failure_reason import FailureReason, find_failure_reason, noted_failure_reason
from airflow_provider_videoretalk.ui.shared_answers import SharedAnswers, Unanswered
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PAGE_SIZE = 100
"""Failed tasks of one page, of which each has a log to read."""

NO_ERROR, NOT_READ, NOT_ALLOWED = "No error in the log", "Log not read yet", "No permission to read the log"
UNREADABLE = "Log cannot be read"
"""The groups of failures whose error is not known."""

# A log of a task that has ended does not change, so its error is kept. The end of a task tells its tries apart.
_Key = tuple[TaskInstanceRef, datetime | None]
_REASONS: LRUCache[_Key, FailureReason | None] = LRUCache(maxsize=20_000)
_LOCK = Lock()

# Logs that Airflow could not read. They are tried again, since a worker may come back.
_UNREADABLE: LRUCache[_Key, None] = LRUCache(maxsize=20_000)

# A log that is not read in this time is read for the next reader.
_READING: SharedAnswers[None] = SharedAnswers(seconds=2.0, threads=4, threads_each=1)


@dataclass(frozen=True, kw_only=True)
class FailedTask:
    """A failed task, with or without a submitted render job."""

    ref: TaskInstanceRef
    label: str | None
    ended_at: datetime | None

    @property
    def name(self) -> str:
        index = f"[{self.ref.map_index}]" if self.ref.map_index >= 0 else None
        return joined((self.ref.dag_id, self.label or index, self.ref.task_id))


@dataclass(frozen=True, kw_only=True)
class RecentFailures:
    """One page of failed tasks, those that failed last first.

    :param total: how many there are on all pages
    :param page: from 0
    :param noted: the errors that the tasks noted themselves. Of the others, the logs are read
    :param logs: those that are to be read
    :param unreadable: those whose log the caller may not read
    """

    tasks: Sequence[FailedTask]
    total: int
    page: int
    noted: Mapping[TaskInstanceRef, FailureReason]
    logs: Sequence[TaskLog]
    unreadable: frozenset[TaskInstanceRef]

    @property
    def first(self) -> int:
        """The number of the first one, from 1."""
        return self.page * PAGE_SIZE + 1

    @property
    def has_older(self) -> bool:
        return self.first + len(self.tasks) <= self.total


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Failures with the same code, or without one of the same type.

    :param title: the service's code, else the exception's class name, else why there is none
    :param remedy: what a person can do, if it is the same for all of them
    """

    title: str
    remedy: str
    tasks: Sequence[FailedTask]


def load_recent_failures(
    session: Session,
    *,
    dag_ids: Collection[str],
    filters: Filters,
    page: int = 0,
    can_read_logs: Callable[[str], bool] = lambda dag_id: True,
) -> RecentFailures:
    """A page of the failed tasks of this package, found by the XComs that they have.

    :param dag_ids: the DAGs that the caller may read
    :param can_read_logs: whether the caller may read the task logs of a DAG
    """
    selected = matching_dags(session, dag_ids, filters)
    keys = (WatchLink().xcom_key, JOB_ID_KEY)
    rows, total = failed_task_rows(
        session, keys=keys, dag_ids=selected, day=filters.day, offset=page * PAGE_SIZE, limit=PAGE_SIZE
    )
    readable = {dag_id for dag_id in {row.ref.dag_id for row in rows} if can_read_logs(dag_id)}
    may_be_read = [row for row in rows if row.ref.dag_id in readable]
    noted = {row.ref: reason for row in may_be_read if (reason := _noted(row)) is not None}
    with _LOCK:
        unread = [row.ref for row in may_be_read if row.ref not in noted and (row.ref, row.ended_at) not in _REASONS]
    return RecentFailures(
        tasks=[_failed_task(row) for row in rows],
        total=total,
        page=page,
        noted=noted,
        logs=find_task_logs(session, unread) if unread else [],
        unreadable=frozenset(row.ref for row in rows if row.ref.dag_id not in readable),
    )


def _noted(row: TaskRow) -> FailureReason | None:
    note = row.xcoms.get(ERROR_KEY)
    return noted_failure_reason(note.value) if note is not None else None


async def group_failures(found: RecentFailures) -> list[FailureGroup]:
    """The failures of a page in groups. Needs some seconds at most, and no database."""
    ended = {task.ref: task.ended_at for task in found.tasks}
    await asyncio.gather(*(_read(log, ended[log.ref]) for log in found.logs if log.ref in ended))
    groups: dict[str, list[tuple[FailedTask, str]]] = {}
    for task in found.tasks:
        title, remedy = _title(task, found)
        groups.setdefault(title, []).append((task, remedy))
    return [
        FailureGroup(
            title=title,
            remedy=members[0][1] if len({remedy for _, remedy in members}) == 1 else "",
            tasks=[task for task, _ in members],
        )
        for title, members in groups.items()
    ]


async def _read(log: TaskLog, ended_at: datetime | None) -> None:
    def read() -> None:
        reason = find_failure_reason(log.read_last_lines())
        with _LOCK:
            _REASONS[log.ref, ended_at] = reason

    # Without an answer, the group says so.
    answer: Unanswered | None = await _READING.get((log.ref, ended_at), read, source=log.ref.path)
    if answer is not None and isinstance(answer.error, UnreadableLogError):
        with _LOCK:
            _UNREADABLE[log.ref, ended_at] = None


def _title(task: FailedTask, found: RecentFailures) -> tuple[str, str]:
    if task.ref in found.unreadable:
        return NOT_ALLOWED, ""
    key = (task.ref, task.ended_at)
    with _LOCK:
        if task.ref not in found.noted and key not in _REASONS:
            return (UNREADABLE if key in _UNREADABLE else NOT_READ), ""
        reason = found.noted[task.ref] if task.ref in found.noted else _REASONS[key]
    return (reason.code or reason.kind or NO_ERROR, reason.remedy) if reason is not None else (NO_ERROR, "")


def _failed_task(row: TaskRow) -> FailedTask:
    return FailedTask(ref=row.ref, label=row.label, ended_at=row.ended_at)
