"""Describes one request and how its reply is read, for the sync and the async client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from airflow_provider_videoretalk.dashscope.error_codes import is_success, service_error
from airflow_provider_videoretalk.dashscope.errors import (
    DashScopeError,
    OutcomeUnknownError,
    RequestError,
    ServerError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.multipart_upload import MultipartUpload
from airflow_provider_videoretalk.dashscope.reply_values import mapping, parse_reply, plain_id

T = TypeVar("T")

Route = Literal["submit", "query", "list", "cancel", "upload"]
"""The routes that a gateway may have elsewhere, or not at all: see :mod:`.dialect`."""

CONNECT_TIMEOUT = 10.0
"""Seconds to reach the endpoint."""

READ_TIMEOUT = 30.0
"""Seconds between two bytes of a reply that the service gives at once."""

TOTAL_TIMEOUT = 60.0
"""Seconds for a request and its whole reply."""

NOTHING_CREATED: Mapping[int, str] = {
    400: "the service's documented refusal of a request's content",
    401: "the key was refused",
    402: "the account was refused; gateways say so before they forward",
    403: "the permission was refused",
    404: "no such path or model",
    405: "the path does not take a POST",
    407: "a proxy wants credentials, and forwarded nothing",
    410: "no such path any more",
    411: "refused by the headers, before the body was read",
    413: "the body is too large, and was not processed",
    414: "the URL is too long",
    415: "the body's type was refused",
    416: "a range was refused; a submit has none, so this is no answer of the service",
    417: "an expectation of the headers was refused, before the body was read",
    421: "the server is not responsible for this host",
    422: "the body was understood and refused",
    426: "another protocol is required",
    428: "a condition is required before the request is processed",
    429: "the service's documented answer to too many requests",
    431: "refused by the headers",
    451: "refused for legal reasons",
}
"""The answers to a submit that prove that no render job was created, and why. Besides them, a redirect proves it: it
comes from a portal or a proxy in place of the service, whose API has none."""

MAYBE_CREATED: Mapping[int, str] = {
    406: "the answer has a type that was not asked for; the request may have been processed",
    408: "a gateway stopped waiting, and may have forwarded the request",
    409: "it conflicts with a request that exists: perhaps a first copy of this one, which a gateway sent twice",
    412: "a condition failed that the client did not send: a proxy's, which may have sent the request twice",
    418: "no defined meaning; some gateways use it for a check that follows the request",
    423: "something is locked: perhaps by a first copy of this request",
    424: "a step that depends on the request failed; the request itself may have succeeded",
    425: "the request came too early in a connection, and a proxy may send it again",
    499: "a gateway closed the request, which the service may have accepted",
}
"""The answers from 400 to 499 after which a render job may exist, and why. The same holds for:

- a success without the id of a render job, whatever code it has: it claims to have been processed
- every answer from 500 on: it failed after it was begun, or a gateway got no answer
- a status in neither table, whose meaning nobody has defined
"""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A complete HTTP reply.

    :param headers: names in lower case
    """

    status: int
    headers: Mapping[str, str]
    content: bytes

    def payload(self) -> Mapping[str, Any]:
        """The JSON object in the body.

        :raises ServiceError: the service answered with an error, which may be inside an HTTP 200
        :raises TransportError: the body is not a JSON object
        """
        if 300 <= self.status < 400:
            # Nothing was processed there, and the key must not go elsewhere.
            raise RequestError(
                "the endpoint redirects to another URL, which is not followed",
                status=self.status,
                request_id=plain_id(self.headers.get("x-request-id")),
                remedy="Set the connection's base URL to the URL that the endpoint redirects to.",
            )
        try:
            payload = parse_reply(self.content)
        except ValueError:
            payload = None
        if not isinstance(payload, dict):
            if self.status in NOTHING_CREATED:
                raise service_error({}, status=self.status, headers=self.headers)
            raise TransportError(
                f"the endpoint answered {self._described()}, not a JSON object",
                status=self.status,
                request_id=plain_id(self.headers.get("x-request-id")),
                remedy="Check the connection's base URL, and any gateway or proxy between Airflow and the service.",
            )
        if self.status >= 400 or (not is_success(payload.get("code")) and not _has_content(payload)):
            raise service_error(payload, status=self.status, headers=self.headers)
        return payload

    def _described(self) -> str:
        kind = self.headers.get("content-type", "no content type").partition(";")[0]
        return f"{len(self.content)} bytes of {kind}" if self.content else "an empty body"


@dataclass(frozen=True, kw_only=True)
class Request(Generic[T]):
    """One request to the service.

    :param path: below the base URL; from the root of its host if it begins with a slash; an absolute URL goes to
        another host, without the key
    :param parse: converts the JSON object of the reply
    :param body: a JSON object, or a form with a file
    :param read_timeout: seconds between two bytes of the reply
    :param total_timeout: seconds for the request and the whole reply, however slowly it arrives
    :param creates: whether success starts paid work; then a lost reply must not lead to a second request
    :param route: which route a gateway may have elsewhere; ``None`` for one that is the same everywhere
    :param job_id: the render job that a query is about
    """

    method: Literal["GET", "POST"]
    path: str
    parse: Callable[[Mapping[str, Any]], T]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | MultipartUpload | None = None
    read_timeout: float = READ_TIMEOUT
    total_timeout: float = TOTAL_TIMEOUT
    creates: bool = False
    route: Route | None = None
    job_id: str = ""

    def read(self, reply: Reply) -> T:
        """Returns the parsed reply.

        :raises ServiceError: the service refused or failed
        :raises TransportError: the reply cannot be read
        :raises OutcomeUnknownError: the same failures, if paid work may have begun
        """
        try:
            return self.answer(reply)
        except (ServerError, TransportError) as error:
            raise self.lost(error) from error
        except DashScopeError as error:
            # Whatever the code says.
            refused = reply.status in NOTHING_CREATED or 300 <= reply.status < 400
            if refused and not _names_job(reply):
                raise
            raise self.lost(error) from error

    def answer(self, reply: Reply) -> T:
        """Parses the reply. Requests whose replies are not JSON override it."""
        payload = reply.payload()
        try:
            return self.parse(payload)
        except DashScopeError:
            raise
        except Exception as error:
            if not is_success(payload.get("code")):
                raise service_error(payload, status=reply.status, headers=reply.headers) from error
            raise TransportError(
                f"the reply has an unexpected shape ({type(error).__name__}: {error})",
                status=reply.status,
                request_id=plain_id(payload.get("request_id")),
                remedy="The service or a gateway uses a reply format that this version does not support; report it.",
            ) from error

    def lost(self, error: DashScopeError) -> DashScopeError:
        """The error to raise if this request was sent and ``error`` came instead of a usable reply."""
        if not self.creates:
            return error
        return OutcomeUnknownError(
            f"the submit was sent, but no usable reply arrived: {error.message}",
            code=error.code,
            request_id=error.request_id,
            status=error.status,
            remedy="A render job may exist and be billed: look for it in the service's list before you submit again.",
        )


def _names_job(reply: Reply) -> bool:
    """Whether a refusal has the id of a render job, and so contradicts itself."""
    try:
        payload = parse_reply(reply.content)
    except ValueError:
        return False
    return isinstance(payload, dict) and plain_id(mapping(payload.get("output")).get("task_id")) is not None


def _has_content(payload: Mapping[str, Any]) -> bool:
    """Whether a reply with an error code says something all the same, for example the id of a job that was created."""
    return bool(payload.get("output") or payload.get("data"))
