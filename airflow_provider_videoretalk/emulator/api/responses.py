"""Responses in the service's shapes: JSON, error replies, and the object store's XML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from fastapi.responses import JSONResponse, Response

from airflow_provider_videoretalk.emulator.api.paths import COMPATIBLE_PATH

if TYPE_CHECKING:
    from fastapi import Request
    from pydantic import BaseModel

    from airflow_provider_videoretalk.emulator.service.errors import OssError, ServiceError

# What the vendor's error page and public reports call the same errors on the OpenAI-compatible endpoint.
_COMPATIBLE_CODES = {
    "InvalidParameter": "invalid_parameter_error",
    "InvalidApiKey": "invalid_api_key",
    "ModelNotFound": "model_not_found",
    "Throttling.RateQuota": "limit_requests",
}

_HOST = re.compile(r"\A[A-Za-z0-9.\-_\[\]:]{1,255}\Z")


def request_id(request: Request) -> str:
    """The id of a request, new for each one. Whether the service accepts an id of the client is not known."""
    identifier: str = request.scope["state"]["request_id"]
    return identifier


def origin(request: Request) -> str:
    """Scheme and host by which a client reached the emulator, so that returned URLs work for it."""
    host = request.headers.get("host", "")
    if not _HOST.match(host):
        server = request.scope.get("server") or ("127.0.0.1", 80)
        host = f"{server[0]}:{server[1]}"
    return f"{request.scope['scheme']}://{host}"


def json_response(model: BaseModel, *, keep_none: bool = False) -> JSONResponse:
    """A success. Fields without a value are absent, unless `keep_none` is set."""
    content: Any = model.model_dump(exclude_none=not keep_none)
    return JSONResponse(content)


def error_response(request: Request, error: ServiceError) -> JSONResponse:
    """An error reply of DashScope, or of its OpenAI-compatible endpoint."""
    content: dict[str, Any] = {"code": error.code, "message": error.message, "request_id": request_id(request)}
    if request.scope["path"] == COMPATIBLE_PATH:
        code = _COMPATIBLE_CODES.get(error.code, error.code)
        # The type is certain for a wrong request only.
        details = {"code": code, "param": None, "message": error.message, "type": "invalid_request_error"}
        content = {"error": details, "id": f"chatcmpl-{request_id(request)}", "request_id": request_id(request)}
    return JSONResponse(content, status_code=error.status, headers=error.headers)


def oss_error_response(request: Request, error: OssError) -> Response:
    """An error reply of the object store."""
    fields = {
        "Code": error.code,
        "Message": error.message,
        "RequestId": request_id(request),
        "HostId": request.headers.get("host", ""),
        **error.details,
    }
    inner = "".join(f"  <{name}>{escape(text)}</{name}>\n" for name, text in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n{inner}</Error>\n'
    return Response(body, status_code=error.status, media_type="application/xml", headers=error.headers)
