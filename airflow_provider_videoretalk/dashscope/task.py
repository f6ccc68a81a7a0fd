"""Asynchronous tasks, as every DashScope model shares them: submit, query, list, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, TypedDict, cast, get_args
from urllib.parse import quote

from airflow_provider_videoretalk.dashscope.codes import is_known, meaning_of
from airflow_provider_videoretalk.dashscope.errors import TaskFailedError, TaskUnknownError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.url import expiry_of

TaskStatus = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"]
"""What the service's statuses come down to; one that is not listed (PRE-PROCESSING, POST-PROCESSING) is RUNNING."""

ENDED: frozenset[TaskStatus] = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"})

RESULT_LIFE = timedelta(hours=24)
"""How long the service keeps a result's URL alive."""

BEIJING_TIME = timezone(timedelta(hours=8))
"""The service writes its times in UTC+8, without saying so."""


class TaskResult(TypedDict):
    """A finished task as JSON-safe values: what an operator returns.

    Times are ISO 8601 in UTC; ``None`` stands for whatever the service did not say.
    """

    task_id: str
    request_id: str | None
    status: TaskStatus
    video_url: str | None
    expires_at: str | None
    billed_seconds: float | None
    usage: dict[str, Any]
    submitted_at: str | None
    started_at: str | None
    finished_at: str | None
    queue_seconds: float | None
    render_seconds: float | None


class SubmissionResult(TypedDict):
    """A task just submitted, as JSON-safe values.

    :param submitted_at: in ISO 8601 with an offset
    """

    task_id: str
    request_id: str | None
    status: TaskStatus
    submitted_at: str | None


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What the service answers to a submit.

    :param request_id: the id to give the vendor's support
    """

    task_id: str
    request_id: str | None = None
    status: TaskStatus = "PENDING"

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> Submission:
        output = payload["output"]
        if not output["task_id"]:
            raise ValueError("task_id is empty")
        return cls(
            task_id=str(output["task_id"]),
            request_id=payload.get("request_id"),
            status=status_of(output.get("task_status")),
        )


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task as the service tells it.

    :param stage: the service's own word for the status, e.g. ``PRE-PROCESSING``
    :param submitted_at: when the service took it; ``None`` where it does not say, like the other times
    :param payload: the whole reply, from which :meth:`parse` makes the same task again
    """

    task_id: str
    status: TaskStatus
    stage: str
    request_id: str | None
    submitted_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    output: Mapping[str, Any]
    usage: Mapping[str, Any]
    payload: Mapping[str, Any]

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> Task:
        output, usage = payload["output"], payload.get("usage")
        return cls(
            task_id=str(output["task_id"]),
            status=status_of(output["task_status"]),
            stage=str(output["task_status"]),
            request_id=payload.get("request_id"),
            submitted_at=_time(output.get("submit_time")),
            started_at=_time(output.get("scheduled_time")),
            finished_at=_time(output.get("end_time")),
            output=output,
            usage=usage if isinstance(usage, Mapping) else {},
            payload=payload,
        )

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def result_url(self) -> str | None:
        """Where the result lies: the models differ in where they say it."""
        results = self.output.get("results")
        places = [self.output.get("video_url"), self.output.get("output_video_url")]
        if isinstance(results, Mapping):
            places.append(results.get("video_url"))
        elif isinstance(results, list):
            places += [row.get("url") for row in results if isinstance(row, Mapping)]
        return next((str(place) for place in places if place), None)

    @property
    def expires_at(self) -> datetime | None:
        """When the result's URL dies: as its signature says, else 24 hours after the end."""
        if self.result_url is None:
            return None
        return expiry_of(self.result_url) or (self.finished_at + RESULT_LIFE if self.finished_at else None)

    @property
    def billed_seconds(self) -> float | None:
        try:
            return float(self.usage.get("video_duration", self.usage.get("duration")))
        except (TypeError, ValueError):
            return None

    def raise_for_status(self) -> None:
        """Returns for a task that succeeded, or still runs.

        :raises TaskFailedError: the task ended FAILED or CANCELED; with the service's code and message, if it gave any
        :raises TaskUnknownError: the service knows no such task
        """
        if self.status == "UNKNOWN":
            raise TaskUnknownError(
                f"task {self.task_id} is not known to the service",
                request_id=self.request_id,
                remedy="Records live 24 hours and belong to one account: check the connection, or submit again.",
            )
        if self.status in ("FAILED", "CANCELED"):
            code = str(self.output.get("code") or "")
            reason = self.output.get("message") or "the service gives no reason"
            meaning = meaning_of(code)
            raise TaskFailedError(
                f"task {self.task_id} ended {self.status}: {reason}",
                code=code,
                request_id=self.request_id,
                retryable=is_known(code) and (meaning.retryable or meaning.error.retryable_by_default),
                remedy=meaning.remedy if code else "Look the task up in the vendor's console.",
            )

    def result(self, *, request_id: str | None = None) -> TaskResult:
        """The task as JSON-safe values.

        :param request_id: the submit's request id, which the vendor's support asks for; the query's by default
        """
        return {
            "task_id": self.task_id,
            "request_id": request_id or self.request_id,
            "status": self.status,
            "video_url": self.result_url,
            "expires_at": _iso(self.expires_at),
            "billed_seconds": self.billed_seconds,
            "usage": dict(self.usage),
            "submitted_at": _iso(self.submitted_at),
            "started_at": _iso(self.started_at),
            "finished_at": _iso(self.finished_at),
            "queue_seconds": _seconds(self.submitted_at, self.started_at),
            "render_seconds": _seconds(self.started_at, self.finished_at),
        }


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A task as the list tells it: no result, no reason of a failure."""

    task_id: str
    status: TaskStatus
    model: str
    request_id: str | None
    created_at: datetime | None
    finished_at: datetime | None
    api_key_id: str | None

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> TaskRow:
        return cls(
            task_id=str(row["task_id"]),
            status=status_of(row.get("status")),
            model=str(row.get("model_name") or ""),
            request_id=row.get("request_id"),
            created_at=_epoch(row.get("gmt_create")),
            finished_at=_epoch(row.get("end_time")),
            api_key_id=row.get("api_key_id"),
        )


@dataclass(frozen=True, kw_only=True)
class TaskPage:
    """One page of the list, and how much there is in all."""

    rows: tuple[TaskRow, ...]
    total: int
    total_pages: int

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> TaskPage:
        rows = tuple(TaskRow.parse(row) for row in payload["data"])
        return cls(
            rows=rows, total=int(payload.get("total") or len(rows)), total_pages=int(payload.get("total_page") or 1)
        )


def submit_task(
    *, path: str, model: str, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Request[Submission]:
    """Starts a task of any asynchronous model.

    :param path: the model's path below the base URL, e.g. ``services/aigc/image2video/video-synthesis``
    :param inputs: the body's ``input``; a value that begins with ``oss://`` is resolved by the service
    :param parameters: the body's ``parameters``, sent also when empty: some endpoints refuse a body without it
    """
    headers = {"X-DashScope-Async": "enable"}
    if _holds_oss(inputs):
        headers["X-DashScope-OssResourceResolve"] = "enable"
    body = {"model": model, "input": dict(inputs), "parameters": dict(parameters)}
    return Request(method="POST", path=path, headers=headers, body=body, parse=Submission.parse, creates=True)


def _holds_oss(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_oss(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_oss(part) for part in value)
    return isinstance(value, str) and value.lower().startswith("oss://")


def get_task(task_id: str) -> Request[Task]:
    """Asks how a task stands; the result's URL is in the answer once it succeeded."""
    return Request(method="GET", path=f"tasks/{quote(task_id, safe='')}", parse=Task.parse)


