from __future__ import annotations

import pytest

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.dashscope.codes import meaning_of, retry_after, service_error


def test_text_names_code_request_and_remedy() -> None:
    error = errors.RequestError(
        "Field required: input.audio_url", code="InvalidParameter", request_id="e1", status=400, remedy="Add it."
    )
    assert str(error) == "InvalidParameter: Field required: input.audio_url (HTTP 400, request_id e1). Add it."


@pytest.mark.parametrize("kind", list(errors._tree(errors.DashScopeError)))
def test_json_round_trip(kind: type[errors.DashScopeError]) -> None:
    error = kind("m", code="C", request_id="r", status=500, retryable=True, retry_after=3.0, remedy="x")
    again = errors.error_from_json(error.to_json())
    assert type(again) is kind
    assert vars(again) == vars(error)


def test_json_of_a_later_version() -> None:
    assert type(errors.error_from_json({"type": "NotYetInvented", "message": "m"})) is errors.DashScopeError


@pytest.mark.parametrize(
    ("code", "status", "kind", "retryable"),
    [
        ("InvalidParameter", 400, errors.RequestError, False),
        ("InvalidParameter.Whatever", 400, errors.RequestError, False),
        ("InvalidURL.Timeout", 400, errors.RequestError, True),
        ("InvalidFile.Resolution", 400, errors.RequestError, False),
        ("InvalidFile.NeverSeen", 400, errors.RequestError, False),
        ("Arrearage", 400, errors.AccessError, False),
        ("InvalidApiKey", 401, errors.AccessError, False),
        ("invalid_api_key", 401, errors.AccessError, False),
        ("AccessDenied.Unpurchased", 403, errors.AccessError, False),
        ("Throttling.RateQuota", 429, errors.ThrottledError, True),
        ("limit_burst_rate", 429, errors.ThrottledError, True),
        ("PrepaidBillOverdue", 429, errors.AccessError, False),
        ("InternalError.Algo", 500, errors.ServerError, True),
        ("InternalError", 200, errors.ServerError, True),
        ("ModelUnavailable", 503, errors.ServerError, True),
        ("Brand.New", 429, errors.ThrottledError, True),
        ("Brand.New", 403, errors.AccessError, False),
        ("Brand.New", 418, errors.RequestError, False),
        ("Brand.New", 502, errors.ServerError, True),
        ("", 408, errors.ServerError, True),
    ],
)
def test_codes(code: str, status: int, kind: type[errors.ServiceError], retryable: bool) -> None:
    error = service_error({"code": code, "message": "m", "request_id": "r"}, status=status, headers={})
    assert type(error) is kind
    assert error.retryable is retryable
    assert (error.code, error.message, error.request_id, error.status) == (code, "m", "r", status)
    assert error.remedy


def test_openai_style_body_and_header_id() -> None:
    payload = {"error": {"code": "invalid_api_key", "message": "bad key"}}
    error = service_error(payload, status=401, headers={"x-request-id": "h1"})
    assert (error.code, error.message, error.request_id) == ("invalid_api_key", "bad key", "h1")


def test_a_failed_task_without_code_means_nothing_in_particular() -> None:
    assert meaning_of("").error is errors.ServerError


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
