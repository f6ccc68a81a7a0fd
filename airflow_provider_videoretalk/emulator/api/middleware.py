"""What every request passes first: an id, its place in the books, and one form for its path."""

from __future__ import annotations

import logging
import re
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request

from airflow_provider_videoretalk.emulator.api.replies import error_reply
from airflow_provider_videoretalk.emulator.service.errors import ServiceError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_provider_videoretalk.emulator.faults import Operation
    from airflow_provider_videoretalk.emulator.service.state import EmulatorState

logger = logging.getLogger(__name__)

API = "/api/v1"
SUBMIT_PATH = f"{API}/services/aigc/image2video/video-synthesis"
COSYVOICE_PATH = f"{API}/services/audio/tts/SpeechSynthesizer"
QWEN_PATH = f"{API}/services/aigc/multimodal-generation/generation"

_OPERATIONS: tuple[tuple[str, re.Pattern[str], Operation], ...] = (
    ("POST", re.compile(re.escape(SUBMIT_PATH)), "submit"),
    ("GET", re.compile(rf"{API}/tasks"), "list"),
    ("GET", re.compile(rf"{API}/tasks/[^/]+"), "query"),
    ("POST", re.compile(rf"{API}/tasks/[^/]+/cancel"), "cancel"),
    ("POST", re.compile(f"{re.escape(COSYVOICE_PATH)}|{re.escape(QWEN_PATH)}"), "speech"),
    ("GET", re.compile(rf"{API}/uploads"), "policy"),
    ("POST", re.compile(r"/oss(/.*)?"), "upload"),
    ("GET", re.compile(r"/results/.+"), "result"),
    ("HEAD", re.compile(r"/results/.+"), "result"),
)


def operation_of(method: str, path: str) -> Operation | None:
    """The operation a method and a plain path (no prefix, no trailing slash) stand for."""
    for verb, pattern, operation in _OPERATIONS:
        if verb == method and pattern.fullmatch(path):
            return operation
    return None


def plain_path(path: str) -> str:
    """A path without a gateway's prefix before ``/api/v1`` and without a trailing slash.

    The vendor's pages write the submit path both with and without the slash.
    """
    start = path.find(f"{API}/")
    if start > 0:
        path = path[start:]
    return path.rstrip("/") or "/"


class EntranceMiddleware:
    """Gives a request its id and its operation, and writes it into the books.

    :param token: marks the emulator's own downloads, which are neither in the books nor hit by faults
    """

    def __init__(self, app: ASGIApp, *, state: EmulatorState, token: str) -> None:
        self.app = app
        self.state = state
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = plain_path(scope["path"])
        if path != scope["path"]:
            scope = {**scope, "path": path, "raw_path": path.encode()}
        own = Headers(scope=scope).get("x-emulator-download") == self.token
        facts = scope.setdefault("state", {})
        facts["request_id"] = str(uuid.uuid4())
        facts["operation"] = None if own else operation_of(scope["method"], path)
        entry = {
            "time": self.state.clock(),
            "operation": facts["operation"],
            "account": None,
            "method": scope["method"],
            "path": path,
            "status": None,
            "fault": None,
            "request_id": facts["request_id"],
        }
        if facts["operation"]:
            self.state.requests.append(entry)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.update(status=message["status"], account=facts.get("account"), fault=facts.get("fault"))
                MutableHeaders(scope=message)["x-request-id"] = facts["request_id"]
            await send(message)

        try:
            await self._pass(scope, receive, named, entry)
        finally:
            entry.update(account=facts.get("account"), fault=facts.get("fault"))

    async def _pass(self, scope: Scope, receive: Receive, send: Send, entry: dict[str, object]) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception:
            logger.exception("%s %s broke", scope["method"], scope["path"])
            if entry["status"] is not None:
                raise
            error = ServiceError(500, "InternalError", "An internal error has occurred, please try again later.")
            await error_reply(Request(scope), error)(scope, receive, send)
