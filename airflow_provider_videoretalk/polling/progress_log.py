"""What the log of a waiting task says about its render job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol

from airflow_provider_videoretalk.dashscope.errors import DashScopeError

FIRST_REPEAT = 600.0
"""Seconds after which an unchanged stage is logged again; then at doubling intervals. Most jobs end before."""

LAST_REPEAT = 3600.0

# The task that resumes logs how its job ended.
_ENDED = ("SUCCEEDED", "FAILED", "CANCELED")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a render job. Moments are seconds since the epoch, ``None`` if unknown.

    :param stage: the status in the service's spelling
    :param now: when this was known
    :param since: when it was submitted; once it renders, when the render began
    :param expected_seconds: expected time of the render
    :param ahead: jobs known to be queued before it
    :param begins_at: when the render is expected to begin
    """

    task_id: str
    stage: str
    now: float
    since: float
    expected_seconds: float | None = None
    ahead: int | None = None
    begins_at: float | None = None

    def __str__(self) -> str:
        details = self._queue() if self.stage == "PENDING" else self._render()
        return f"Render job {self.task_id} is {self.stage}" + (f": {details}" if details else "")

    def _queue(self) -> str:
        details = [f"{self.ahead} known ahead of it"] if self.ahead is not None else []
        if self.begins_at is not None:
            moment = datetime.fromtimestamp(self.begins_at, tz=timezone.utc)
            details.append(f"expected to begin at {moment:%H:%M} UTC")
        return ", ".join(details)

    def _render(self) -> str:
        if self.stage in (*_ENDED, "UNKNOWN"):
            return ""
        done = f"{max(0.0, self.now - self.since):.0f} s"
        return f"{done} of about {self.expected_seconds:.0f} s" if self.expected_seconds else f"{done} so far"


OnProgress = Callable[[Progress | DashScopeError], None]
"""Called with every progress and every failed query of a job."""


class Log(Protocol):
    """The part of a logger that is used here; the standard library's and Airflow's loggers have it."""

    def info(self, message: str, /, *args: Any) -> Any: ...

    def warning(self, message: str, /, *args: Any) -> Any: ...


class ProgressLog:
    """Logs each change of stage, an unchanged stage at doubling intervals, and each kind of error once in a row.

    The end of a job is not logged.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._subject = ""
        self._interval = FIRST_REPEAT
        self._repeat_at = 0.0

    def __call__(self, progress: Progress | DashScopeError) -> None:
        if isinstance(progress, DashScopeError):
            if self._changed(type(progress).__name__):
                self._log.warning("The status query failed and is repeated: %s", progress)
        elif progress.stage in _ENDED:
            return
        elif self._changed(progress.stage):
            self._log.info("%s", progress)
            self._interval = FIRST_REPEAT
            self._repeat_at = progress.now + self._interval
        elif progress.now >= self._repeat_at:
            self._log.info("%s", progress)
            self._interval = min(2 * self._interval, LAST_REPEAT)
            self._repeat_at = progress.now + self._interval

    def _changed(self, subject: str) -> bool:
        changed, self._subject = subject != self._subject, subject
        return changed
