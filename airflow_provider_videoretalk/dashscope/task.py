"""Render jobs of all asynchronous models: submit, query, cancel.

The service's API calls them tasks, and so do the names in this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Literal, TypedDict, cast, get_args
from urllib.parse import quote

from airflow_provider_videoretalk.dashscope.error_codes import is_known, meaning_of
from airflow_provider_videoretalk.dashscope.errors import TaskFailedError, TaskUnknownError, TransportError
from airflow_provider_videoretalk.dashscope.reply_values import (
    line,
    mapping,
    number,
    plain_id,
    possible_time,
    required_id,
    web_url,
)
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task_output import (
    FAILED_SUBTASK_REMEDY,
    Subtask,
    has_failed,
    result_urls,
    subtasks_of,
    with_safe_messages,
)
from airflow_provider_videoretalk.outbound.signed_url import expiry_is_earliest, expiry_of

TaskStatus = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"]
"""The documented statuses. An undocumented one (PRE-PROCESSING, POST-PROCESSING) counts as RUNNING."""

ENDED: frozenset[TaskStatus] = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"})

RESULT_LIFE = timedelta(hours=24)
"""How long the URL of a result is valid."""

# The vendor's page on error messages: InternalError.Timeout, for any asynchronous model.
JOB_SECONDS = 3 * 3600.0
"""Seconds after the submit at which the service drops a render job that has no result, queued or not."""

BEIJING_TIME = timezone(timedelta(hours=8))
"""The service writes times in UTC+8 without an offset."""

MAX_BILLED_SECONDS = 24 * 3600.0
"""No model makes an output of a day. A larger number of billed seconds is not believed."""

NO_RESULT_REMEDY = (
    "A retry queries the same job again, which costs nothing. If the result does not appear, ask the vendor with the "
    "request_id."
)

# Fields of ``output`` that every model has. Any other field with a value is a result.
_STATUS_FIELDS = frozenset(
    {"task_id", "task_status", "submit_time", "scheduled_time", "end_time", "task_metrics", "code", "message"}
)
_URL_FIELDS = ("video_url", "output_video_url")


class TaskResult(TypedDict):
    """A finished render job as JSON-safe values: the return value of an operator.

    Times are ISO 8601 in UTC. ``None`` means that the service did not give the value.

    :param task_id: the render job's id
    :param request_id: of the submit, for the vendor's support
    :param status: ``SUCCEEDED``
    :param video_url: where the result is until it expires
    :param expires_at: when the result's URL expires
    :param billed_seconds: of output
    :param usage: the service's own words on what it billed
    :param submitted_at: when the job was submitted
    :param started_at: when its render began
    :param finished_at: when its render ended
    :param queue_seconds: from the submit to the start of the render
    :param render_seconds: from the start of the render to its end
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


class WholeTaskResult(TaskResult):
    """A finished render job of a model whose results are not known here.

    :param output: the reply's ``output``, whole
    :param result_urls: all URLs of results in ``output``; several for a model that makes several files
    :param subtasks: the state of each subtask; empty for a model without subtasks
    """

    output: dict[str, Any]
    result_urls: list[str]
    subtasks: list[Subtask]


