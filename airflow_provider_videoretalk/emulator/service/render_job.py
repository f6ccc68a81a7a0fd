"""A render job as the service stores it, from its submission until its record expires."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_videoretalk.emulator.service.account import Account
    from airflow_provider_videoretalk.emulator.service.job_inputs import JobInputs

TaskStatus = Literal[
    "PENDING", "PRE-PROCESSING", "RUNNING", "POST-PROCESSING", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"
]
FINAL_STATUSES: frozenset[str] = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})


class ResultKey(str):
    """The key of a stored result, in the place of its URL, which a reply to a query has."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """What a job that succeeded has made.

    :param output: the fields of ``output`` besides those of every job, as JSON, with :class:`ResultKey` for URLs
    :param usage: ``usage``, as JSON
    :param billed_seconds: what the account pays for
    :param face_found: whether a video shows a face; ``None`` where none is looked for
    """

    output: Mapping[str, Any]
    usage: Mapping[str, Any]
    billed_seconds: float
    face_found: bool | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedFailure:
    """A failure that a fault rule asks for. A ``code`` of ``None`` means FAILED without code and message."""

    code: str | None
    message: str | None


@dataclass(kw_only=True)
class RenderJob:
    """One render job. Times are seconds since the epoch.

    :param origin: scheme and host of the submit; recognises the emulator's own URLs among the inputs
    :param resolve_oss: whether the submit had the header ``X-DashScope-OssResourceResolve: enable``
    """

    account: Account
    api_key_id: str
    request_id: str
    inputs: JobInputs
    origin: str
    resolve_oss: bool
    submitted: float
    task_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: TaskStatus = "PENDING"
    scheduled: float | None = None
    ended: float | None = None
    code: str | None = None
    message: str | None = None
    outcome: JobOutcome | None = None
    billed_seconds: float = 0.0
    planned_failure: PlannedFailure | None = None

    @property
    def model(self) -> str:
        return self.inputs.model

    @property
    def final(self) -> bool:
        """Whether the status is final."""
        return self.status in FINAL_STATUSES

    def finish(self, status: Literal["SUCCEEDED", "FAILED", "CANCELED"], *, at: float) -> None:
        self.status = status
        self.ended = at

    def fail(self, code: str | None, message: str | None, *, at: float) -> None:
        """End as FAILED. Nothing is billed, because a failed render job costs nothing."""
        self.code = code
        self.message = message
        self.finish("FAILED", at=at)

    def report(self) -> dict[str, Any]:
        """The entry of this render job in ``GET /emulator/tasks``; not a shape of the service."""
        return {
            "task_id": self.task_id,
            "account": self.account.name,
            "model": self.model,
            "request_id": self.request_id,
            **self.inputs.report(),
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "submitted": self.submitted,
            "scheduled": self.scheduled,
            "ended": self.ended,
            "billed_seconds": self.billed_seconds,
            "face_found": None if self.outcome is None else self.outcome.face_found,
        }
