"""Middleware that every request passes first: it normalises the path, assigns a request id and logs the request."""

from __future__ import annotations

import logging
import uuid
from email.utils import formatdate
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request

from airflow_provider_videoretalk.emulator.api.paths import normalise_path, operation_of
from airflow_provider_videoretalk.emulator.api.responses import error_response
from airflow_provider_videoretalk.emulator.service.errors import ServiceError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_provider_videoretalk.emulator.service.state import EmulatorState

logger = logging.getLogger(__name__)


class RequestLogMiddleware:
    """Assigns a request its id and its operation, and appends it to the request log.

    :param token: marks the emulator's own downloads, which are not logged and which fault rules ignore
    """

    def __init__(self, app: ASGIApp, *, state: EmulatorState, token: str) -> None:
        self.app = app
        self.state = state
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = normalise_path(scope["path"])
        # A gateway of a kind of its own has its routes below its own prefix, and nowhere else.
        routed = path if self.state.settings.gateway is None else scope["path"].rstrip("/") or "/"
        if routed != scope["path"]:
            scope = {**scope, "path": routed, "raw_path": routed.encode()}
        is_own_download = Headers(scope=scope).get("x-emulator-download") == self.token
        details = scope.setdefault("state", {})
        details["request_id"] = str(uuid.uuid4())
        details["operation"] = None if is_own_download else operation_of(scope["method"], path)
        entry = {
            "time": self.state.clock(),
            "operation": details["operation"],
            "account": None,
            "method": scope["method"],
            "path": routed,
            "status": None,
            "fault": None,
            "billed": None,
            "request_id": details["request_id"],
        }
        if details["operation"]:
            self.state.requests.append(entry)

        def known() -> dict[str, object]:
            return {name: details.get(name) for name in ("account", "fault", "billed")}

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Before the reply, so that whoever has the reply finds it here.
                entry.update(status=message["status"], **known())
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = details["request_id"]
                if date := details.get("date", formatdate(self.state.clock(), usegmt=True)):
                    headers["date"] = date
            await send(message)

        try:
            await self._call_app(scope, receive, send_with_id, entry)
        finally:
            entry.update(known())

    async def _call_app(self, scope: Scope, receive: Receive, send: Send, entry: dict[str, object]) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if entry["status"] is not None:
                raise
            error = ServiceError(500, "InternalError", "An internal error has occurred, please try again later.")
            await error_response(Request(scope), error)(scope, receive, send)
