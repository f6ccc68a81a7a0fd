"""The HTTP header ``Retry-After`` (RFC 9110, 10.2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

MAX_SECONDS = 600.0
"""A longer wait is taken for this one: a header must not stop a task for good, and no infinite number is stored."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by ``retry-after-ms`` or ``Retry-After`` (seconds or an HTTP date); ``None`` without either.

    The service documents neither header; the vendor's SDK honours both. A date counts from the reply's own ``Date``.

    :param headers: with names in lower case
    """
    try:
        return min(max(0.0, _asked(headers)), MAX_SECONDS)
    except (KeyError, ValueError, TypeError):
        return None


def _asked(headers: Mapping[str, str]) -> float:
    if "retry-after-ms" in headers:
        return float(headers["retry-after-ms"]) / 1000
    value = headers["retry-after"]
    if value.replace(".", "", 1).isdigit():
        return float(value)
    later, now = parsedate_to_datetime(value), parsedate_to_datetime(headers["date"])
    return (later - now).total_seconds()
