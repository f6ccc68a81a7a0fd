"""What a service may do instead of answering a status query."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
THROTTLED = b'{"code": "Throttling.RateQuota", "message": "slow down"}'
OTHER_JOB = b'{"output": {"task_id": "other", "task_status": "SUCCEEDED", "video_url": "https://r/o.mp4"}}'
NAN = b'{"output": {"task_id": "t1", "task_status": NaN}}'

Serve = Callable[[socket.socket, threading.Event], None]
"""Handles one connection until it is told to stop."""


def whole(status: bytes, body: bytes, *headers: bytes) -> Serve:
    """Each request gets this reply."""

    def serve(connection: socket.socket, stop: threading.Event) -> None:
        lines = b"".join(header + b"\r\n" for header in headers)
        connection.sendall(
            HEAD % status + lines + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
        )

    return serve


def hangs(connection: socket.socket, stop: threading.Event) -> None:
    stop.wait()


def drips(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(HEAD % b"200 OK" + b"Content-Length: 100000\r\n\r\n")
    while not stop.wait(0.3):
        connection.sendall(b" ")


FOR_GOOD = b"Retry-After: 1000000000"

MISBEHAVIOURS: dict[str, Serve] = {
    "never answers": hangs,
    "drips": drips,
    "503, Retry-After 1e9": whole(b"503 Service Unavailable", b"{}", FOR_GOOD),
    "429, Retry-After 1e9": whole(b"429 Too Many Requests", THROTTLED, FOR_GOOD),
    "429 storm": whole(b"429 Too Many Requests", THROTTLED),
    "HTML": whole(b"200 OK", b"<html>please log in</html>"),
    "NaN": whole(b"200 OK", NAN),
    "another job": whole(b"200 OK", OTHER_JOB),
    "403": whole(b"403 Forbidden", b"{}"),
    "UNKNOWN": whole(b"200 OK", b'{"output": {"task_id": "t1", "task_status": "UNKNOWN"}}'),
}


@contextmanager
def misbehaving(serve: Serve, *, cancel: Serve | None = None) -> Iterator[int]:
    """A port of a service that misbehaves; cancels are handled by ``cancel``, if given."""
    stop = threading.Event()

    def handle(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65536)
            is_cancel = b"/cancel " in received.partition(b"\r\n")[0]
            (cancel if cancel and is_cancel else serve)(connection, stop)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=handle, args=[connection], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=[listener], daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
