"""Results that live for a day."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_provider_videoretalk.dashscope.errors import ResultExpiredError


def check_not_expired(field: str, expires_at: str | None, *, now: datetime | None = None) -> None:
    """Returns while ``expires_at`` (ISO 8601, with a zone) lies ahead, or is not known.

    :raises ResultExpiredError: it has passed
    """
    if not expires_at:
        return
    if (now or datetime.now(timezone.utc)) >= datetime.fromisoformat(expires_at):
        raise ResultExpiredError(
            f"{field} died at {expires_at}",
            remedy="The service keeps results for 24 hours: run the task that made it again.",
        )
