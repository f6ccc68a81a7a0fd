"""A VideoRetalk task as the service keeps it, from its submission to its record's end."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.service.account import Account

TaskStatus = Literal[
    "PENDING", "PRE-PROCESSING", "RUNNING", "POST-PROCESSING", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"
]
FINAL: frozenset[str] = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})

SERVICE_ZONE = timezone(timedelta(hours=8))
MODEL = "videoretalk"


def service_time(epoch: float) -> str:
    """``YYYY-MM-DD HH:MM:SS.mmm`` in UTC+8, the service's form of a time."""
    return datetime.fromtimestamp(epoch, SERVICE_ZONE).isoformat(sep=" ", timespec="milliseconds")[:23]


def service_day(epoch: float) -> str:
    """``YYYYMMDD`` in UTC+8, as result keys hold it."""
    return datetime.fromtimestamp(epoch, SERVICE_ZONE).strftime("%Y%m%d")


@dataclass(frozen=True, kw_only=True)
class TaskInputs:
    """What a submit asked for; ``ref_image_url`` is ``None`` when it was absent, null or empty."""

    video_url: str
    audio_url: str
    ref_image_url: str | None = None
    video_extension: bool = False
    query_face_threshold: int = 170


@dataclass(frozen=True, kw_only=True)
class TaskUsage:
    """``usage`` of a task that succeeded; seconds, pixels and frames per second of the output."""

    video_duration: float
    size: str
    fps: int
    video_ratio: str = "standard"


@dataclass(frozen=True, kw_only=True)
class PlannedFailure:
    """A failure a fault rule ordered; no code stands for a bare FAILED."""

    code: str | None
    message: str | None


@dataclass(kw_only=True)
class Task:
    """One task. Times are seconds since the epoch.

    :param origin: scheme and host the submit was sent to, to know the emulator's own URLs among the inputs
    :param resolve_oss: whether the submit carried ``X-DashScope-OssResourceResolve: enable``
    """

    account: Account
    api_key_id: str
    request_id: str
    inputs: TaskInputs
    origin: str
    resolve_oss: bool
    submitted: float
    task_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: TaskStatus = "PENDING"
    scheduled: float | None = None
    ended: float | None = None
    code: str | None = None
    message: str | None = None
    usage: TaskUsage | None = None
    result_key: str | None = None
    billed_seconds: float = 0.0
    face_found: bool | None = None
    planned_failure: PlannedFailure | None = None

    @property
    def final(self) -> bool:
        return self.status in FINAL

    def finish(self, status: Literal["SUCCEEDED", "FAILED", "CANCELED"], *, at: float) -> None:
        self.status = status
        self.ended = at

    def fail(self, code: str | None, message: str | None, *, at: float) -> None:
        """End as FAILED. Failures cost nothing, so nothing is billed."""
        self.code = code
        self.message = message
        self.finish("FAILED", at=at)

    def book(self) -> dict[str, Any]:
        """The task's line in the books, for tests; not a shape of the service."""
        return {
            "task_id": self.task_id,
            "account": self.account.name,
            "model": MODEL,
            "request_id": self.request_id,
            "inputs": {
                "video_url": self.inputs.video_url,
                "audio_url": self.inputs.audio_url,
                "ref_image_url": self.inputs.ref_image_url,
            },
            "parameters": {
                "video_extension": self.inputs.video_extension,
                "query_face_threshold": self.inputs.query_face_threshold,
            },
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "submitted": self.submitted,
            "scheduled": self.scheduled,
            "ended": self.ended,
            "billed_seconds": self.billed_seconds,
            "face_found": self.face_found,
        }
