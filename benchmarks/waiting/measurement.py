"""Runs one client against one service, each in a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from benchmarks.machine import undisturbed
from benchmarks.results import ROOT
from benchmarks.waiting.clock import WALL
from benchmarks.waiting.figures import Figures, figures
from benchmarks.waiting.scenarios import Run
from benchmarks.waiting.service import API_KEY

# Far above what any run takes, in seconds of the wall's clock.
_OVER_WITHIN = 3900.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running service, and since when its clock has run fast."""

    port: int
    since: float

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    def books(self) -> dict[str, Any]:
        books: dict[str, Any] = requests.get(f"http://127.0.0.1:{self.port}/bench/books", timeout=60).json()
        return books


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def service(
    *, running: int, speed: float, spacing: float, latency: float = 0.0, has_list: bool = True
) -> Iterator[Service]:
    """The service, until the block ends."""
    made = Service(port=free_port(), since=WALL())
    plan = {"port": made.port, "since": made.since, "running": running, "speed": speed, "spacing": spacing}
    plan |= {"latency": latency, "has_list": has_list}
    command = [sys.executable, "-m", "benchmarks.waiting.service", json.dumps(plan)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the service did not start")
            yield made
        finally:
            process.send_signal(signal.SIGTERM)


def child(module: str, plan: Mapping[str, Any]) -> Any:
    """What a process that runs a module of the benchmarks left in its result's file."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-W", "ignore", "-m", module, json.dumps(plan), str(result)]
        subprocess.run(command, cwd=ROOT, check=True, timeout=_OVER_WITHIN)
        return json.loads(result.read_text())


def measure(run: Run) -> Figures:
    """One run that other processes did not disturb.

    :raises DisturbedError: all of several tries were disturbed
    """
    figures, share = undisturbed(lambda: _measure(run), what=f"{run.scenario}, {run.size}, {run.client}")
    return replace(figures, disturbed=max(share, figures.disturbed))


def _measure(run: Run) -> Figures:
    with service(
        running=run.running, speed=run.speed, spacing=run.spacing, latency=run.latency, has_list=run.has_list
    ) as made:
        before = made.books()["cpu_seconds"]
        plan = {
            "client": run.client,
            "base_url": made.base_url,
            "api_key": API_KEY,
            "speed": run.speed,
            "since": made.since,
            "lengths": run.lengths,
            "limit": run.limit,
        }
        sightings = child("benchmarks.waiting.triggerer", plan)
        books = made.books()
        return figures(run, sightings=sightings, books=books, server_cpu=books["cpu_seconds"] - before)
