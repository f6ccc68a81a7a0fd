from __future__ import annotations

import pytest

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.dashscope.error_codes import (
    MEANINGS,
    is_known,
    meaning_of,
    retry_after,
    service_error,
)


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
        ("Brand.New", 401, errors.AccessError, False),
        ("Brand.New", 403, errors.AccessError, False),
        ("Brand.New", 400, errors.RequestError, False),
        ("Brand.New", 418, errors.RequestError, False),
        ("Brand.New", 500, errors.ServerError, True),
        ("Brand.New", 200, errors.ServerError, True),
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


TABLE = [
    ("InvalidParameter", errors.RequestError, None, "Correct the field"),
    ("InvalidParameter.DataInspection", errors.RequestError, None, "downloadable from mainland China"),
    ("BadRequest", errors.RequestError, None, "Correct the request"),
    ("InvalidURL", errors.RequestError, None, "downloadable from mainland China"),
    ("InvalidURL.ConnectionRefused", errors.RequestError, True, "downloadable from mainland China"),
    ("InvalidURL.Timeout", errors.RequestError, True, "downloadable from mainland China"),
    ("InvalidFile", errors.RequestError, None, "one within the documented limits"),
    ("InvalidFile.Size", errors.RequestError, None, "video 300 MB, audio 30 MB, image 10 MB"),
    ("InvalidFile.Format", errors.RequestError, None, "Transcode the file"),
    ("InvalidFile.Openerror", errors.RequestError, None, "Transcode the file"),
    ("InvalidFile.Resolution", errors.RequestError, None, "640 to 2048 pixels"),
    ("InvalidFile.FPS", errors.RequestError, None, "15 to 60 frames a second"),
    ("InvalidFile.Duration", errors.RequestError, None, "2 to 120 seconds each"),
    ("InvalidFile.ImageSize", errors.RequestError, None, "up to 4096 pixels"),
    ("InvalidFile.Content", errors.RequestError, None, "shows one person from the front"),
    ("InvalidFile.FaceNotMatch", errors.RequestError, None, "lower query_face_threshold"),
    ("InvalidImage", errors.RequestError, None, "shows one person from the front"),
    ("InvalidPerson", errors.RequestError, None, "media that show one person"),
    ("DataInspectionFailed", errors.RequestError, None, "Moderation blocked the content"),
    ("Audio", errors.RequestError, None, "10 to 20 seconds of clear speech"),
    ("Audio.AudioShortError", errors.RequestError, None, "10 to 20 seconds of clear speech"),
    ("Audio.AudioSilentError", errors.RequestError, None, "10 to 20 seconds of clear speech"),
    ("Audio.PreprocessError", errors.RequestError, None, "10 to 20 seconds of clear speech"),
    ("Audio.AudioRateError", errors.RequestError, None, "24,000 Hz or more"),
    ("Audio.DecoderError", errors.RequestError, None, "WAV of 16 bits, MP3 or M4A"),
    ("BadRequest.UnsupportedFileFormat", errors.RequestError, None, "WAV of 16 bits, MP3 or M4A"),
    ("BadRequest.InputDownloadFailed", errors.RequestError, None, "downloadable from mainland China"),
    ("BadRequest.ResourceNotExist", errors.RequestError, None, "Check the voice's id"),
    ("BadRequest.VoiceNotFound", errors.RequestError, None, "Check the voice's id"),
    ("VoiceNotFound", errors.RequestError, None, "Check the voice's id"),
    ("UnsupportedOperation", errors.RequestError, None, "Only a PENDING render job can be cancelled"),
    ("ModelNotFound", errors.RequestError, None, "Check the model's name"),
    ("NotFound", errors.RequestError, None, "does not have this path"),
    ("InvalidApiKey", errors.AccessError, None, "Set a valid key"),
    ("AccessDenied", errors.AccessError, None, "Check the key's permissions"),
    ("Model.AccessDenied", errors.AccessError, None, "Allow the workspace to use this model"),
    ("Workspace.AccessDenied", errors.AccessError, None, "Check the connection's workspace"),
    ("WorkSpaceNotFound", errors.AccessError, None, "Check the connection's workspace"),
    ("AllocationQuota.FreeTierOnly", errors.AccessError, None, "enable paid use"),
    ("Arrearage", errors.AccessError, None, "Settle the account's bill"),
    ("CommodityNotPurchased", errors.AccessError, None, "Settle the account's bill"),
    ("PrepaidBillOverdue", errors.AccessError, None, "Settle the account's bill"),
    ("PostpaidBillOverdue", errors.AccessError, None, "Settle the account's bill"),
    ("Throttling", errors.ThrottledError, None, "Lower the connection's queries per second"),
    ("Throttling.AllocationQuota", errors.ThrottledError, None, "ask the vendor for a higher quota"),
    ("LimitRequests", errors.ThrottledError, None, "Lower the connection's queries per second"),
    ("InternalError", errors.ServerError, None, "give the request_id"),
    ("InternalError.Timeout", errors.ServerError, None, "after three hours"),
    ("SystemError", errors.ServerError, None, "give the request_id"),
    ("ModelServiceFailed", errors.ServerError, None, "give the request_id"),
    ("RequestTimeOut", errors.ServerError, None, "Shorten the text"),
    ("ServiceUnavailable", errors.ServerError, None, "give the request_id"),
    ("ModelUnavailable", errors.ServerError, None, "give the request_id"),
]


