"""A web server of one file, in a process of its own.

    python -m benchmarks.file_server FILE

Prints its port. Below ``/oss/`` it tells the file's MD5 and CRC-64, as OSS does.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_PIECE = 1024 * 1024
_RANGE = re.compile(rb"(?i)\r\nrange: bytes=(\d+)-(\d*)")


@contextmanager
def serving(content: Path) -> Iterator[int]:
    """The server, on the port that it gives."""
    command = [sys.executable, "-m", "benchmarks.file_server", str(content)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("the server did not start")
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _serve(path: Path) -> None:
    sums = _sums(path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=_answer, args=(peer, path, sums), daemon=True).start()


def _sums(path: Path) -> str:
    """As header lines; the CRC-64 only where ``fastcrc`` is installed."""
    digest = hashlib.md5()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    lines = f"Content-MD5: {base64.b64encode(digest.digest()).decode()}\r\n"
    try:
        from fastcrc.crc64 import xz
    except ImportError:
        return lines
    return f"{lines}x-oss-hash-crc64ecma: {xz(path.read_bytes())}\r\n"


def _answer(peer: socket.socket, path: Path, sums: str) -> None:
    with peer, path.open("rb") as file:
        size = path.stat().st_size
        while head := peer.recv(65536):
            found = _RANGE.search(head)
            begin = int(found[1]) if found else 0
            end = min(int(found[2]) + 1, size) if found and found[2] else size
            lines = (
                f'Content-Length: {end - begin}\r\nAccept-Ranges: bytes\r\nETag: "v1"\r\nContent-Type: video/mp4\r\n'
            )
            lines += f"Content-Range: bytes {begin}-{end - 1}/{size}\r\n" if found else ""
            lines += sums if b" /oss/" in head else ""
            peer.sendall(f"HTTP/1.1 {206 if found else 200} OK\r\n{lines}\r\n".encode())
            while head.startswith(b"GET") and begin < end:
                begin += os.sendfile(peer.fileno(), file.fileno(), begin, end - begin)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
