"""Middleware that applies fault rules to requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from airflow_provider_videoretalk.emulator.api.connection_drop import discard_message, drop_connection
from airflow_provider_videoretalk.emulator.api.responses import error_response, oss_error_response, request_id
from airflow_provider_videoretalk.emulator.service.errors import OssError, ServiceError, throttled
from airflow_provider_videoretalk.emulator.service.render_job import PlannedFailure

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_provider_videoretalk.emulator.faults import FaultPlan, FaultRule

GATEWAY_PAGE = (
    "<html><head><title>{status} Bad Gateway</title></head>"
    "<body><center><h1>{status} Bad Gateway</h1></center></body></html>"
)


class FaultMiddleware:
    """Applies the rules of a plan; the operation of a request is in ``scope["state"]["operation"]``."""

    def __init__(self, app: ASGIApp, *, plan: FaultPlan) -> None:
        self.app = app
        self.plan = plan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = scope["state"].get("operation") if scope["type"] == "http" else None
        rule = self.plan.take(operation) if operation else None
        if rule is None:
            await self.app(scope, receive, send)
            return
        scope["state"]["fault"] = rule.effect
        await self._apply(rule, scope, receive, send)

    async def _apply(self, rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
        match rule.effect:
            case "drop_before":
                await drop_connection(scope, receive)
            case "drop_after":
                await self.app(scope, receive, discard_message)
                await drop_connection(scope, receive)
            case "stall":
                stalled = StalledSend(send, seconds=rule.seconds, at_byte=rule.at_byte)
                await self.app(scope, receive, stalled)
            case "drip":
                await self.app(scope, receive, DrippingSend(send, seconds=rule.seconds))
            case "flood":
                await StreamingResponse(_endless(), media_type="application/json")(scope, receive, send)
            case "replace":
                await self.app(scope, receive, ReplacedSend(send, field=rule.field or "", value=rule.value or ""))
            case "date":
                scope["state"]["date"] = rule.value or ""
                await self.app(scope, receive, send)
            case "truncate":
                await self.app(scope, receive, TruncatedSend(send, scope, receive, at_byte=rule.at_byte or 0))
            case "result_cut":
                await self.app(scope, receive, ShortenedSend(send, at_byte=rule.at_byte or 0))
            case "fail_task":
                scope["state"]["planned_failure"] = planned_failure(rule)
                await self.app(scope, receive, send)
            case "merge_lines":
                scope["state"]["merge_lines"] = True
                await self.app(scope, receive, send)
            case _:
                if rule.effect.endswith("_after"):
                    await self.app(scope, receive, discard_message)
                await fault_response(rule, Request(scope))(scope, receive, send)


def planned_failure(rule: FaultRule) -> PlannedFailure:
    """The failure that a rule asks for; an empty code means FAILED with neither code nor message."""
    if rule.code == "":
        return PlannedFailure(code=None, message=None)
    return PlannedFailure(code=rule.code or "InternalError.Algo", message=rule.message or "Inference internal error.")


def fault_response(rule: FaultRule, request: Request) -> Response:
    """The response that replaces the service's own."""
    if rule.effect in ("html", "html_after"):
        status = rule.status or 502
        return HTMLResponse(GATEWAY_PAGE.format(status=status), status_code=status)
    if rule.effect in ("ignore", "empty_list"):
        page = {"total": 0, "total_page": 0, "page_no": 1, "page_size": 10, "data": []}
        return JSONResponse({"request_id": request_id(request)} | (page if rule.effect == "empty_list" else {}))
    if rule.effect == "redirect":
        return RedirectResponse(rule.location or "", status_code=rule.status or 307)
    if rule.effect == "result_html":
        return HTMLResponse(GATEWAY_PAGE.format(status=502))
    if rule.effect == "result_empty":
        return Response(b"", media_type="video/mp4")
    if rule.effect == "expired":
        return oss_error_response(request, OssError(403, "AccessDenied", "Request has expired."))
    if rule.effect == "throttle":
        error = throttled()
        if rule.retry_after is not None:
            error.headers["Retry-After"] = f"{rule.retry_after:g}"
    else:
        error = ServiceError(500, "InternalError", "An internal error has occurred, please try again later.")
    error.status = rule.status or error.status
    error.code = rule.code or error.code
    error.message = rule.message or error.message
    return error_response(request, error)


