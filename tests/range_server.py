"""A web server that counts the bytes it sends, with and without ranges, and with faults."""

from __future__ import annotations

import contextlib
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler"], None]


@dataclass
class Asked:
    path: str
    headers: dict[str, str]


@dataclass
class File:
    content: Any
    ranges: bool = True
    headers: dict[str, str] = field(default_factory=dict)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    disable_nagle_algorithm = True
    server: RangeServer

    def do_GET(self) -> None:
        path = self.path if self.path.startswith("/") else "/" + self.path.split("/", 3)[3]
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append(Asked(path=path, headers=headers))
        with contextlib.suppress(ConnectionError):
            self.server.answers.get(path.partition("?")[0], not_found)(self)

    def reply(self, status: int, content: Any = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        for start in range(0, len(content), 65536):
            piece = content[start : start + 65536]
            self.wfile.write(piece)
            self.server.sent += len(piece)

    def handle(self) -> None:
        # A client that closes the connection is no error.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""


def not_found(handler: Handler) -> None:
    handler.reply(404)


class RangeServer(ThreadingHTTPServer):
    """Serves until the block ends.

    :param host: where it listens; all of 127.0.0.0/8 is this machine
    :param tls: for https
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__((host, 0), Handler)
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.asked: list[Asked] = []
        self.answers: dict[str, Answer] = {}
        self.sent = 0

    def __enter__(self) -> RangeServer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self.server_close()

    def url(self, path: str, *, host: str | None = None) -> str:
        return f"{self.scheme}://{host or self.server_address[0]}:{self.server_address[1]}{path}"

    def add(self, path: str, content: Any, *, ranges: bool = True, **headers: str) -> str:
        """Adds a file. ``headers`` have underscores in place of hyphens."""
        file = File(content=content, ranges=ranges, headers=headers)
        self.answers[path] = lambda handler: serve(handler, file)
        return self.url(path)

    def redirect(self, path: str, target: str, *, status: int = 302) -> str:
        self.answers[path] = lambda handler: handler.reply(status, Location=target)
        return self.url(path)

    def redirect_without_end(self, path: str, target: str) -> str:
        """A redirect with a body of 200 MB; ``sent`` counts the bytes that a client accepted."""

        def endless(handler: Handler) -> None:
            handler.send_response(302)
            handler.send_header("Location", target)
            handler.end_headers()
            for _ in range(3000):
                handler.wfile.write(bytes(65536))
                self.sent += 65536

        self.answers[path] = endless
        return self.url(path)


def serve(handler: Handler, file: File) -> None:
    wanted = re.match(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
    condition = handler.headers.get("If-Range")
    stale = condition is not None and condition not in (file.headers.get("ETag"), file.headers.get("Last_Modified"))
    size = len(file.content)
    if not file.ranges or wanted is None or stale:
        handler.reply(200, file.content, **file.headers)
        return
    start, end = int(wanted[1]), min(int(wanted[2]), size - 1)
    if start >= size:
        handler.reply(416, Content_Range=f"bytes */{size}")
        return
    handler.reply(206, file.content[start : end + 1], Content_Range=f"bytes {start}-{end}/{size}", **file.headers)
