"""The list of an account's render jobs, which the service's API calls tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_videoretalk.dashscope.reply_values import count, epoch_time, line, plain_id, required_id
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import BEIJING_TIME, TaskStatus, status_of

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A row of the list. It has neither result nor failure reason."""

    task_id: str
    status: TaskStatus
    model: str
    request_id: str | None
    created_at: datetime | None
    finished_at: datetime | None
    api_key_id: str | None
    started_at: datetime | None = None

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> TaskRow:
        return cls(
            task_id=required_id(row.get("task_id")),
            status=status_of(row.get("status")),
            model=line(row.get("model_name"), max_length=100) or "",
            request_id=plain_id(row.get("request_id")),
            created_at=epoch_time(row.get("gmt_create"), unit=_MILLISECOND),
            finished_at=epoch_time(row.get("end_time"), unit=_MILLISECOND),
            api_key_id=plain_id(row.get("api_key_id")),
            started_at=epoch_time(row.get("start_time"), unit=_MILLISECOND),
        )

    @property
    def render_seconds(self) -> float | None:
        """From the begin to the end of its render; ``None`` if the row lacks one of them."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, kw_only=True)
class TaskPage:
    """One page of the list, with the totals.

    :param unreadable: number of rows that have no usable id
    """

    rows: tuple[TaskRow, ...]
    total: int
    total_pages: int
    unreadable: int

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> TaskPage:
        data = payload["data"]
        if not isinstance(data, list):
            raise ValueError("data is no list")
        readable = [row for row in data if isinstance(row, Mapping) and plain_id(row.get("task_id"))]
        return cls(
            rows=tuple(map(TaskRow.parse, readable)),
            total=count(payload.get("total")) or len(data),
            total_pages=count(payload.get("total_page")) or 1,
            unreadable=len(data) - len(readable),
        )


def list_tasks(
    *,
    model: str | None = None,
    status: TaskStatus | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    page: int = 1,
    page_size: int = 10,
) -> Request[TaskPage]:
    """Lists the jobs of the account.

    :param since: start of a window of at most 24 hours; by default the last 24 hours
    """
    query = {"page_no": str(page), "page_size": str(page_size)}
    query |= {"model_name": model} if model else {}
    query |= {"status": status} if status else {}
    query |= {"start_time": _stamp(since)} if since else {}
    query |= {"end_time": _stamp(until)} if until else {}
    return Request(method="GET", path="tasks", query=query, parse=TaskPage.parse, route="list")


def _stamp(moment: datetime) -> str:
    return moment.astimezone(BEIJING_TIME).strftime("%Y%m%d%H%M%S")
