"""The service's clock, measured by the ``Date`` header of its replies. It may differ from this machine's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime

# Date has whole seconds, and servers make it anew about once a second.
_DATE_SECONDS = 2.0

# Seconds for which a measurement counts. Clocks of machines are set, and drift.
_MEASUREMENT_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class TimeSpan:
    """A moment that is known not exactly, in seconds since the epoch."""

    earliest: float
    latest: float


@dataclass(frozen=True, kw_only=True)
class _Measurement:
    """Seconds by which the service's clock is ahead: at least ``low`` and at most ``high``."""

    low: float
    high: float
    measured_at: float


class ServiceClock:
    """How far the service's clock is ahead of this machine's, by the last reply that had a usable ``Date``."""

    def __init__(self) -> None:
        self._last: _Measurement | None = None

    def observe(self, headers: Mapping[str, str], *, sent_at: float, received_at: float) -> None:
        """Reads the ``Date`` of a reply.

        :param headers: names in lower case
        :param sent_at: when the request was sent, by this machine's clock, in seconds since the epoch
        :param received_at: when the whole reply had arrived
        """
        date = _seconds(headers.get("date", ""))
        if date is None or received_at < sent_at:
            return
        self._last = _Measurement(low=date - received_at, high=date + _DATE_SECONDS - sent_at, measured_at=received_at)

    def at(self, moment: float) -> TimeSpan | None:
        """The service's time at a moment of this machine's clock; ``None`` if no reply of that time had a ``Date``.

        :param moment: in seconds since the epoch
        """
        last = self._last
        if last is None or abs(moment - last.measured_at) > _MEASUREMENT_SECONDS:
            return None
        return TimeSpan(earliest=max(moment + last.low, 0.0), latest=max(moment + last.high, 0.0))


def _seconds(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
