"""What it costs to look at a file over HTTP: bytes, requests and time, near and far, beside FFmpeg.

The files are real ones, made here, and served by a process of their own on the loopback. Its socket buffers are small,
so that what a client never read does not count as sent. ffprobe takes part if it is installed.
"""

from __future__ import annotations

import multiprocessing
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import numpy as np

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.media.probe import probe
from airflow_provider_videoretalk.outbound.host_access import any_address
from benchmarks.machine import undisturbed
from benchmarks.results import ROOT, Goal, Result, Table, at_most, commit, setting

sys.path.insert(0, str(ROOT / "tests"))

from media_files import coded, wav

GOAL_BYTES = 1_000_000
LATENCY_SECONDS = 0.05
_EXACT_SECONDS = 0.05
_FPS = 60
_SIDE = 640
_PIECE_BYTES = 16 * 1024
# What fits into the server's buffer counts as sent, though nobody may have read it. Segments are as long as Ethernet's.
_BUFFER_BYTES = 16 * 1024
_SEGMENT_BYTES = 1448

Make = Callable[[Path, int], float]
"""Writes a file of about so many bytes, and returns its duration in seconds."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one look took, and the duration that it found; ``None`` where it found none."""

    size: int
    requests: int
    seconds: float
    found: float | None


def make_video(path: Path, size: int, *, container: str, options: Mapping[str, str] | None = None) -> float:
    """One picture of noise, over and over."""
    with av.open(path, mode="w", format=container, options=dict(options or {})) as output:
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


def make_sound(path: Path, _: int, **coding: Any) -> float:
    """Two minutes, whatever the size: the longest that the model accepts. Its frames are repeated."""
    content = coded(path, seconds=10, **coding).read_bytes()
    path.write_bytes(content * 12)
    with av.open(path) as file:
        packets = [packet.duration * packet.time_base for packet in file.demux() if packet.size and packet.duration]
    return float(sum(packets))


def make_wav(path: Path, _: int) -> float:
    path.write_bytes(wav(seconds=120, rate=44_100))
    return 120.0


def _video(container: str, movflags: str = "") -> Make:
    return partial(make_video, container=container, options={"movflags": movflags} if movflags else {})


_MPEG_4_OR_WAV = 3
_ANY = 8
_UNINDEXED_SOUNDS = ("mp3, variable rate, no index", "aac")
"""Their length is known only when all of their frames were read, so that the limit of bytes is not for them."""

# How each is made, and in how many requests it is to be read.
FILES: Mapping[str, tuple[Make, int]] = {
    "mp4, index at the end": (_video("mp4"), _MPEG_4_OR_WAV),
    "mp4, index in front": (_video("mp4", "faststart"), _MPEG_4_OR_WAV),
    "mp4, fragmented": (_video("mp4", "frag_keyframe+empty_moov"), _ANY),
    "mp4, fragmented, no index": (_video("mp4", "frag_keyframe+empty_moov+skip_trailer"), _ANY),
    "mov, index at the end": (_video("mov"), _MPEG_4_OR_WAV),
    "avi": (_video("avi"), _ANY),
    "wav": (make_wav, _MPEG_4_OR_WAV),
    "mp3, variable rate, no index": (partial(make_sound, quality=0, options={"write_xing": "0"}), _ANY),
    "aac": (partial(make_sound, codec="aac", container="adts", bits=320_000), _ANY),
}


