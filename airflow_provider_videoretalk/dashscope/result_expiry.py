"""Checks whether the URL of a result has expired, and what it means if a server refuses it."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_provider_videoretalk.dashscope.errors import ResultExpiredError, TransportError
from airflow_provider_videoretalk.outbound.signed_url import expiry_of

FREE_URL = (
    "Nothing was published. For 24 hours after a render job ended, its result gets a new URL for free: set "
    "dashscope_conn_id on PublishMediaOperator, and clear that task alone. Making the result again is billed again."
)
"""The remedy for the expired URL of a result that is to be published."""

_PAYS = "Use its published copy, if there is one. Making it again is billed again."
_REFUSED = (
    "Nothing was published. Run this task again later: that is not billed. With dashscope_conn_id it also requests a "
    "new URL, for free."
)


class RefusedUrlError(TransportError):
    """A server refuses the URL of a result that has not expired. It may answer a later request, or another URL."""


def expiry_time(expires_at: object, url: str = "") -> datetime | None:
    """When the URL of a result expires; ``None`` if neither of the two says.

    :param expires_at: as the task that made the result gives it: ISO 8601, UTC without a zone. Other values are ignored
    :param url: its signature counts if ``expires_at`` says nothing
    """
    if isinstance(expires_at, datetime):
        return _in_utc(expires_at)
    try:
        # Python 3.10 does not know the Z.
        return _in_utc(datetime.fromisoformat(str(expires_at).replace("Z", "+00:00")))
    except (ValueError, OverflowError):
        return expiry_of(url)


def check_not_expired(field: str, expires_at: object, *, now: datetime | None = None, remedy: str = _PAYS) -> None:
    """Returns if ``expires_at`` (see :func:`expiry_time`) is in the future or unknown.

    :raises ResultExpiredError: it is in the past
    """
    end = expiry_time(expires_at)
    if end is not None and (now or datetime.now(timezone.utc)) >= end:
        raise ResultExpiredError(f"{field} expired at {end.isoformat()}", remedy=remedy)


def refusal_error(
    field: str, end: datetime | None, *, status: int | None, now: datetime | None = None
) -> ResultExpiredError | RefusedUrlError:
    """The error for a URL that a server refuses with 403, 404 or 410.

    Before its end it is retryable, because a gateway, a proxy or a store that lags behind may be the reason. Without a
    known end, only 410 (Gone) says that it has expired.

    :param end: when the URL expires; ``None`` if that is not known
    """
    if end is None:
        if status == 410:
            return ResultExpiredError(f"{field} is gone, its server says", status=status, remedy=FREE_URL)
        return RefusedUrlError(
            f"the server refuses the URL of {field}, which does not say when it expires",
            status=status,
            remedy="Nothing was published. Check the URL. Running this task again is not billed.",
        )
    if (now or datetime.now(timezone.utc)) >= end:
        return ResultExpiredError(f"{field} expired at {end.isoformat()}", status=status, remedy=FREE_URL)
    return RefusedUrlError(
        f"the server refuses the URL of {field}, which expires only at {end.isoformat()}",
        status=status,
        remedy=_REFUSED,
    )


def _in_utc(moment: datetime) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
