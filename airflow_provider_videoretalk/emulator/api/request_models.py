"""Checks the bodies of requests, and holds the models of a VideoRetalk submit."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from airflow_provider_videoretalk.emulator.service.errors import ServiceError, empty_part, invalid_parameter
from airflow_provider_videoretalk.model_catalog.videoretalk import DEFAULT_FACE_THRESHOLD, FACE_THRESHOLD, MODEL

URL_PATTERN = r"^(https?|oss)://[A-Za-z0-9].*$"

M = TypeVar("M", bound=BaseModel)


def _to_integer(value: Any) -> Any:
    """JSON does not distinguish 170.0 from 170. The strict check handles every other value."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


INTEGRAL = BeforeValidator(_to_integer)
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
    query_face_threshold: Annotated[int, Field(ge=FACE_THRESHOLD.low, le=FACE_THRESHOLD.high), INTEGRAL] = (
        DEFAULT_FACE_THRESHOLD
    )


class VideoRetalkRequest(Body):
    model: Annotated[str, Field(json_schema_extra={"enum": [MODEL]})]
    input: VideoRetalkInput
    parameters: VideoRetalkParameters


def read_model(body: dict[str, Any]) -> str:
    """The body's ``model``; 400 if it is missing or not a string."""
    if body.get("model") in (None, ""):
        raise empty_part("model")
    if not isinstance(body["model"], str):
        raise invalid_parameter("model: Input should be a valid string")
    return body["model"]


def read_body(model: type[M], body: dict[str, Any], *, parts: tuple[str, ...]) -> M:
    """Validate a body by its model; 400 names the first field that is missing or wrong.

    :param parts: top-level fields whose absence has a documented code of its own, ``BadRequest.Empty...``
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
    """Check that a URL is http, https or oss and has a host; else 400 ``InvalidURL``."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https", "oss") and bool(parts.hostname)
        # The property validates the port when it is read.
        is_valid = is_valid and (parts.port is None or parts.port > 0)
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ServiceError(400, "InvalidURL", "Invalid URL provided in your request.")
    return url


def resolves_oss(request: Request) -> bool:
    return request.headers.get("x-dashscope-ossresourceresolve") == "enable"


def require_resolved(url: str, *, resolve_oss: bool) -> None:
    """400 for a file in the temporary store, unless the request has the header that resolves it."""
    if url.startswith("oss://") and not resolve_oss:
        # The message is documented. Its code, and whether the submit returns it, are not certain.
        message = f"No connection adapters were found for '{url}'"
        raise ServiceError(400, "InvalidParameter.DataInspection", message)
