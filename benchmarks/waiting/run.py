"""What waiting costs, beside what people wait with today: on the emulator, with its clock sped up."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence

from benchmarks.results import Goal, Result, Table, commit, setting
from benchmarks.waiting import goals, scenarios
from benchmarks.waiting.clients import OURS, SLEEP
from benchmarks.waiting.figures import Figures
from benchmarks.waiting.measurement import measure
from benchmarks.waiting.scenarios import MANY_CLIENTS, QUEUES, SIZES, Run

PACKAGES = ("apache-airflow", "apache-airflow-providers-http", "dashscope")
_COLUMNS = (
    "waiting",
    "client",
    "requests a job",
    "lists",
    "refused",
    "lost",
    "lag median / p95 / max, s",
    "p95 at the limit, s",
    "CPU, ms a job",
    "memory, MB",
    "files",
    "longest stall, ms",
    "clock",
    "service's core",
    "disturbed",
)


def many_running(*, quick: bool) -> Result:
    sizes, clients = ((100,), MANY_CLIENTS[:3]) if quick else (SIZES, MANY_CLIENTS)
    measured = _measured(scenarios.many_runs(sizes, clients))
    return _result(measured, list(goals.many_running(measured)), chart=_chart(measured))


def ten_thousand(*, quick: bool) -> Result:
    measured = _measured(scenarios.many_running(client, 10_000) for client in (OURS, SLEEP))
    return _result(measured, list(goals.ten_thousand(measured)))


def ending_at_once(*, quick: bool) -> Result:
    measured = _measured(scenarios.ending_at_once(latency) for latency in scenarios.LATENCIES)
    return _result(measured, list(goals.ending_at_once(measured)))


def one_running(*, quick: bool) -> Result:
    measured = _measured(scenarios.queue_runs(QUEUES[:1] if quick else QUEUES))
    return _result(measured, list(goals.one_running(measured)))


def without_list(*, quick: bool) -> Result:
    measured = _measured([scenarios.one_running(OURS, scenarios.GOAL_QUEUE, has_list=False)])
    return _result(measured, list(goals.without_list(measured)))


def _measured(runs: Iterable[Run]) -> list[Figures]:
    """One run after the other; each row is shown when its run is over."""
    measured = []
    for run in runs:
        figures = measure(run)
        measured.append(figures)
        print(f"{run.scenario}: {' | '.join(row(figures))}", file=sys.stderr, flush=True)
    return measured


def _result(
    measured: Sequence[Figures], found: Sequence[Goal], *, chart: dict[str, list[list[float]]] | None = None
) -> Result:
    table = Table(header=_COLUMNS, rows=[row(figures) for figures in measured])
    if any(figures.latency for figures in measured):
        rows = [[f"{1000 * figures.latency:,.0f}", *row(figures)] for figures in measured]
        table = Table(header=("latency, ms", *_COLUMNS), rows=rows)
    return Result(setting=setting(*PACKAGES), commit=commit(), goals=found, tables=[table], chart=chart or {})


def _chart(measured: Sequence[Figures]) -> dict[str, list[list[float]]]:
    """By client, with the share of jobs that it lost in its name: how many wait, requests a job."""
    lines: dict[str, list[list[float]]] = {}
    for client in dict.fromkeys(figures.client for figures in measured if figures.asked):
        of_client = [figures for figures in measured if figures.client == client]
        lost = max(figures.lost / max(1, figures.jobs) for figures in of_client)
        label = f"{client} (lost {100 * lost:.0f} %)" if lost else client
        lines[label] = [[figures.size, round(figures.requests, 2)] for figures in of_client]
    return lines


def row(figures: Figures) -> list[str]:
    lags = limit = "-"
    if figures.client != SLEEP and not math.isnan(figures.median):
        lags = f"{figures.median:.1f} / {figures.p95:.1f} / {figures.longest:.1f}"
        lags += f" ({figures.unseen} not yet seen)" if figures.unseen else ""
        limit = f"{figures.limit:.1f}"
    refused = f"{figures.refused:,} ({100 * figures.refused / figures.asked:.0f} %)" if figures.asked else "-"
    requests = f"{figures.requests:.2f}" if figures.requests < 100 else f"{figures.requests:.0f}"
    return [
        f"{figures.size:,}",
        figures.client,
        requests if figures.asked else "-",
        f"{figures.lists:,}",
        refused,
        f"{figures.lost:,}",
        lags,
        limit,
        f"{figures.cpu_ms:.1f}",
        f"{figures.megabytes:.0f}",
        f"{figures.files}",
        f"{1000 * figures.stall_seconds:.0f}",
        f"{figures.speed:g}x",
        f"{100 * figures.server:.0f} %",
        f"{100 * figures.disturbed:.0f} %",
    ]
