"""The documented error codes of the service, and what each means for the caller.

Source: the vendor's pages on error messages, VideoRetalk, rate limits and voice cloning (editions of October 2026). A
code that is not in the table is treated as its family (the part before the last dot), else by its HTTP status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    RequestError,
    ServerError,
    ServiceError,
    ThrottledError,
)
from airflow_provider_videoretalk.dashscope.reply_values import line, plain_id
from airflow_provider_videoretalk.outbound.retry_after import retry_after
from airflow_provider_videoretalk.outbound.signed_url import safe_text


@dataclass(frozen=True)
class Meaning:
    """The error to raise for a code, its remedy, and whether a retry can help."""

    error: type[ServiceError]
    remedy: str
    retryable: bool | None = None


_FETCH = "Make the URL downloadable from mainland China, without a login, within 60 seconds, while the job is queued."
_TRANSCODE = "Transcode the file: mp4, avi or mov (H.264 or H.265); wav, mp3 or aac; jpeg, png, bmp or webp."
_BILL = "Settle the account's bill in the vendor's console."
_SLOW_DOWN = "Lower the connection's queries per second, or submit through a pool of two or three slots."
_SAMPLE = "Record 10 to 20 seconds of clear speech of one person, without music, noise or pauses over 2 seconds."
_SAMPLE_FORMAT = (
    "Give the sample as WAV of 16 bits, MP3 or M4A, mono, with 24,000 Hz or more, 10 MB and 60 seconds at most."
)
_VOICE = "Check the voice's id. A voice belongs to one account, and is deleted when a year has passed without its use."
_WAIT = "Wait and try again. If the error persists, give the request_id to the vendor's support."

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
    "InvalidFile.Content": Meaning(RequestError, "Use a reference image that shows one person from the front."),
    "InvalidFile.FaceNotMatch": Meaning(
        RequestError, "Use a reference image of somebody in the video, or lower query_face_threshold."
    ),
    "InvalidImage": Meaning(RequestError, "Use a reference image that shows one person from the front."),
    "InvalidPerson": Meaning(RequestError, "Use media that show one person from the front."),
    "DataInspectionFailed": Meaning(RequestError, "Moderation blocked the content: change the script or the picture."),
    "Audio": Meaning(RequestError, _SAMPLE),
    "Audio.AudioShortError": Meaning(RequestError, _SAMPLE),
    "Audio.AudioSilentError": Meaning(RequestError, _SAMPLE),
    "Audio.PreprocessError": Meaning(RequestError, _SAMPLE),
    "Audio.AudioRateError": Meaning(RequestError, _SAMPLE_FORMAT),
    "Audio.DecoderError": Meaning(RequestError, _SAMPLE_FORMAT),
    "BadRequest.UnsupportedFileFormat": Meaning(RequestError, _SAMPLE_FORMAT),
    "BadRequest.InputDownloadFailed": Meaning(RequestError, _FETCH),
    "BadRequest.ResourceNotExist": Meaning(RequestError, _VOICE),
    "BadRequest.VoiceNotFound": Meaning(RequestError, _VOICE),
    "VoiceNotFound": Meaning(RequestError, _VOICE),
    "UnsupportedOperation": Meaning(
        RequestError, "Only a PENDING render job can be cancelled. This one continues, and is billed if it succeeds."
    ),
    "ModelNotFound": Meaning(RequestError, "Check the model's name and that the endpoint's region has it."),
    "NotFound": Meaning(RequestError, "Check the base URL: the endpoint does not have this path."),
    "InvalidApiKey": Meaning(AccessError, "Set a valid key of the endpoint's region as the connection's password."),
    "AccessDenied": Meaning(AccessError, "Check the key's permissions for this model and workspace."),
    "Model.AccessDenied": Meaning(AccessError, "Allow the workspace to use this model."),
    "Workspace.AccessDenied": Meaning(AccessError, "Check the connection's workspace."),
    "WorkSpaceNotFound": Meaning(AccessError, "Check the connection's workspace."),
    "AllocationQuota.FreeTierOnly": Meaning(AccessError, "The free quota is used up: enable paid use in the console."),
    "Arrearage": Meaning(AccessError, _BILL),
    # Billing codes come with HTTP 429, which otherwise means throttling.
    "CommodityNotPurchased": Meaning(AccessError, _BILL),
    "PrepaidBillOverdue": Meaning(AccessError, _BILL),
    "PostpaidBillOverdue": Meaning(AccessError, _BILL),
    "Throttling": Meaning(ThrottledError, _SLOW_DOWN),
    "Throttling.AllocationQuota": Meaning(ThrottledError, "Wait a minute, or ask the vendor for a higher quota."),
    "LimitRequests": Meaning(ThrottledError, _SLOW_DOWN),
    "InternalError": Meaning(ServerError, _WAIT),
    "InternalError.Timeout": Meaning(
        ServerError, "The service dropped the job after three hours: submit fewer jobs at once."
    ),
    "SystemError": Meaning(ServerError, _WAIT),
    "ModelServiceFailed": Meaning(ServerError, _WAIT),
    "RequestTimeOut": Meaning(ServerError, "Shorten the text, then try again."),
    "ServiceUnavailable": Meaning(ServerError, _WAIT),
    "ModelUnavailable": Meaning(ServerError, _WAIT),
}

# The account's storage for voices is full: the same code with HTTP 400, or a message that says so.
_STORAGE_IS_FULL = Meaning(AccessError, "Delete voices that are no longer used, or ask the vendor for a higher quota.")
_VOICE_STORAGE_LIMIT = re.compile(r"\bvoice storage limit\b", re.IGNORECASE)

# Other spellings of the same codes, on the vendor's pages and in gateways.
_ALIASES = {
    "invalid_api_key": "InvalidApiKey",
    "NOT AUTHORIZED": "Workspace.AccessDenied",
    "limit_requests": "LimitRequests",
    "limit_burst_rate": "Throttling.BurstRate",
    "insufficient_quota": "Throttling.AllocationQuota",
    "invalid_parameter_error": "InvalidParameter",
    "model_not_found": "ModelNotFound",
}


# The service answers a quota that is used up for good as if it were a limit for each minute. Only the words differ:
# "Free allocated quota exceeded." and "Allocated quota exceeded, please increase your quota limit."
_FREE_QUOTA_USED_UP = re.compile(
    r"\bfree (\w+ )?(quota|tier|credits?|trial)\b|\bfree-tier\b|免费.{0,8}额度", re.IGNORECASE
)
_LIMIT_OF_A_RATE = re.compile(r"per[ -](minute|second)|\brate limit|requests? limit|try again later", re.IGNORECASE)


def meaning_of(code: str, *, status: int | None = None, message: str = "") -> Meaning:
    """The meaning of ``code``: by the table, by its family, or by the HTTP ``status`` of the reply.

    :param message: the service's words, which distinguish a free quota that is used up from throttling
    """
    if _VOICE_STORAGE_LIMIT.search(message):
        return _STORAGE_IS_FULL
    meaning = _meaning_of_code(code, status)
    if meaning.error is not ThrottledError:
        return meaning
    if status == 400 and _family(code) == "Throttling.AllocationQuota":
        return _STORAGE_IS_FULL
    is_used_up = _FREE_QUOTA_USED_UP.search(message) and not _LIMIT_OF_A_RATE.search(message)
    return MEANINGS["AllocationQuota.FreeTierOnly"] if is_used_up else meaning


def _meaning_of_code(code: str, status: int | None) -> Meaning:
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


def is_success(code: object) -> bool:
    """Whether ``code`` in a reply with HTTP 200 is no error: Qwen's replies have ``""``, some gateways ``Success``."""
    return str(code or "").lower() in ("", "0", "200", "ok", "success")


