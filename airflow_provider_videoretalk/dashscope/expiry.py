"""Results that live for a day."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_provider_videoretalk.dashscope.errors import ResultExpiredError

_REMEDY = "The service keeps results for 24 hours: run the task that made it again."


def check_not_expired(
    field: str, expires_at: str | None, *, now: datetime | None = None, remedy: str = _REMEDY
) -> None:
    """Returns while ``expires_at`` (ISO 8601; UTC where it names no zone) lies ahead, or is not known.

    :raises ResultExpiredError: it has passed
    """
    if not expires_at:
        return
    end = datetime.fromisoformat(expires_at)
    if (now or datetime.now(timezone.utc)) >= (end if end.tzinfo else end.replace(tzinfo=timezone.utc)):
        raise ResultExpiredError(f"{field} died at {expires_at}", remedy=remedy)
