"""Whether a result has expired: a wrong answer pays for it again, or gives an URL that no server takes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_videoretalk.dashscope.errors import ResultExpiredError
from airflow_provider_videoretalk.dashscope.result_expiry import (
    RefusedUrlError,
    check_not_expired,
    expiry_time,
    refusal_error,
)

END = datetime(2026, 11, 30, 12, 0, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "told",
    [
        "2026-11-30T12:00:00+00:00",
        "2026-11-30T12:00:00Z",
        "2026-11-30T20:00:00+08:00",
        # Without a zone it is UTC, wherever this machine is.
        "2026-11-30T12:00:00",
        "2026-11-30 12:00:00",
        datetime(2026, 11, 30, 12, 0),  # noqa: DTZ001
        END,
        END.astimezone(timezone(timedelta(hours=8))),
    ],
    ids=str,
)
@pytest.mark.usefixtures("in_shanghai")
def test_each_form_of_an_end(told: object) -> None:
    found = expiry_time(told)
    assert found == END
    assert found.utcoffset() == timedelta(0)
    check_not_expired("the result", told, now=END - SECOND)
    for late in (END, END + SECOND):
        with pytest.raises(ResultExpiredError, match=r"^the result expired at 2026-11-30T12:00:00\+00:00"):
            check_not_expired("the result", told, now=late)


@pytest.mark.parametrize("told", [None, "", "soon", 5, "9999-99-99", "0001-01-01T00:00:00+14:00"])
def test_an_end_that_is_not_known_is_none(told: object) -> None:
    assert expiry_time(told) is None
    check_not_expired("the result", told, now=END)
    assert expiry_time(told, "https://h/v.mp4?Expires=1796040000&OSSAccessKeyId=k&Signature=s") == END


@pytest.mark.parametrize(
    ("end", "status", "expired"),
    [
        (None, 403, False),
        (None, 404, False),
        (None, 410, True),
        (END, 403, True),
        (END - SECOND, 404, True),
        (END + SECOND, 410, False),
    ],
)
def test_a_refused_url_has_expired_only_at_its_end(end: datetime | None, status: int, expired: bool) -> None:
    error = refusal_error("the result", end, status=status, now=END)
    assert isinstance(error, ResultExpiredError if expired else RefusedUrlError)
    assert (error.retryable, error.status) == (not expired, status)
