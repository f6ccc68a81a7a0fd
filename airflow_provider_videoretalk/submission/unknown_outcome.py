"""The errors of a submit whose outcome is unknown, which name the render jobs in question and what to do about each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, OutcomeUnknownError
from airflow_provider_videoretalk.dashscope.task_list import TaskRow

if TYPE_CHECKING:
    from airflow_provider_videoretalk.submission.record import Record

_NAMED_JOBS = 50


class DoubtError(Exception):
    """Nothing can be decided now.

    :param rows: the jobs that the submit may have created
    :param may_pass: whether it may be decided later
    """

    def __init__(self, reason: str, rows: Iterable[TaskRow] = (), *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.rows, self.may_pass = reason, tuple(rows), may_pass


def outcome_unknown(
    reason: str, rows: Sequence[TaskRow] = (), *, cause: DashScopeError | None = None
) -> OutcomeUnknownError:
    """The error for a submit whose outcome a person must find out.

    :param rows: the jobs that the submit may have created
    :param cause: the error in place of a usable reply
    """
    named = [_described(row) for row in rows[:_NAMED_JOBS]]
    more = f" and {len(rows) - _NAMED_JOBS} more" if len(rows) > _NAMED_JOBS else ""
    candidates = f": {', '.join(named)}{more}" if named else ""
    if named:
        remedy = (
            "Find out what each of these render jobs is. If one is this task's, wait for its id with a "
            "DashScopeTaskSensor. Cancel one that nobody needs and that is PENDING, else it is billed. Clear the task "
            "only if none is this task's: a clear submits again, and is billed again."
        )
    else:
        remedy = (
            "Look into the service's list. If no job was created, clear the task to submit again. If a job exists, "
            "wait for its id with a DashScopeTaskSensor, or cancel it while it is PENDING."
        )
    return OutcomeUnknownError(
        f"{reason}{candidates}",
        remedy=remedy,
        code=cause.code if cause else "",
        request_id=cause.request_id if cause else None,
        status=cause.status if cause else None,
    )


def submit_of(record: Record) -> str:
    """A submit as a person finds it in logs and in the service's console: its time and its connection."""
    sent = datetime.fromtimestamp(record.intended_at, tz=timezone.utc)
    return f"the submit of {sent:%Y-%m-%d %H:%M:%S} UTC on connection {record.intent.connection_id!r}"


def _described(row: TaskRow) -> str:
    created = f"{row.created_at:%Y-%m-%d %H:%M:%S} UTC" if row.created_at else "at an unknown time"
    return f"{row.task_id} ({row.status}, created {created})"
