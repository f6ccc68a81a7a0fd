"""Batch list of tasks: the documented filters, window and pages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, get_args

from airflow_provider_videoretalk.emulator.api.wire import TaskPage, TaskRow
from airflow_provider_videoretalk.emulator.service.errors import invalid_parameter
from airflow_provider_videoretalk.emulator.service.task import MODEL, SERVICE_ZONE, Task, TaskStatus
from airflow_provider_videoretalk.emulator.settings import HOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_videoretalk.emulator.service.account import Account
    from airflow_provider_videoretalk.emulator.service.state import EmulatorState

WINDOW_SECONDS = 24 * HOUR
# The service's maximum is not known.
MAX_PAGE_SIZE = 100
LISTED: frozenset[str] = frozenset({"PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"})
REGION = "cn-beijing"


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """The filters of one list request; times in seconds since the epoch, both bounds inclusive."""

    start: float
    end: float
    task_id: str | None = None
    model_name: str | None = None
    status: str | None = None
    api_key_id: str | None = None
    region: str | None = None
    page_no: int = 1
    page_size: int = 10

    @classmethod
    def read(cls, query: Mapping[str, str], *, now: float) -> ListQuery:
        """Read a query string; 400 ``InvalidParameter`` for values outside the documented rules.

        Window: at most 24 h; without bounds the last 24 h; with one bound the other is 24 h away.
        """
        start, end = _moment(query, "start_time"), _moment(query, "end_time")
        if end is None:
            end = now if start is None else start + WINDOW_SECONDS
        if start is None:
            start = end - WINDOW_SECONDS
        if end < start:
            raise invalid_parameter("end_time must not be before start_time")
        if end - start > WINDOW_SECONDS:
            raise invalid_parameter("the time range must not exceed 24 hours")
        status = query.get("status")
        if status is not None and status not in LISTED:
            raise invalid_parameter(f"status must be one of {', '.join(sorted(LISTED))}")
        return cls(
            start=start,
            # A filter has whole seconds, a task milliseconds: the named second is part of the window.
            end=end + 0.999,
            task_id=query.get("task_id") or None,
            model_name=query.get("model_name") or None,
            status=status,
            api_key_id=query.get("api_key_id") or None,
            region=query.get("region") or None,
            page_no=_count(query, "page_no", default=1),
            page_size=_count(query, "page_size", default=10, maximum=MAX_PAGE_SIZE),
        )

    def matches(self, task: Task) -> bool:
        if self.task_id is not None:
            # Documented as returning just that task, so the window does not count.
            if task.task_id != self.task_id:
                return False
        elif not self.start <= task.submitted <= self.end:
            return False
        return (
            self.model_name in (None, MODEL)
            and self.status in (None, listed_status(task.status))
            and self.api_key_id in (None, task.api_key_id)
            and self.region in (None, REGION)
        )


def list_tasks(state: EmulatorState, *, account: Account, query: ListQuery, request_id: str) -> TaskPage:
    """One page of an account's tasks, newest first (the service's order is not known)."""
    state.sweep()
    newest = state.clock() - state.settings.list_delay_seconds
    found = [
        task
        for task in state.tasks_of(account)
        if task.submitted <= newest and state.lives(task) and query.matches(task)
    ]
    first = (query.page_no - 1) * query.page_size
    return TaskPage(
        request_id=request_id,
        total=len(found),
        total_page=math.ceil(len(found) / query.page_size),
        page_no=query.page_no,
        page_size=query.page_size,
        data=[_row(task) for task in found[first : first + query.page_size]],
    )


def listed_status(status: TaskStatus) -> str:
    """A status as list shows it. Whether it shows PRE- and POST-PROCESSING is not known; here both are RUNNING."""
    assert status in get_args(TaskStatus)
    return status if status in LISTED else "RUNNING"


def _row(task: Task) -> TaskRow:
    return TaskRow(
        api_key_id=task.api_key_id,
        caller_parent_id=task.account.uid,
        caller_uid=task.account.uid,
        gmt_create=_milliseconds(task.submitted),
        start_time=None if task.scheduled is None else _milliseconds(task.scheduled),
        end_time=None if task.ended is None else _milliseconds(task.ended),
        model_name=MODEL,
        region=REGION,
        request_id=task.request_id,
        status=listed_status(task.status),
        task_id=task.task_id,
        user_api_unique_key=f"apikey:v1:aigc:image2video:video-synthesis:{MODEL}",
    )


def _milliseconds(epoch: float) -> int:
    # Cut, as the written form of the same time is.
    return int(epoch * 1000)


def _moment(query: Mapping[str, str], name: str) -> float | None:
    """A ``YYYYMMDDhhmmss`` filter, read as UTC+8: the service does not say which zone it means."""
    text = query.get(name)
    if text is None:
        return None
    try:
        if len(text) != 14 or not (text.isascii() and text.isdigit()):
            raise ValueError(text)
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=SERVICE_ZONE).timestamp()
    except (ValueError, OverflowError):
        raise invalid_parameter(f"{name} must have the form YYYYMMDDhhmmss") from None


def _count(query: Mapping[str, str], name: str, *, default: int, maximum: int | None = None) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 100) or int(text) < 1:
        raise invalid_parameter(f"{name} must be a positive integer")
    if maximum is not None and int(text) > maximum:
        raise invalid_parameter(f"{name} must not exceed {maximum}")
    return int(text)
