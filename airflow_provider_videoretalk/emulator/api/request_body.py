"""Reads the bodies of requests, within limits that also hold for a body that does not end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.emulator.service.errors import ServiceError, invalid_parameter
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import Request

MAX_JSON_BYTES = 16 * MEGABYTE


class BodyTooLargeError(Exception):
    """A body is larger than its limit. The connection must be closed after the reply: the client may still send."""


class LimitedBody:
    """The chunks of a request's body.

    What exceeds the limit is read and dropped, or the client would not see the reply: its connection would close while
    it sends. But no more is dropped than the limit allows to be read.

    :param max_bytes: the largest body
    """

    def __init__(self, request: Request, *, max_bytes: int) -> None:
        self._stream = request.stream()
        self._max_bytes = max_bytes
        self._size = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """
        :raises BodyTooLargeError: the body exceeds the limit
        """
        async for chunk in self._stream:
            self._size += len(chunk)
            if self._size > self._max_bytes:
                await self.drop_rest()
                raise BodyTooLargeError
            yield chunk

    async def drop_rest(self) -> None:
        """Returns when the client has sent everything, so that it reads a refusal.

        :raises BodyTooLargeError: it sends too much
        """
        async for chunk in self._stream:
            self._size += len(chunk)
            if self._size > 2 * self._max_bytes:
                raise BodyTooLargeError


async def read_json(request: Request) -> Any:
    """A request's body as a JSON value.

    Raises:

    - 413 above 16 MiB
    - 400 ``InvalidParameter`` for a body that is not JSON, or not declared as JSON.
      ``Content-Type: application/json`` is documented as required. The service's answer without it is not known.
    """
    data = bytearray()
    try:
        async for chunk in LimitedBody(request, max_bytes=MAX_JSON_BYTES):
            data += chunk
    except BodyTooLargeError:
        # The status and the limit are documented. The code is not known.
        message = "The request body must not exceed 16 MiB."
        raise ServiceError(413, "RequestEntityTooLarge", message, headers={"Connection": "close"}) from None
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json":
        raise invalid_parameter("Content-Type must be application/json")
    try:
        text = data.decode("utf-8")
        body = json.loads(text, parse_constant=_refuse_constant)
        if "\\ud" in text.lower():
            # An escaped half of a surrogate pair is not text: no reply could contain it.
            json.dumps(body, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise invalid_parameter("Request body is not valid JSON.") from None
    return body


async def read_json_object(request: Request) -> dict[str, Any]:
    """A request's body as a JSON object; refusals as for :func:`read_json`."""
    body = await read_json(request)
    if not isinstance(body, dict):
        raise invalid_parameter("Request body must be a JSON object.")
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