class _Server(ThreadingHTTPServer):
    """Counts what it sends.

    :ivar sent: bytes that its sockets took since the last count
    :ivar requests: since the last count
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.sent, self.requests = folder, 0, 0

    def server_bind(self) -> None:
        # Connections inherit both.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
        super().server_bind()


class _Handler(BaseHTTPRequestHandler):
    """One range of a file, as web servers serve them; below ``/far/`` as one that is 50 ms away."""

    protocol_version = "HTTP/1.1"
    # Else each answer but the first on a connection waits 40 ms for an acknowledgement.
    disable_nagle_algorithm = True
    server: _Server
    _is_connected = False

    def do_GET(self) -> None:
        if self.path.startswith("/far/"):
            # A new connection takes a round trip, and so does each request.
            time.sleep(LATENCY_SECONDS * (1 if self._is_connected else 2))
        self._is_connected = True
        path = self.server.folder / self.path.rpartition("/")[2]
        size = path.stat().st_size
        wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        end = min(int(wanted[2]), size - 1) if wanted and wanted[2] else size - 1
        self.server.requests += 1
        if start >= size:
            self._head(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            return
        headers = {"Content-Length": str(end - start + 1), "Accept-Ranges": "bytes", "ETag": f'"{size}"'}
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        self._head(206 if wanted else 200, headers)
        self._body(path, start, end - start + 1)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()

    def _body(self, path: Path, start: int, left: int) -> None:
        with path.open("rb") as file:
            file.seek(start)
            while left:
                piece = file.read(min(left, _PIECE_BYTES))
                self.wfile.write(piece)
                self.server.sent += len(piece)
                left -= len(piece)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            # Clients that have seen enough hang up.
            return

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""


def _serve(folder: Path, line: Connection) -> None:
    """Serves ``folder``; answers each message on ``line`` with bytes and requests since the last one."""
    server = _Server(folder)
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
    return probe(url, access=any_address).seconds


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


def measure(*, quick: bool) -> Result:
    megabytes, runs = (20, 1) if quick else (300, 5)
    goals, rows = measure_all(megabytes, runs)
    header = ("file", "tool", "kB sent", "requests", "ms near", "ms at 50 ms", "duration found")
    return Result(
        setting=setting("av", more=f"videos of {megabytes} MB, sounds of two minutes, median of {runs} probes"),
        commit=commit(),
        goals=goals,
        tables=[Table(header=header, rows=rows, note="" if "ffprobe" in TOOLS else "ffprobe is not installed here.")],
    )


def measure_all(megabytes: int, runs: int) -> tuple[list[Goal], list[list[str]]]:
    """The goals, and the rows of the table."""
    goals: list[Goal] = []
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (base, line):
        for name, (make, requests) in FILES.items():
            path = Path(folder, "input")
            duration = make(path, megabytes * 1_000_000)
            looks, _ = undisturbed(partial(look, base, line, runs=runs), what=f"probes of {name}")
            rows += [_row(name, tool, duration, *costs) for tool, costs in looks.items()]
            goals += _goals(name, duration, looks[OURS][0], requests=requests)
            path.unlink()
    return goals, rows


def look(base: str, line: Connection, *, runs: int) -> dict[str, tuple[list[Cost], list[Cost]]]:
    """By tool, its looks at the file from near and from far; the tools take turns."""
    looks: dict[str, tuple[list[Cost], list[Cost]]] = {tool: ([], []) for tool in TOOLS}
    for turn in range(runs):
        for tool in list(TOOLS)[:: -1 if turn % 2 else 1]:
            for place, costs in zip(("near", "far"), looks[tool], strict=True):
                costs.append(_cost(TOOLS[tool], f"{base}/{place}/input", line))
    return looks


def _cost(tool: Callable[[str], float | None], url: str, line: Connection) -> Cost:
    begun = time.perf_counter()
    try:
        found = tool(url)
    except (av.FFmpegError, DashScopeError, subprocess.CalledProcessError):
        found = None
    seconds = time.perf_counter() - begun
    line.send("count")
    size, requests = line.recv()
    return Cost(size=size, requests=requests, seconds=seconds, found=found)


def _row(name: str, tool: str, duration: float, near: Sequence[Cost], far: Sequence[Cost]) -> list[str]:
    found = near[0].found
    verdict = (
        "none" if found is None else f"{found:.2f} s" + ("" if abs(found - duration) < _EXACT_SECONDS else " (wrong)")
    )
    return [
        name,
        tool,
        f"{statistics.median(cost.size for cost in near) / 1000:,.0f}",
        f"{statistics.median(cost.requests for cost in near):g}",
        f"{1000 * statistics.median(cost.seconds for cost in near):.1f}",
        f"{1000 * statistics.median(cost.seconds for cost in far):.0f}",
        f"{verdict} of {duration:.2f} s",
    ]


def _goals(name: str, duration: float, costs: Sequence[Cost], *, requests: int) -> Iterator[Goal]:
    most, found = max(cost.size for cost in costs), costs[0].found
    is_right = found is not None and abs(found - duration) < _EXACT_SECONDS
    what = f"{name}: sent to this package, for the exact duration"
    shown = f"{most / 1000:,.0f} kB" + ("" if is_right else ", and it is not found")
    if name in _UNINDEXED_SOUNDS:
        yield Goal(what=what, wanted="any", found=shown, met=is_right)
    else:
        wanted = f"<= {GOAL_BYTES / 1000:,.0f} kB"
        yield Goal(what=what, wanted=wanted, found=shown, met=is_right and most <= GOAL_BYTES)
    yield at_most(f"{name}: requests of this package", requests, max(cost.requests for cost in costs), digits=0)
