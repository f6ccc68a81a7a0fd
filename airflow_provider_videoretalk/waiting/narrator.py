"""What a person reads in the log of a task that waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol

from airflow_provider_videoretalk.dashscope.errors import DashScopeError

FIRST_REPEAT = 60.0
"""Seconds after which a stage that lasts is told again; from then on at doubling intervals."""

LAST_REPEAT = 300.0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a task has come. Moments are seconds since the epoch, ``None`` stands for what is not known.

    :param stage: the service's word for its state
    :param now: when this was known
    :param since: its submit, or once it renders, its begin
    :param expected_seconds: what its render is expected to take
    :param ahead: tasks known to be queued before it
    :param begins_at: when its render is expected to begin
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
        return f"Task {self.task_id} is {self.stage}" + (f": {details}" if details else "")

    def _queue(self) -> str:
        details = [f"{self.ahead} known ahead of it"] if self.ahead is not None else []
        if self.begins_at is not None:
            moment = datetime.fromtimestamp(self.begins_at, tz=timezone.utc)
            details.append(f"expected to begin at {moment:%H:%M} UTC")
        return ", ".join(details)

    def _render(self) -> str:
        if self.stage in ("SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"):
            return ""
        done = f"{max(0.0, self.now - self.since):.0f} s"
        return f"{done} of about {self.expected_seconds:.0f} s" if self.expected_seconds else f"{done} so far"


News = Callable[[Progress | DashScopeError], None]
"""Told whatever was learned of a task."""


class Log(Protocol):
    """What a narrator needs of a logger; the standard library's and Airflow's both have it."""

    def info(self, message: str, /, *args: Any) -> Any: ...

    def warning(self, message: str, /, *args: Any) -> Any: ...


class Narrator:
    """Tells a log each change, and what lasts at doubling intervals; an error once for each kind in a row."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._subject = ""
        self._interval = FIRST_REPEAT
        self._repeat_at = 0.0

    def __call__(self, news: Progress | DashScopeError) -> None:
        if isinstance(news, DashScopeError):
            if self._changed(type(news).__name__):
                self._log.warning("The query failed, the task is asked for again: %s", news)
        elif self._changed(news.stage):
            self._log.info("%s", news)
            self._interval = FIRST_REPEAT
            self._repeat_at = news.now + self._interval
        elif news.now >= self._repeat_at:
            self._log.info("%s", news)
            self._interval = min(2 * self._interval, LAST_REPEAT)
            self._repeat_at = news.now + self._interval

    def _changed(self, subject: str) -> bool:
        changed, self._subject = subject != self._subject, subject
        return changed
