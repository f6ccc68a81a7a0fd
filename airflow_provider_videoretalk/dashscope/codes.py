"""The service's documented error codes: what each means for the caller.

From the vendor's pages on error messages, VideoRetalk and rate limits (editions of October 2026). A code that is not in
the table is judged by its family (the part before the last dot), and then by its HTTP status alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    RequestError,
    ServerError,
    ServiceError,
    ThrottledError,
)


@dataclass(frozen=True)
class Meaning:
    """How to treat a code: the error raised for it, whether sending again can help, and the remedy."""

    error: type[ServiceError]
    remedy: str
    retryable: bool | None = None


_FETCH = "Make the URL downloadable from mainland China, without a login, within 60 seconds, while the task queues."
_TRANSCODE = "Transcode the file: mp4, avi or mov (H.264 or H.265); wav, mp3 or aac; jpeg, png, bmp or webp."
_BILL = "Settle the account's bill in the vendor's console."
_SLOW_DOWN = "Lower the connection's queries per second, or submit through a pool of two or three slots."
_WAIT = "Wait, then try again; if it stays, give the vendor the request_id."

MEANINGS: Mapping[str, Meaning] = {
    "InvalidParameter": Meaning(RequestError, "Correct the field that the message names."),
    "InvalidParameter.DataInspection": Meaning(RequestError, _FETCH),
    "BadRequest": Meaning(RequestError, "Correct the request as the message says."),
    "InvalidURL": Meaning(RequestError, _FETCH),
    "InvalidURL.ConnectionRefused": Meaning(RequestError, _FETCH, retryable=True),
    "InvalidURL.Timeout": Meaning(RequestError, _FETCH, retryable=True),
    "InvalidFile": Meaning(RequestError, "Replace the file by one within the documented limits."),
    "InvalidFile.Size": Meaning(RequestError, "Shrink the file: video 300 MB, audio 30 MB, image 10 MB at most."),
    "InvalidFile.Format": Meaning(RequestError, _TRANSCODE),
    "InvalidFile.Openerror": Meaning(RequestError, _TRANSCODE),
    "InvalidFile.Resolution": Meaning(RequestError, "Scale the video so that each side has 640 to 2048 pixels."),
    "InvalidFile.FPS": Meaning(RequestError, "Convert the video to 15 to 60 frames a second."),
    "InvalidFile.Duration": Meaning(RequestError, "Cut or extend video and audio to 2 to 120 seconds each."),
    "InvalidFile.ImageSize": Meaning(RequestError, "Scale the image: sides up to 4096 pixels, aspect up to 2."),
    "InvalidFile.Content": Meaning(RequestError, "Use a reference image that shows one person, from the front."),
    "InvalidFile.FaceNotMatch": Meaning(
        RequestError, "Use a reference image of somebody in the video, or lower query_face_threshold."
    ),
    "InvalidImage": Meaning(RequestError, "Use a reference image that shows one person, from the front."),
    "InvalidPerson": Meaning(RequestError, "Use media that show one person, from the front."),
    "DataInspectionFailed": Meaning(RequestError, "The content was blocked by moderation: change script or picture."),
    "UnsupportedOperation": Meaning(RequestError, "Only a PENDING task can be cancelled; this one runs on, and bills."),
    "ModelNotFound": Meaning(RequestError, "Check the model's name and that the endpoint's region has it."),
    "NotFound": Meaning(RequestError, "Check the base URL: the endpoint does not have this path."),
    "InvalidApiKey": Meaning(AccessError, "Put a valid key of the endpoint's region into the connection's password."),
    "AccessDenied": Meaning(AccessError, "Check the key's permissions for this model and workspace."),
    "Model.AccessDenied": Meaning(AccessError, "Let the workspace use this model."),
    "Workspace.AccessDenied": Meaning(AccessError, "Check the connection's workspace."),
    "WorkSpaceNotFound": Meaning(AccessError, "Check the connection's workspace."),
    "AllocationQuota.FreeTierOnly": Meaning(AccessError, "The free quota is used up: allow paid use in the console."),
    "Arrearage": Meaning(AccessError, _BILL),
    # Billing codes come with HTTP 429, which elsewhere means "later".
    "CommodityNotPurchased": Meaning(AccessError, _BILL),
    "PrepaidBillOverdue": Meaning(AccessError, _BILL),
    "PostpaidBillOverdue": Meaning(AccessError, _BILL),
    "Throttling": Meaning(ThrottledError, _SLOW_DOWN),
    "Throttling.AllocationQuota": Meaning(ThrottledError, "Wait a minute, or ask the vendor for a higher quota."),
    "LimitRequests": Meaning(ThrottledError, _SLOW_DOWN),
    "InternalError": Meaning(ServerError, _WAIT),
    "InternalError.Timeout": Meaning(ServerError, "The service gave up after three hours: submit fewer tasks at once."),
    "SystemError": Meaning(ServerError, _WAIT),
    "ModelServiceFailed": Meaning(ServerError, _WAIT),
    "RequestTimeOut": Meaning(ServerError, "Shorten the text, then try again."),
    "ServiceUnavailable": Meaning(ServerError, _WAIT),
    "ModelUnavailable": Meaning(ServerError, _WAIT),
}

# Spellings that the vendor's pages and gateways use for the same thing.
_ALIASES = {
    "invalid_api_key": "InvalidApiKey",
    "NOT AUTHORIZED": "Workspace.AccessDenied",
    "limit_requests": "LimitRequests",
    "limit_burst_rate": "Throttling.BurstRate",
    "insufficient_quota": "Throttling.AllocationQuota",
}


def meaning_of(code: str, *, status: int | None = None) -> Meaning:
    """What ``code`` means, by the table, by its family, or by the HTTP ``status`` it came with."""
    family = _family(code)
    if family:
        return MEANINGS[family]
    if status == 429:
        return MEANINGS["Throttling"]
    if status in (401, 403):
        return MEANINGS["AccessDenied"]
    if status is not None and 400 <= status < 500 and status != 408:
        return MEANINGS["BadRequest"]
    return MEANINGS["InternalError"]


def is_known(code: str) -> bool:
    """Whether the table tells what ``code`` means."""
    return _family(code) is not None


def _family(code: str) -> str | None:
    """The row for ``code``: its own, or that of the nearest part before a dot."""
    family = _ALIASES.get(code, code)
    while family and family not in MEANINGS:
        family = family.rpartition(".")[0]
    return family or None


def service_error(payload: Mapping[str, Any], *, status: int, headers: Mapping[str, str]) -> ServiceError:
    """The error for a reply that is not a success.

    :param payload: the reply's JSON body; ``{"error": {...}}`` as on OpenAI-compatible endpoints is understood too
    :param headers: the reply's headers, names in lower case
    """
    nested = payload.get("error")
    details = nested if isinstance(nested, Mapping) else payload
    code = str(details.get("code") or "")
    meaning = meaning_of(code, status=status)
    return meaning.error(
        str(details.get("message") or f"the service answered HTTP {status} without a message"),
        code=code,
        request_id=str(payload.get("request_id") or headers.get("x-request-id") or "") or None,
        status=status,
        retryable=meaning.retryable,
        retry_after=retry_after(headers),
        remedy=meaning.remedy,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from ``retry-after-ms`` or ``Retry-After`` (seconds or an HTTP date), ``None`` where there are none.

    The service documents neither; the vendor's SDK honours both. A date counts from the reply's own ``Date``.
    """
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers["retry-after"]
        if value.replace(".", "", 1).isdigit():
            return float(value)
        later, now = parsedate_to_datetime(value), parsedate_to_datetime(headers["date"])
        return max(0.0, (later - now).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None
