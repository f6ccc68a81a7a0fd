"""An HTTP server of one object, with faults by a script."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import socketserver
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Literal

from airflow_provider_videoretalk.publishing.crc64 import slow_crc64

Sum = Literal["md5", "crc64", "etag"]
Kind = Literal["fine", "cut", "stall", "refuse", "status", "length", "flip", "window", "whole", "other_part", "swap"]

_RANGE = re.compile(rb"(?i)\r\nrange: bytes=(\d+)-")
_IF_RANGE = re.compile(rb"(?i)\r\nif-range: ([^\r]+)")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What happens to one request.

    ``cut`` drops the connection after ``at`` bytes of the body, ``stall`` stops sending there, ``flip`` changes the
    byte there, ``window`` sends no more than ``at`` bytes of a range; ``refuse`` drops the connection before the reply;
    ``status`` answers ``status``; ``length`` declares ``at`` bytes more (or less) than there are; ``whole`` ignores
    the range; ``other_part`` sends another range; ``swap`` replaces the object by the next version, then serves it.
    """

    kind: Kind = "fine"
    at: int = 0
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)


class FaultyOrigin:
    """The server. Each request consumes one turn of ``script``; without a turn, it is answered correctly. ``faults``
    counts the turns that took effect.

    :param versions: of the object; ``swap`` changes to the next one
    :param sums: the checksums that it sends; ``etag`` is an MD5 in the ETag, as OSS sends it
    :param ranges: whether it supports ranges, and says so
    :param strong: whether its ETag is strong; ``None`` sends neither ETag nor date
    :param framing: how the end of a whole body is marked
    """

    def __init__(
        self,
        *versions: bytes,
        script: list[Turn] | None = None,
        sums: tuple[Sum, ...] = (),
        ranges: bool = True,
        strong: bool | None = True,
        framing: Literal["length", "chunked", "close"] = "length",
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        self.versions = list(versions)
        self.script = script or []
        self.sums = sums
        self.ranges = ranges
        self.strong = strong
        self.framing = framing
        self.watch = watch
        self.requests: list[bytes] = []
        self.faults: Counter[Kind] = Counter()
        self._server = _Server(("127.0.0.1", 0), self._serve)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/out.mp4?Signature=secret"

    def __enter__(self) -> FaultyOrigin:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, peer: socket.socket) -> None:
        head = _head(peer)
        if not head:
            return
        self.watch()
        self.requests.append(head)
        turn = self.script.pop(0) if self.script else Turn()
        if turn.kind == "refuse":
            self.faults[turn.kind] += 1
            _reset(peer)
        elif turn.kind == "status":
            self.faults[turn.kind] += 1
            extra = "".join(f"{name}: {value}\r\n" for name, value in turn.headers.items())
            peer.sendall(
                f"HTTP/1.1 {turn.status} No\r\n{extra}Content-Length: 4\r\nConnection: close\r\n\r\nnope".encode()
            )
        else:
            self._answer(peer, head, turn)

    def _answer(self, peer: socket.socket, head: bytes, turn: Turn) -> None:
        if turn.kind == "swap" and len(self.versions) > 1:
            self.faults[turn.kind] += 1
            self.versions.pop(0)
        content = self.versions[0]
        asked = self._begin(head, content)
        begin = asked if turn.kind != "whole" else 0
        if begin and begin >= len(content):
            peer.sendall(b"HTTP/1.1 416 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        body = content[begin : begin + turn.at] if turn.kind == "window" and begin else content[begin:]
        framing = self.framing if begin == 0 else "length"
        if _takes_effect(turn, asked=asked, length=len(content) - begin, framing=framing):
            self.faults[turn.kind] += 1
        peer.sendall(self._headers(content, begin, body, turn).encode())
        self._send(peer, body, turn, chunked=framing == "chunked")

    def _begin(self, head: bytes, content: bytes) -> int:
        found, condition = _RANGE.search(head), _IF_RANGE.search(head)
        if not found or not self.ranges:
            return 0
        matches = condition is None or condition[1].decode() in (self._etag(content), _date(content))
        # As S3 does, which checks the range first.
        return int(found[1]) if matches or int(found[1]) >= len(content) else 0

    def _headers(self, content: bytes, begin: int, body: bytes, turn: Turn) -> str:
        headers = {"Content-Type": "video/mp4", "Connection": "close", **turn.headers}
        if self.ranges:
            headers["Accept-Ranges"] = "bytes"
        if self.strong is not None:
            headers |= {"ETag": self._etag(content), "Last-Modified": _date(content)}
        if "md5" in self.sums:
            headers["Content-MD5"] = base64.b64encode(_md5(content)).decode()
        if "crc64" in self.sums:
            headers["x-oss-hash-crc64ecma"] = str(_crc64(content))
        if "etag" in self.sums:
            headers["x-oss-object-type"] = "Normal"
        if begin:
            said = begin + 1 if turn.kind == "other_part" else begin
            headers["Content-Range"] = f"bytes {said}-{begin + len(body) - 1}/{len(content)}"
        if begin or self.framing == "length":
            headers["Content-Length"] = str(max(0, len(body) + (turn.at if turn.kind == "length" else 0)))
        elif self.framing == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {206 if begin else 200} OK\r\n{lines}\r\n"

    def _etag(self, content: bytes) -> str:
        tag = f'"{_md5(content).hex().upper()}"'
        return tag if self.strong else f"W/{tag}"

    def _send(self, peer: socket.socket, body: bytes, turn: Turn, *, chunked: bool) -> None:
        if turn.kind == "flip" and body:
            at = turn.at % len(body)
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        broken = turn.kind in ("cut", "stall")
        part = body[: turn.at] if broken else body
        if chunked:
            peer.sendall(b"%x\r\n%s\r\n" % (len(part), part) if part else b"")
            peer.sendall(b"" if broken else b"0\r\n\r\n")
        else:
            peer.sendall(part)
        if turn.kind == "stall":
            # Until the client gives up.
            peer.recv(1)
        elif turn.kind == "cut" and turn.at % 2:
            _reset(peer)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], serve: Callable[[socket.socket], None]) -> None:
        self.serve = serve
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that closes the connection is no error."""


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.serve(self.request)


def _takes_effect(turn: Turn, *, asked: int, length: int, framing: str) -> bool:
    """Whether a turn takes effect on a body of this length, from the requested byte on."""
    match turn.kind:
        case "cut" | "stall":
            return turn.at < length
        case "window":
            return asked > 0 and turn.at < length
        case "whole" | "other_part":
            return asked > 0
        case "length":
            return framing == "length" and turn.at != 0
        case kind:
            return kind == "flip"


def _head(peer: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        part = peer.recv(65536)
        if not part:
            return b""
        head += part
    return head


def _reset(peer: socket.socket) -> None:
    """Drops the connection with a reset in place of an orderly end."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@lru_cache(maxsize=8)
def _crc64(content: bytes) -> int:
    return slow_crc64(content)


@lru_cache(maxsize=8)
def _md5(content: bytes) -> bytes:
    return hashlib.md5(content).digest()


def _date(content: bytes) -> str:
    """A date for each version."""
    minute, second, *_ = _md5(content)
    return f"Sat, 21 Nov 2026 00:{minute % 60:02}:{second % 60:02} GMT"
