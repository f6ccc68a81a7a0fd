"""What it costs to look at a 300 MB video over HTTP: bytes, requests and time, beside FFmpeg.

    python -m benchmarks.probing [--megabytes 300] [--runs 5] [--write]

The videos are real ones, made here, and served by a process of their own on the loopback. Bytes are counted where the
server hands them to its socket; what a client left unread in the buffers in between is counted too, as it would have
crossed a network. ffprobe takes part if it is installed. Ends with 0 whether the goals are met or not.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import numpy as np

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.media.probe import probe
from benchmarks.goals import Goal
from benchmarks.report import goal_table, setting, table, write

GOAL_BYTES = 1_000_000
_FPS = 60
_SIDE = 640
_PIECE_BYTES = 64 * 1024

FILES = {
    "mp4, index at the end": ("mp4", {}),
    "mp4, index in front": ("mp4", {"movflags": "faststart"}),
    "mp4, fragmented": ("mp4", {"movflags": "frag_keyframe+empty_moov"}),
    "mov, index at the end": ("mov", {}),
    "avi": ("avi", {}),
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one look took, and the duration that it found; ``None`` where it found none."""

    size: int
    requests: int
    seconds: float
    found: float | None


def make(path: Path, *, container: str, options: dict[str, str], size: int) -> float:
    """A video of about ``size`` bytes: one picture of noise, over and over. Returns its duration in seconds."""
    with av.open(path, mode="w", format=container, options=options) as output:
        stream = output.add_stream("libx264", rate=_FPS)
        stream.width, stream.height, stream.pix_fmt = _SIDE, _SIDE, "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "46"}
        picture = np.random.default_rng(1).integers(0, 255, (_SIDE, _SIDE, 3), np.uint8)
        (packet, *_) = [*stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")), *stream.encode(None)]
        content = bytes(packet)
        frames = size // len(content)
        for i in range(frames):
            copy = av.Packet(content)
            copy.stream, copy.time_base = stream, Fraction(1, _FPS)
            copy.pts = copy.dts = i
            copy.duration, copy.is_keyframe = 1, i % _FPS == 0
            output.mux(copy)
    return frames / _FPS


class _Handler(BaseHTTPRequestHandler):
    """One range of a file, as web servers serve them."""

    protocol_version = "HTTP/1.1"
    # Else each answer but the first on a connection waits 40 ms for an acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        server: Any = self.server
        path = server.folder / self.path.strip("/")
        size = path.stat().st_size
        wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        end = min(int(wanted[2]), size - 1) if wanted and wanted[2] else size - 1
        server.requests += 1
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(end - start + 1))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{size}"')
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self.end_headers()
        with path.open("rb") as file:
            file.seek(start)
            left = end - start + 1
            while left:
                piece = file.read(min(left, _PIECE_BYTES))
                self.wfile.write(piece)
                server.sent += len(piece)
                left -= len(piece)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            # Clients that have seen enough hang up.
            return

    def log_message(self, *_: Any) -> None:
        """Keeps quiet."""


def _serve(folder: Path, line: Connection) -> None:
    """Serves ``folder``; answers each message on ``line`` with bytes and requests since the last one."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.folder, server.sent, server.requests, server.daemon_threads = folder, 0, 0, True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    line.send(server.server_address[1])
    while line.recv() == "count":
        # Handlers of clients that hung up may still be on their way out.
        time.sleep(0.1)
        line.send((server.sent, server.requests))
        server.sent = server.requests = 0


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, Connection]]:
    """The URL of a server for ``folder``, and the line to it."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}", ours
    finally:
        ours.send("end")
        process.join(10)


def by_probe(url: str) -> float | None:
    return probe(url, allow_private=True).seconds


def by_pyav(url: str) -> float | None:
    with av.open(url) as container:
        return container.duration / 1_000_000 if container.duration else None


def by_ffprobe(url: str) -> float | None:
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return float(said) if said.replace(".", "", 1).isdigit() else None


OURS = "this package"
TOOLS: dict[str, Callable[[str], float | None]] = {OURS: by_probe, "PyAV on the URL": by_pyav}
if shutil.which("ffprobe"):
    TOOLS["ffprobe"] = by_ffprobe


def measure(tool: Callable[[str], float | None], url: str, line: Connection) -> Cost:
    begun = time.perf_counter()
    try:
        found = tool(url)
    except (av.FFmpegError, DashScopeError, subprocess.CalledProcessError):
        found = None
    seconds = time.perf_counter() - begun
    line.send("count")
    size, requests = line.recv()
    return Cost(size=size, requests=requests, seconds=seconds, found=found)


def row(name: str, tool: str, duration: float, costs: Sequence[Cost]) -> list[str]:
    found = costs[0].found
    verdict = "none" if found is None else f"{found:.2f} s" + ("" if abs(found - duration) < 0.05 else " (wrong)")
    return [
        name,
        tool,
        f"{statistics.median(cost.size for cost in costs) / 1000:,.0f}",
        f"{statistics.median(cost.requests for cost in costs):g}",
        f"{1000 * statistics.median(cost.seconds for cost in costs):.1f}",
        f"{verdict} of {duration:.2f} s",
    ]


def goal(name: str, costs: Sequence[Cost]) -> Goal:
    most = max(cost.size for cost in costs)
    return Goal(
        what=f"{name}: sent to this package",
        wanted=f"<= {GOAL_BYTES / 1000:,.0f} kB, and a duration",
        found=f"{most / 1000:,.0f} kB" + ("" if costs[0].found else ", and none"),
        met=most <= GOAL_BYTES and costs[0].found is not None,
    )


def measure_all(megabytes: int, runs: int) -> tuple[list[Goal], list[list[str]]]:
    """The goals, and the rows of the table."""
    goals, rows = [], []
    with tempfile.TemporaryDirectory() as place, served(Path(place)) as (base, line):
        for name, (container, options) in FILES.items():
            path = Path(place, "video")
            duration = make(path, container=container, options=options, size=megabytes * 1_000_000)
            looks: dict[str, list[Cost]] = {tool: [] for tool in TOOLS}
            for turn in range(runs):
                for tool in list(TOOLS)[:: -1 if turn % 2 else 1]:
                    looks[tool].append(measure(TOOLS[tool], f"{base}/video", line))
            rows += [row(name, tool, duration, costs) for tool, costs in looks.items()]
            goals.append(goal(name, looks[OURS]))
            path.unlink()
    return goals, rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=300, help="size of each video")
    parser.add_argument("--runs", type=int, default=5, help="looks at each video by each tool, which take turns")
    parser.add_argument("--write", action="store_true", help="also write the tables into docs/")
    options = parser.parse_args()
    goals, rows = measure_all(options.megabytes, options.runs)
    missing = "" if "ffprobe" in TOOLS else " ffprobe is not installed here."
    header = ("file", "tool", "kB sent", "requests", "ms", "duration found")
    text = (
        f"{setting('av')}, videos of {options.megabytes} MB, median of {options.runs} looks.{missing}\n\n"
        f"{goal_table(goals)}\n\n{table(header, rows)}"
    )
    print(text)
    if options.write:
        write(text, by="benchmarks/probing.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
