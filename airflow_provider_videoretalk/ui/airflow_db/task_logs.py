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

from airflow_provider_videoretalk.outbound.signed_url import safe_text
from airflow_provider_videoretalk.ui.airflow_db.task_queries import conditions_for
from airflow_provider_videoretalk.ui.shared_answers import Unanswered
from airflow_provider_videoretalk.ui.task_instance_ref import TaskInstanceRef

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# A task of this package logs a few dozen lines.
_MAX_LINES = 2_000

# The most that reading may take. A handler that blocks longer for one line is not interrupted.
_SECONDS = 30.0


# Airflow begins a log with where it looked for it, or why it could not read it there.
_HEADER, _HEADER_END = "::group::Log message source details", "::endgroup::"
_MAX_CAUSE = 500


class UnreadableLogError(Exception):
    """Airflow could not read a log, for the reason that is the message."""


@dataclass(frozen=True, kw_only=True)
class TaskLog:
    """
    :param task_instance: Airflow's, detached from its session; ``None`` if there is none
    """

    ref: TaskInstanceRef
    task_instance: TaskInstance | None

    def read_last_lines(self) -> list[Mapping[str, Any]]:
        """The last lines of the last try, as mappings; empty without a log. Blocks, and needs no session.

        :raises UnreadableLogError: Airflow says why it cannot read the log, and has no line of it
        :raises Exception: the log cannot be read. Each log handler raises its own errors
        """
        # Late: it loads Airflow's log handlers.
        from airflow.utils.log.log_reader import TaskLogReader

        if self.task_instance is None:
            return []
        try_number = self.task_instance.try_number
        lines, _ = TaskLogReader().read_log_chunks(self.task_instance, try_number, {"end_of_log": False})
        last = deque((line for line in _in_time(lines) if hasattr(line, "model_dump")), maxlen=_MAX_LINES)
        return without_header([line.model_dump() for line in last], host=self.task_instance.hostname)


def without_header(lines: list[Mapping[str, Any]], *, host: str | None) -> list[Mapping[str, Any]]:
    """The lines of a log without those by which Airflow says where it is.

    :param host: on which the task ran
    :raises UnreadableLogError: there is no other line, though the task ran
    """
    events = [str(line.get("event")) for line in lines]
    if not events or events[0] != _HEADER or _HEADER_END not in events:
        return lines
    end = events.index(_HEADER_END)
    if len(lines) > end + 1 or not host:
        return lines[end + 1 :]
    # Airflow 3.1 has the places in the first line, later ones a line for each.
    places = lines[0].get("sources")
    said = [str(place) for place in places] if isinstance(places, list) else events[1:end]
    cause = " ".join(" ".join(said).split())[:_MAX_CAUSE] or "Airflow found no line of it."
    raise UnreadableLogError(f"The task ran on {host}. {cause}")


def unread_cause(unread: Unanswered) -> str:
    """Why a log was not read, as sentences."""
    if isinstance(unread.error, UnreadableLogError):
        return safe_text(str(unread.error))
    if unread.error is not None:
        return f"Airflow's log handler failed ({type(unread.error).__name__})."
    if unread.cause == "slow":
        return "it did not arrive in time. The worker that has it may hang, or its store may be slow."
    return "other logs are being read."


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