class SubmissionResult(TypedDict):
    """A submitted render job as JSON-safe values.

    :param task_id: the render job's id
    :param request_id: of the submit, for the vendor's support
    :param status: of the render job, right after the submit
    :param submitted_at: ISO 8601 with an offset
    """

    task_id: str
    request_id: str | None
    status: TaskStatus
    submitted_at: str | None


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The reply to a submit.

    :param request_id: the id that the vendor's support asks for
    """

    task_id: str
    request_id: str | None = None
    status: TaskStatus = "PENDING"

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> Submission:
        output = mapping(payload.get("output"))
        return cls(
            task_id=required_id(output.get("task_id")),
            request_id=plain_id(payload.get("request_id")),
            status=status_of(output.get("task_status")),
        )


@dataclass(frozen=True, kw_only=True)
class Task:
    """The reply to a status query.

    :param stage: the status in the service's spelling, e.g. ``PRE-PROCESSING``
    :param submitted_at: when the service accepted the job; ``None`` if the reply has no possible time, as for others
    :param payload: the whole reply, from which :meth:`parse` makes an equal object. Its messages show no signature
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
    def parse(cls, payload: Mapping[str, Any], *, queried: str | None = None) -> Task:
        """
        :param queried: the id in the query
        :raises TransportError: the reply is about another job
        :raises ValueError: it has no id or no status
        """
        output = with_safe_messages(mapping(payload.get("output")))
        task_id, stage = required_id(output.get("task_id")), line(output.get("task_status"), max_length=40)
        if queried not in (None, task_id):
            raise TransportError(f"the reply is about render job {task_id!r}, not {queried!r}")
        if stage is None:
            raise ValueError("task_status is missing")
        return cls(
            task_id=task_id,
            status=status_of(stage),
            stage=stage,
            request_id=plain_id(payload.get("request_id")),
            submitted_at=_time(output.get("submit_time")),
            started_at=_time(output.get("scheduled_time")),
            finished_at=_time(output.get("end_time")),
            output=output,
            usage=mapping(payload.get("usage")),
            payload={**payload, "output": output},
        )

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def result_url(self) -> str | None:
        """URL of the result. Models put it into different fields."""
        results = self.output.get("results")
        urls = [self.output.get(name) for name in _URL_FIELDS]
        if isinstance(results, Mapping):
            urls.append(results.get("video_url"))
        elif isinstance(results, list):
            urls += [row.get("url") for row in results if isinstance(row, Mapping)]
        return next((url for url in map(web_url, urls) if url), None)

    @property
    def has_result(self) -> bool:
        """Whether the reply has the result of the job: its URL, or a value in any field that not every model has."""
        return bool(self.result_url) or any(
            value for name, value in self.output.items() if name not in _STATUS_FIELDS and name not in _URL_FIELDS
        )

    @property
    def expires_at(self) -> datetime | None:
        """When the URL of the result expires: by its signature, else 24 hours after the end."""
        url = self.result_url or next(iter(result_urls(self.output)), None)
        if url is None:
            return None
        # A gateway's CDN may write the time of the signature.
        signed = None if expiry_is_earliest(url) else expiry_of(url)
        return signed or (self.finished_at + RESULT_LIFE if self.finished_at else None)

    @property
    def billed_seconds(self) -> float | None:
        return number(self.usage.get("video_duration", self.usage.get("duration")), high=MAX_BILLED_SECONDS)

    def raise_for_status(self) -> None:
        """Returns if the job succeeded or still runs.

        :raises TaskFailedError: it ended FAILED or CANCELED; with the service's code and message, if any
        :raises TaskUnknownError: the service does not know it
        """
        if self.status == "UNKNOWN":
            raise TaskUnknownError(
                f"render job {self.task_id} is not known to the service",
                request_id=self.request_id,
                remedy="The service keeps jobs for 24 hours, for one account: check the connection. It may run and be "
                "billed all the same: look into the service's list before you submit again.",
            )
        if self.status in ("FAILED", "CANCELED"):
            code = line(self.output.get("code"), max_length=100) or ""
            reason = line(self.output.get("message")) or "the service gave no reason"
            meaning = meaning_of(code, message=reason)
            raise TaskFailedError(
                f"render job {self.task_id} ended {self.status}: {reason}",
                code=code,
                request_id=self.request_id,
                retryable=is_known(code) and (meaning.retryable or meaning.error.retryable_by_default),
                remedy=meaning.remedy if code else "Look up the job in the vendor's console.",
            )

    def raise_for_subtasks(self, *, remedy: str = FAILED_SUBTASK_REMEDY) -> None:
        """
        :raises TaskFailedError: the job succeeded, but a subtask failed; with the first code and message
        """
        subtasks = subtasks_of(self.output)
        if failed := [subtask for subtask in subtasks if has_failed(subtask)]:
            number = f"{len(failed)} of its {len(subtasks)} subtasks failed"
            reason = next((each["message"] for each in failed if each["message"]), "the service gave no reason")
            raise TaskFailedError(
                f"render job {self.task_id} succeeded, but {number}: {reason}",
                code=next((each["code"] for each in failed if each["code"]), ""),
                request_id=self.request_id,
                retryable=False,
                remedy=remedy,
            )

    def whole_result(self, *, request_id: str | None = None) -> WholeTaskResult:
        """The job with its whole ``output``, as JSON-safe values; see :meth:`result`."""
        return {
            **self.result(request_id=request_id),
            "output": dict(self.output),
            "result_urls": result_urls(self.output),
            "subtasks": subtasks_of(self.output),
        }

    def result(self, *, request_id: str | None = None) -> TaskResult:
        """The job as JSON-safe values.

        :param request_id: request id of the submit, which the vendor's support asks for; that of the query by default
        :raises TransportError: the job succeeded, but the reply has no result
        """
        if self.status == "SUCCEEDED" and not self.has_result:
            raise TransportError(
                f"render job {self.task_id} succeeded, but the reply has no result",
                request_id=request_id or self.request_id,
                remedy=NO_RESULT_REMEDY,
            )
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


def submit_task(
    *, path: str, model: str, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Request[Submission]:
    """Submits a job of any asynchronous model.

    :param path: the model's path below the base URL, e.g. ``services/aigc/image2video/video-synthesis``
    :param inputs: ``input`` of the body; the service resolves values that begin with ``oss://``
    :param parameters: ``parameters`` of the body; sent even if empty, because some endpoints require it
    """
    headers = {"X-DashScope-Async": "enable"}
    if _holds_oss(inputs):
        headers["X-DashScope-OssResourceResolve"] = "enable"
    body = {"model": model, "input": dict(inputs), "parameters": dict(parameters)}
    return Request(
        method="POST", path=path, headers=headers, body=body, parse=Submission.parse, creates=True, route="submit"
    )


def _holds_oss(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_oss(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_oss(part) for part in value)
    return isinstance(value, str) and value.lower().startswith("oss://")


def get_task(task_id: str) -> Request[Task]:
    """Queries the status of a job. The reply has the URL of the result once the job has succeeded."""
    path, parse = f"tasks/{quote(task_id, safe='')}", partial(Task.parse, queried=task_id)
    return Request(method="GET", path=path, parse=parse, route="query", job_id=task_id)


def cancel_task(task_id: str) -> Request[None]:
    """Cancels a PENDING job. In any other status the service refuses with ``UnsupportedOperation``."""
    path = f"tasks/{quote(task_id, safe='')}/cancel"
    return Request(method="POST", path=path, parse=lambda payload: None, route="cancel")


def status_of(word: object) -> TaskStatus:
    """The documented status; an undocumented one means that the job still runs."""
    upper = word.upper() if isinstance(word, str) else ""
    return cast("TaskStatus", upper) if upper in get_args(TaskStatus) else "RUNNING"


def _time(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        return None
    return possible_time(moment if moment.tzinfo else moment.replace(tzinfo=BEIJING_TIME))


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(timezone.utc).isoformat() if moment else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end and start <= end else None
