"""One description of a request, and of how its reply is read, for the sync and the async client alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from airflow_provider_videoretalk.dashscope.codes import service_error
from airflow_provider_videoretalk.dashscope.errors import (
    DashScopeError,
    OutcomeUnknownError,
    ServerError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.form import FileForm

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
"""Seconds to reach the endpoint."""

READ_TIMEOUT = 30.0
"""Seconds between two bytes of a reply that the service gives at once."""

# 408 and 499 are said by gateways that gave up waiting for the service, which may have taken the request.
_INDEFINITE_REFUSALS = (408, 499)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An HTTP reply, read whole.

    :param headers: names in lower case
    """

    status: int
    headers: Mapping[str, str]
    content: bytes

    def payload(self) -> Mapping[str, Any]:
        """The JSON object in the body.

        :raises ServiceError: the service answered with an error, also one inside an HTTP 200
        :raises TransportError: the body is not a JSON object
        """
        try:
            payload = json.loads(self.content)
        except ValueError:
            payload = None
        if not isinstance(payload, dict):
            if 400 <= self.status < 500 and self.status not in _INDEFINITE_REFUSALS:
                raise service_error({}, status=self.status, headers=self.headers)
            raise TransportError(
                f"the endpoint answered {self._described()}, not a JSON object",
                status=self.status,
                request_id=self.headers.get("x-request-id"),
                remedy="Check the connection's base URL, and the gateway or proxy on the way.",
            )
        # Qwen's success bodies carry "code": "".
        if self.status >= 400 or payload.get("code"):
            raise service_error(payload, status=self.status, headers=self.headers)
        return payload

    def _described(self) -> str:
        kind = self.headers.get("content-type", "no content type").partition(";")[0]
        return f"{len(self.content)} bytes of {kind}" if self.content else "an empty body"


@dataclass(frozen=True, kw_only=True)
class Request(Generic[T]):
    """Something the service can be asked.

    :param path: below the base URL; an absolute URL goes to another host, and never carries the key
    :param parse: turns the reply's JSON object into the answer
    :param body: a JSON object, or a form with a file
    :param read_timeout: seconds between two bytes of the reply
    :param creates: whether a success starts paid work, so that a lost reply must not lead to a second request
    """

    method: Literal["GET", "POST"]
    path: str
    parse: Callable[[Mapping[str, Any]], T]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | FileForm | None = None
    read_timeout: float = READ_TIMEOUT
    creates: bool = False

    def read(self, reply: Reply) -> T:
        """The answer in ``reply``.

        :raises ServiceError: the service refused or failed
        :raises TransportError: the reply can't be read
        :raises OutcomeUnknownError: as these two, where paid work may have begun
        """
        try:
            return self.answer(reply)
        except (ServerError, TransportError) as error:
            raise self.lost(error) from error
        except DashScopeError as error:
            # Whatever its code says: only a definite 4xx means that nothing was created.
            if reply.status >= 500 or reply.status in _INDEFINITE_REFUSALS:
                raise self.lost(error) from error
            raise

    def answer(self, reply: Reply) -> T:
        """Reads a reply of this kind; requests whose replies are not JSON override it."""
        payload = reply.payload()
        try:
            return self.parse(payload)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TransportError(
                f"the reply lacks something it should hold ({type(error).__name__}: {error})",
                status=reply.status,
                request_id=str(payload.get("request_id") or "") or None,
                remedy="The service or a gateway answers in a shape that this version does not know; report it.",
            ) from error

    def lost(self, error: DashScopeError) -> DashScopeError:
        """``error``, or the error it means for a request that was sent and whose effect is not known."""
        if not self.creates:
            return error
        return OutcomeUnknownError(
            f"the submit was sent, but no usable reply came: {error.message}",
            code=error.code,
            request_id=error.request_id,
            status=error.status,
            remedy="A task may exist and bill: look for it in the task list before submitting again.",
        )