class StalledSend:
    """Delays a response once: before its head, or after `at_byte` bytes of its body."""

    def __init__(self, send: Send, *, seconds: float, at_byte: int | None) -> None:
        self._send = send
        self._seconds = seconds
        self._remaining = at_byte
        self._stalled = False

    async def __call__(self, message: Message) -> None:
        body: bytes = message.get("body", b"")
        if self._stalled or (self._remaining is not None and len(body) <= self._remaining):
            if self._remaining is not None:
                self._remaining -= len(body)
            await self._send(message)
            return
        self._stalled = True
        if self._remaining:
            await self._send({**message, "body": body[: self._remaining], "more_body": True})
            message = {**message, "body": body[self._remaining :]}
        await asyncio.sleep(self._seconds)
        await self._send(message)


class DrippingSend:
    """Sends each byte of a body by itself, with a pause before it."""

    def __init__(self, send: Send, *, seconds: float) -> None:
        self._send = send
        self._seconds = seconds

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            for byte in message.get("body", b""):
                await asyncio.sleep(self._seconds)
                await self._send({**message, "body": bytes([byte]), "more_body": True})
            message = {**message, "body": b""}
        await self._send(message)


class ReplacedSend:
    """Replaces one field of a JSON body by a text, which need not be valid JSON."""

    _PLACEHOLDER = "@replaced@"

    def __init__(self, send: Send, *, field: str, value: str) -> None:
        self._send = send
        self._field = field
        self._value = value
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self._replaced()
        headers = [pair for pair in self._start["headers"] if pair[0].lower() != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await self._send({**self._start, "headers": [*headers, length]})
        await self._send({"type": "http.response.body", "body": body})

    def _replaced(self) -> bytes:
        payload = json.loads(self._body)
        *parents, name = self._field.split(".")
        target = payload
        for parent in parents:
            target = target.setdefault(parent, {})
        target[name] = self._PLACEHOLDER
        return json.dumps(payload).replace(json.dumps(self._PLACEHOLDER), self._value).encode("utf-8", "surrogatepass")


async def _endless() -> AsyncIterator[bytes]:
    while True:
        # Otherwise the server would not notice that the client has gone.
        await asyncio.sleep(0)
        yield b" " * 65536


class TruncatedSend:
    """Sends the head of a response and `at_byte` bytes of its body, then closes the connection."""

    def __init__(self, send: Send, scope: Scope, receive: Receive, *, at_byte: int) -> None:
        self._send = send
        self._scope = scope
        self._receive = receive
        self._remaining = at_byte
        self._truncated = False

    async def __call__(self, message: Message) -> None:
        if self._truncated:
            return
        if message["type"] != "http.response.body" or len(message.get("body", b"")) <= self._remaining:
            self._remaining -= len(message.get("body", b""))
            await self._send(message)
            return
        self._truncated = True
        part: dict[str, Any] = {**message, "body": message["body"][: self._remaining], "more_body": True}
        await self._send(part)
        await drop_connection(self._scope, self._receive, flush=True)


class ShortenedSend:
    """Sends the first `at_byte` bytes of a response as if they were all of it, without ETag and checksums."""

    _DROPPED = (b"etag", b"content-md5", b"x-oss-hash-crc64ecma", b"content-range")

    def __init__(self, send: Send, *, at_byte: int) -> None:
        self._send = send
        self._remaining = at_byte

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send({**message, "headers": self._shortened(message["headers"])})
            return
        part = message.get("body", b"")[: self._remaining]
        self._remaining -= len(part)
        await self._send({**message, "body": part})

    def _shortened(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        length = next((int(value) for name, value in headers if name.lower() == b"content-length"), self._remaining)
        self._remaining = min(self._remaining, length)
        kept = [pair for pair in headers if pair[0].lower() not in (*self._DROPPED, b"content-length")]
        return [*kept, (b"content-length", str(self._remaining).encode())]