@pytest.mark.parametrize(("code", "kind", "retryable", "remedy"), TABLE)
@pytest.mark.parametrize("suffix", ["", ".Unlisted"])
def test_each_code_and_its_family(
    code: str, kind: type[errors.ServiceError], retryable: bool | None, remedy: str, suffix: str
) -> None:
    meaning = meaning_of(code + suffix)
    assert (meaning.error, meaning.retryable) == (kind, retryable)
    assert remedy in meaning.remedy
    assert is_known(code + suffix)


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("invalid_parameter_error", "InvalidParameter"),
        ("model_not_found", "ModelNotFound"),
        ("invalid_api_key", "InvalidApiKey"),
        ("limit_requests", "LimitRequests"),
        ("limit_burst_rate", "Throttling"),
        ("insufficient_quota", "Throttling.AllocationQuota"),
        ("NOT AUTHORIZED", "Workspace.AccessDenied"),
    ],
)
def test_other_spellings_of_a_code(spelling: str, code: str) -> None:
    assert meaning_of(spelling) == meaning_of(code)
    assert is_known(spelling)


def test_no_code_is_missing_here() -> None:
    assert MEANINGS.keys() == {code for code, *_ in TABLE}


@pytest.mark.parametrize("code", ["Throttling.AllocationQuota", "insufficient_quota", "Throttling", "Brand.New", ""])
@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Free allocated quota exceeded.", errors.AccessError),
        ("FREE QUOTA EXCEEDED", errors.AccessError),
        ('The free tier of the model has been exhausted. Disable the "use free tier only" mode.', errors.AccessError),
        ("您的免费额度已用完", errors.AccessError),
        ("Allocated quota exceeded, please increase your quota limit.", errors.ThrottledError),
        ("You exceeded your current quota, please check your plan and billing details.", errors.ThrottledError),
        ("Requests rate limit exceeded, please try again later.", errors.ThrottledError),
        ("The free tier allows 60 requests per minute.", errors.ThrottledError),
        ("Feel free to retry. Quota exceeded.", errors.ThrottledError),
        ("", errors.ThrottledError),
    ],
)
def test_a_quota_that_never_comes_back_is_an_error_of_the_account(
    code: str, message: str, kind: type[errors.ServiceError]
) -> None:
    error = service_error({"code": code, "message": message}, status=429, headers={"retry-after": "60"})
    assert type(error) is kind
    assert error.retryable is (kind is errors.ThrottledError)
    assert ("paid use" in error.remedy) is (kind is errors.AccessError)


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("Throttling.AllocationQuota", 400, "Allocated quota exceeded, please increase your quota limit."),
        ("Throttling.AllocationQuota", 429, "Maximum voice storage limit exceeded"),
        ("insufficient_quota", 400, ""),
    ],
)
def test_a_full_storage_for_voices_is_an_error_of_the_account(code: str, status: int, message: str) -> None:
    error = service_error({"code": code, "message": message}, status=status, headers={})
    assert (type(error), error.retryable) == (errors.AccessError, False)
    assert "voices" in error.remedy


def test_openai_style_body_and_header_id() -> None:
    payload = {"error": {"code": "invalid_api_key", "message": "bad key"}}
    error = service_error(payload, status=401, headers={"x-request-id": "h1"})
    assert (error.code, error.message, error.request_id) == ("invalid_api_key", "bad key", "h1")


def test_a_code_is_cut_to_a_hundred_characters() -> None:
    assert service_error({"code": "A" * 101}, status=400, headers={}).code == "A" * 100


def test_a_failed_task_without_code_means_nothing_in_particular() -> None:
    assert meaning_of("").error is errors.ServerError


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "1000000000"}, 600.0),
        ({"retry-after": "9" * 400}, 600.0),
        ({"retry-after-ms": "inf"}, 600.0),
        ({"retry-after-ms": "nan"}, 0.0),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