def is_known(code: str) -> bool:
    """Whether ``code`` or its family is in the table."""
    return _family(code) is not None


def _family(code: str) -> str | None:
    """The key of the row for ``code``: its own, or the nearest part before a dot."""
    family = _ALIASES.get(code, code)
    while family and family not in MEANINGS:
        family = family.rpartition(".")[0]
    return family or None


def service_error(payload: Mapping[str, Any], *, status: int, headers: Mapping[str, str]) -> ServiceError:
    """The error for a reply that is not a success.

    :param payload: JSON body of the reply; also ``{"error": {...}}`` as on OpenAI-compatible endpoints
    :param headers: headers of the reply, names in lower case
    """
    nested = payload.get("error")
    details = nested if isinstance(nested, Mapping) else payload
    code = line(details.get("code"), max_length=100) or ""
    # The service's messages name the URLs of inputs.
    message = safe_text(line(details.get("message")) or "") or f"the service answered HTTP {status} without a message"
    meaning = meaning_of(code, status=status, message=message)
    return meaning.error(
        message,
        code=code,
        request_id=plain_id(payload.get("request_id")) or plain_id(headers.get("x-request-id")),
        status=status,
        retryable=meaning.retryable,
        retry_after=retry_after(headers),
        remedy=meaning.remedy,
    )
