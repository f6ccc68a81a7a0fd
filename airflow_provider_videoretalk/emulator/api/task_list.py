"""The list of render jobs (``GET /tasks``): the documented filters, time window and pages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, get_args

from airflow_provider_videoretalk.emulator.api.response_models import TaskPage, TaskRow
from airflow_provider_videoretalk.emulator.service.clock import SERVICE_ZONE
from airflow_provider_videoretalk.emulator.service.errors import invalid_parameter
from airflow_provider_videoretalk.emulator.service.render_job import RenderJob, TaskStatus
from airflow_provider_videoretalk.emulator.settings import HOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_videoretalk.emulator.service.account import Account
    from airflow_provider_videoretalk.emulator.service.state import EmulatorState

WINDOW_SECONDS = 24 * HOUR
# The service's maximum is not known.
MAX_PAGE_SIZE = 100
LISTED_STATUSES: frozenset[str] = frozenset({"PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"})
REGION = "cn-beijing"


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """The filters of one list request. Times are seconds since the epoch, and both bounds are inclusive."""

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
    def parse(cls, query: Mapping[str, str], *, now: float) -> ListQuery:
        """Parse a query string; 400 ``InvalidParameter`` for values outside the documented rules.

        The time window:

        - is at most 24 h
        - is the last 24 h without bounds
        - ends or begins 24 h from the given bound, if there is only one
        """
        start, end = _parse_time(query, "start_time"), _parse_time(query, "end_time")
        if end is None:
            end = now if start is None else start + WINDOW_SECONDS
        if start is None:
            start = end - WINDOW_SECONDS
        if end < start:
            raise invalid_parameter("end_time must not be before start_time")
        if end - start > WINDOW_SECONDS:
            raise invalid_parameter("the time range must not exceed 24 hours")
        status = query.get("status")
        if status is not None and status not in LISTED_STATUSES:
            raise invalid_parameter(f"status must be one of {', '.join(sorted(LISTED_STATUSES))}")
        return cls(
            start=start,
            # A filter has whole seconds, a render job milliseconds: the window includes the whole last second.
            end=end + 0.999,
            task_id=query.get("task_id") or None,
            model_name=query.get("model_name") or None,
            status=status,
            api_key_id=query.get("api_key_id") or None,
            region=query.get("region") or None,
            page_no=_parse_count(query, "page_no", default=1),
            page_size=_parse_count(query, "page_size", default=10, maximum=MAX_PAGE_SIZE),
        )

    def matches(self, job: RenderJob) -> bool:
        if self.task_id is not None:
            # The documentation says that this returns the one render job, so the time window is ignored.
            if job.task_id != self.task_id:
                return False
        elif not self.start <= job.submitted <= self.end:
            return False
        return (
            self.model_name in (None, job.model)
            and self.status in (None, listed_status(job.status))
            and self.api_key_id in (None, job.api_key_id)
            and self.region in (None, REGION)
        )


def list_tasks(state: EmulatorState, *, account: Account, query: ListQuery, request_id: str) -> TaskPage:
    """One page of an account's render jobs, newest first. The service's order is not known."""
    state.end_overdue_jobs()
    newest = state.clock() - state.settings.list_delay_seconds
    found = [
        job
        for job in state.jobs_of(account)
        if job.submitted <= newest and state.is_record_kept(job) and query.matches(job)
    ]
    first = (query.page_no - 1) * query.page_size
    return TaskPage(
        request_id=request_id,
        total=len(found),
        total_page=math.ceil(len(found) / query.page_size),
        page_no=query.page_no,
        page_size=query.page_size,
        data=[_row(job) for job in found[first : first + query.page_size]],
    )


def listed_status(status: TaskStatus) -> str:
    """A status as a list shows it. Whether lists show PRE- and POST-PROCESSING is not known; here both are RUNNING."""
    assert status in get_args(TaskStatus)
    return status if status in LISTED_STATUSES else "RUNNING"


def _row(job: RenderJob) -> TaskRow:
    return TaskRow(
        api_key_id=job.api_key_id,
        caller_parent_id=job.account.uid,
        caller_uid=job.account.uid,
        gmt_create=_milliseconds(job.submitted),
        start_time=None if job.scheduled is None else _milliseconds(job.scheduled),
        end_time=None if job.ended is None else _milliseconds(job.ended),
        model_name=job.model,
        region=REGION,
        request_id=job.request_id,
        status=listed_status(job.status),
        task_id=job.task_id,
        user_api_unique_key=f"apikey:v1:{job.inputs.path.removeprefix('services/').replace('/', ':')}:{job.model}",
    )


def _milliseconds(epoch: float) -> int:
    # Truncated, like service_time().
    return int(epoch * 1000)


def _parse_time(query: Mapping[str, str], name: str) -> float | None:
    """A ``YYYYMMDDhhmmss`` filter, read as UTC+8: the documentation does not name the time zone."""
    text = query.get(name)
    if text is None:
        return None
    try:
        if len(text) != 14 or not (text.isascii() and text.isdigit()):
            raise ValueError(text)
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=SERVICE_ZONE).timestamp()
    except (ValueError, OverflowError):
        raise invalid_parameter(f"{name} must have the form YYYYMMDDhhmmss") from None


def _parse_count(query: Mapping[str, str], name: str, *, default: int, maximum: int | None = None) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 100) or int(text) < 1:
        raise invalid_parameter(f"{name} must be a positive integer")
    if maximum is not None and int(text) > maximum:
        raise invalid_parameter(f"{name} must not exceed {maximum}")
    return int(text)
