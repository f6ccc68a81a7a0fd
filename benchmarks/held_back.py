"""What clips cost that are mapped without a pool, and held back: in worker starts, and in requests to Airflow.

On a virtual account in virtual time, so that no machine changes the counts. ``tests/held_back.py`` plays it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.results import ROOT, Goal, Result, Table, at_most, commit, setting

sys.path.insert(0, str(ROOT / "tests"))

from held_back import HOUR, RENDERS, MappedBatch, map_without_pool

_CLIPS = (1_000, 5_000)


def measure(*, quick: bool) -> Result:
    batches = [map_without_pool(clips) for clips in _CLIPS[: 1 if quick else None]]
    header = (
        "clips",
        "held back",
        "worker starts a clip before its submit, at most",
        "requests to Airflow a look, at most",
        "calls of a secrets backend in all",
        "longest queue of submitted jobs, h",
    )
    rows = [_row(batch) for batch in batches]
    note = (
        f"All clips start at once, on eight workers. Their renders take {RENDERS / HOUR:.1f} hours together. A look at "
        "the account is a worker's before a submit, or the triggerer's for all that it holds back. The triggerer sets "
        "one Variable in half an hour, and each write asks the secrets backend."
    )
    return Result(
        setting=setting(more="virtual time"),
        commit=commit(),
        goals=[goal for batch in batches for goal in _goals(batch)],
        tables=[Table(header=header, rows=rows, note=note)],
    )


def _row(batch: MappedBatch) -> list[str]:
    return [
        f"{batch.clips:,}",
        f"{batch.held:,}",
        str(batch.worker_starts),
        f"{batch.requests_a_look:.2f}",
        str(batch.asked_backends),
        f"{batch.longest_wait / HOUR:.2f}",
    ]


def _goals(batch: MappedBatch) -> Iterator[Goal]:
    held = f"{batch.clips:,} clips held back"
    yield at_most(f"{held}: worker starts a clip before its submit", 2, batch.worker_starts, digits=0)
    yield at_most(f"{held}: requests to Airflow a look", 5, batch.requests_a_look, digits=2)
    looks = batch.asked_backends - 1 - RENDERS // 1_800
    yield at_most(f"{held}: calls of a secrets backend, beyond one in half an hour", 0, max(0, looks), digits=0)
