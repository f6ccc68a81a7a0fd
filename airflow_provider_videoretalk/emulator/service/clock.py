"""The emulator's clock, and the forms in which the service writes a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

# Returns seconds since the epoch.
Clock = Callable[[], float]

SERVICE_ZONE = timezone(timedelta(hours=8))


def service_time(epoch: float) -> str:
    """``YYYY-MM-DD HH:MM:SS.mmm`` in UTC+8, as replies contain it."""
    return datetime.fromtimestamp(epoch, SERVICE_ZONE).isoformat(sep=" ", timespec="milliseconds")[:23]


def service_day(epoch: float) -> str:
    """``YYYYMMDD`` in UTC+8, as the keys of results contain it."""
    return datetime.fromtimestamp(epoch, SERVICE_ZONE).strftime("%Y%m%d")