def cancel_task(task_id: str) -> Request[None]:
    """Cancels a PENDING task; one in any other state is refused with ``UnsupportedOperation``."""
    return Request(method="POST", path=f"tasks/{quote(task_id, safe='')}/cancel", parse=lambda payload: None)


def list_tasks(
    *,
    model: str | None = None,
    status: TaskStatus | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    page: int = 1,
    page_size: int = 10,
) -> Request[TaskPage]:
    """Lists the account's tasks, newest window first.

    :param since: start of the window, of at most 24 hours; the last 24 hours where neither bound is given
    """
    query = {"page_no": str(page), "page_size": str(page_size)}
    query |= {"model_name": model} if model else {}
    query |= {"status": status} if status else {}
    query |= {"start_time": _stamp(since)} if since else {}
    query |= {"end_time": _stamp(until)} if until else {}
    return Request(method="GET", path="tasks", query=query, parse=TaskPage.parse)


def status_of(word: object) -> TaskStatus:
    """The small vocabulary's word for the service's: an unlisted one means that the task is still running."""
    upper = str(word or "").upper()
    return cast("TaskStatus", upper) if upper in get_args(TaskStatus) else "RUNNING"


def _time(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=BEIJING_TIME)


def _epoch(milliseconds: object) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc) if isinstance(milliseconds, int) else None


def _stamp(moment: datetime) -> str:
    return moment.astimezone(BEIJING_TIME).strftime("%Y%m%d%H%M%S")


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(timezone.utc).isoformat() if moment else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end else None
