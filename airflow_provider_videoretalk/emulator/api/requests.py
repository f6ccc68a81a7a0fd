"""The bodies clients send, and how they are read: the checks the service makes before it takes a request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from airflow_provider_videoretalk.emulator.service.errors import ServiceError, empty_part, invalid_parameter
from airflow_provider_videoretalk.limits import FACE_THRESHOLD, MEGABYTE

if TYPE_CHECKING:
    from fastapi import Request

MAX_BODY_BYTES = 16 * MEGABYTE
URL_PATTERN = r"^(https?|oss)://[A-Za-z0-9].*$"

M = TypeVar("M", bound=BaseModel)


def _whole(value: Any) -> Any:
    """JSON does not tell 170.0 from 170; everything else is left to the strict check."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
MediaUrl = Annotated[str, Field(json_schema_extra={"pattern": URL_PATTERN})]


class Body(BaseModel):
    """Strict types, unknown fields ignored: the vendor's own SDK adds a prompt to every submit."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class VideoRetalkInput(Body):
    video_url: MediaUrl
    audio_url: MediaUrl
    ref_image_url: Annotated[str, Field(json_schema_extra={"pattern": f"^$|{URL_PATTERN}"})] | None = None


class VideoRetalkParameters(Body):
    video_extension: bool = False
    query_face_threshold: Annotated[int, Field(ge=FACE_THRESHOLD.low, le=FACE_THRESHOLD.high), WHOLE] = 170


class VideoRetalkRequest(Body):
    model: Annotated[str, Field(json_schema_extra={"enum": ["videoretalk"]})]
    input: VideoRetalkInput
    parameters: VideoRetalkParameters


async def read_json(request: Request) -> dict[str, Any]:
    """A request's body as a JSON object.

    Raises 413 over 16 MiB and 400 ``InvalidParameter`` for anything that is not a JSON object or not declared as JSON
    (``Content-Type: application/json`` is documented as required; what the service does without it is not known).
    """
    data = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        # What is too much is still read, and dropped: a client that is cut off mid-body would not see the answer.
        if size <= MAX_BODY_BYTES:
            data += chunk
    if size > MAX_BODY_BYTES:
        # The code is not known of the service, the status and the limit are.
        raise ServiceError(413, "RequestEntityTooLarge", "The request body must not exceed 16 MiB.")
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json":
        raise invalid_parameter("Content-Type must be application/json")
    try:
        text = data.decode("utf-8")
        body = json.loads(text, parse_constant=_no_constant)
        if "\\ud" in text.lower():
            # An escaped half of a surrogate pair is no text: nothing that holds one could be shown again.
            json.dumps(body, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise invalid_parameter("Request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise invalid_parameter("Request body must be a JSON object.")
    return body


def read_model(body: dict[str, Any]) -> str:
    """The body's ``model``; 400 when it is missing or not a text."""
    if body.get("model") in (None, ""):
        raise empty_part("model")
    if not isinstance(body["model"], str):
        raise invalid_parameter("model: Input should be a valid string")
    return body["model"]


def read_body(model: type[M], body: dict[str, Any], *, parts: tuple[str, ...]) -> M:
    """Check a body by its model; 400 names the first field that is missing or wrong.

    :param parts: top-level parts whose absence has a documented code of its own, ``BadRequest.Empty...``
    """
    for part in parts:
        if body.get(part) is None:
            raise empty_part(part)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        if first["type"] == "missing":
            raise invalid_parameter(f"Field required: {field}") from None
        raise invalid_parameter(f"{field}: {first['msg']}") from None


def require_media_url(url: str) -> str:
    """Check that a URL is http, https or oss with a host; else 400 ``InvalidURL``."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https", "oss") and bool(parts.hostname)
        # Reading the port is what checks it.
        good = good and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise ServiceError(400, "InvalidURL", "Invalid URL provided in your request.")
    return url


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
