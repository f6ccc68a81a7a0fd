"""A VideoRetalk render job as the service stores it, from its submission until its record expires."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_videoretalk.model_catalog.videoretalk import DEFAULT_FACE_THRESHOLD, MODEL

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.service.account import Account

TaskStatus = Literal[
    "PENDING", "PRE-PROCESSING", "RUNNING", "POST-PROCESSING", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"
]
FINAL_STATUSES: frozenset[str] = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})


@dataclass(frozen=True, kw_only=True)
class JobInputs:
    """The inputs and parameters of a submit. ``ref_image_url`` is ``None`` if it was absent, null or empty."""

    video_url: str
    audio_url: str
    ref_image_url: str | None = None
    video_extension: bool = False
    query_face_threshold: int = DEFAULT_FACE_THRESHOLD


@dataclass(frozen=True, kw_only=True)
class JobUsage:
    """``usage`` of a render job that succeeded: seconds, pixels and frames per second of the output."""

    video_duration: float
    size: str
    fps: int
    video_ratio: str = "standard"


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
    usage: JobUsage | None = None
    result_key: str | None = None
    billed_seconds: float = 0.0
    face_found: bool | None = None
    planned_failure: PlannedFailure | None = None

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
