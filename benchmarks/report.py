"""The measurements as text: for the terminal, and for the documentation."""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from benchmarks.clients import SLEEP
from benchmarks.figures import Figures
from benchmarks.goals import Goal
from benchmarks.makespan import CLIPS, TURNAROUND_SECONDS, Makespan
from benchmarks.scenarios import MANY, QUEUE

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
_END = "<!-- end of what it wrote -->"
_COLUMNS = (
    "waiting",
    "client",
    "requests a job",
    "lists",
    "refused",
    "lost",
    "lag median / p95 / max, s",
    "CPU, ms a job",
    "memory, MB",
    "longest stall, ms",
    "clock",
    "service's core",
    "disturbed",
)


def setting(*packages: str) -> str:
    """When, where and with what."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    today = datetime.now(timezone.utc).date()
    return f"{today}, Python {platform.python_version()}, {os.cpu_count()} cores, {versions}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def goal_table(found: Sequence[Goal]) -> str:
    return table(
        ("goal", "wanted", "found", ""), [(goal.what, goal.wanted, goal.found, goal.verdict) for goal in found]
    )


def row(figures: Figures) -> list[str]:
    lags = "-"
    if figures.client != SLEEP and not math.isnan(figures.median):
        lags = f"{figures.median:.1f} / {figures.p95:.1f} / {figures.longest:.1f}"
        lags += f" ({figures.unseen} not yet seen)" if figures.unseen else ""
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
        f"{figures.cpu_ms:.1f}",
        f"{figures.megabytes:.0f}",
        f"{1000 * figures.stall_seconds:.0f}",
        f"{figures.speed:g}x",
        f"{100 * figures.server:.0f} %",
        f"{100 * figures.disturbed:.0f} %",
    ]


def tables(measured: Sequence[Figures], spans: Sequence[Makespan], found: Sequence[Goal]) -> str:
    """All of it, as Markdown."""
    parts = [
        "### Goals",
        goal_table(found),
    ]
    for scenario, title in ((MANY, "Many running: 120 s each, +-30 %"), (QUEUE, "One running: 64 s each, +-30 %")):
        rows = [row(figures) for figures in measured if figures.scenario == scenario]
        parts += [f"### {title}", table(_COLUMNS, rows)] if rows else []
    if spans:
        rows = [[str(span.slots), f"{span.seconds:.0f}", f"{span.renders:.0f}", f"{span.ratio:.3f}"] for span in spans]
        parts += [
            f"### A batch of {CLIPS} clips through a pool",
            table(("slots", "makespan, s", "sum of render times, s", "ratio"), rows),
            f"Modelled with {TURNAROUND_SECONDS:g} s of Airflow between an end and the next submit in its slot.",
        ]
    return "\n\n".join(parts)


def write(text: str, *, by: str) -> None:
    """Puts the text of the script ``by`` between its marks in the documentation."""
    begin = f"<!-- written by {by} -->"
    document = DOCUMENT.read_text()
    marked = re.compile(f"{re.escape(begin)}.*?{re.escape(_END)}", re.DOTALL)
    if not marked.search(document):
        raise SystemExit(f"{DOCUMENT} lacks the mark {begin}")
    DOCUMENT.write_text(marked.sub(lambda _: f"{begin}\n\n{text}\n\n{_END}", document))
