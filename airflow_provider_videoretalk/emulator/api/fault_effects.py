"""What a fault rule does to a request, as ASGI middleware."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from airflow_provider_videoretalk.emulator.api.replies import error_reply, oss_error_reply
from airflow_provider_videoretalk.emulator.api.transport import drop, ignore
from airflow_provider_videoretalk.emulator.service.errors import OssError, ServiceError, throttled
from airflow_provider_videoretalk.emulator.service.task import PlannedFailure

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_provider_videoretalk.emulator.faults import FaultPlan, FaultRule

PAGE = (
    "<html><head><title>{status} Bad Gateway</title></head>"
    "<body><center><h1>{status} Bad Gateway</h1></center></body></html>"
)


class FaultMiddleware:
    """Lets a plan's rules hit requests; the operation of a request is in ``scope["state"]["operation"]``."""

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
        await self._hit(rule, scope, receive, send)

    async def _hit(self, rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
        match rule.effect:
            case "drop_before":
                await drop(scope, receive)
            case "drop_after":
                await self.app(scope, receive, ignore)
                await drop(scope, receive)
            case "stall":
                stalled = StalledSend(send, seconds=rule.seconds, at_byte=rule.at_byte)
                await self.app(scope, receive, stalled)
            case "truncate":
                await self.app(scope, receive, TruncatedSend(send, scope, receive, at_byte=rule.at_byte or 0))
            case "fail_task":
                scope["state"]["planned_failure"] = planned_failure(rule)
                await self.app(scope, receive, send)
            case _:
                if rule.effect.endswith("_after"):
                    await self.app(scope, receive, ignore)
                await answer(rule, Request(scope))(scope, receive, send)


def planned_failure(rule: FaultRule) -> PlannedFailure:
    """How a task is to end; an empty code stands for a FAILED with neither code nor message."""
    if rule.code == "":
        return PlannedFailure(code=None, message=None)
    return PlannedFailure(code=rule.code or "InternalError.Algo", message=rule.message or "Inference internal error.")


def answer(rule: FaultRule, request: Request) -> Response:
    """The reply a rule puts in the place of the service's own."""
    if rule.effect in ("html", "html_after"):
        status = rule.status or 502
        return HTMLResponse(PAGE.format(status=status), status_code=status)
    if rule.effect == "expired":
        return oss_error_reply(request, OssError(403, "AccessDenied", "Request has expired."))
    if rule.effect == "throttle":
        error = throttled()
        if rule.retry_after is not None:
            error.headers["Retry-After"] = f"{rule.retry_after:g}"
    else:
        error = ServiceError(500, "InternalError", "An internal error has occurred, please try again later.")
    error.status = rule.status or error.status
    error.code = rule.code or error.code
    error.message = rule.message or error.message
    return error_reply(request, error)


class StalledSend:
    """Holds a reply back once: before its head, or after `at_byte` bytes of its body."""

    def __init__(self, send: Send, *, seconds: float, at_byte: int | None) -> None:
        self._send = send
        self._seconds = seconds
        self._left = at_byte
        self._stalled = False

    async def __call__(self, message: Message) -> None:
        body: bytes = message.get("body", b"")
        if self._stalled or (self._left is not None and len(body) <= self._left):
            if self._left is not None:
                self._left -= len(body)
            await self._send(message)
            return
        self._stalled = True
        if self._left:
            await self._send({**message, "body": body[: self._left], "more_body": True})
            message = {**message, "body": body[self._left :]}
        await asyncio.sleep(self._seconds)
        await self._send(message)


class TruncatedSend:
    """Sends a reply's head and `at_byte` bytes of its body, then closes the connection."""

    def __init__(self, send: Send, scope: Scope, receive: Receive, *, at_byte: int) -> None:
        self._send = send
        self._scope = scope
        self._receive = receive
        self._left = at_byte
        self._cut = False

    async def __call__(self, message: Message) -> None:
        if self._cut:
            return
        if message["type"] != "http.response.body" or len(message.get("body", b"")) <= self._left:
            self._left -= len(message.get("body", b""))
            await self._send(message)
            return
        self._cut = True
        part: dict[str, Any] = {**message, "body": message["body"][: self._left], "more_body": True}
        await self._send(part)
        await drop(self._scope, self._receive, flush=True)
