"""The results of the benchmarks: what a section measured, its goals, and the file that keeps them all."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One line of a table of goals; ``met`` is ``None`` where nothing was measured."""

    what: str
    wanted: str
    found: str = "not measured yet"
    met: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text, rounded as they are shown.

    :param note: a sentence below the rows
    """

    title: str = ""
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one section measured.

    :param setting: the date, the machine and the versions
    :param commit: of the code that was measured; with ``+`` if the checkout had changes
    :param chart: client -> points (how many wait, requests a job), for the picture
    """

    setting: str
    commit: str
    goals: Sequence[Goal] = ()
    tables: Sequence[Table] = ()
    chart: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)


def at_most(what: str, limit: float, found: float, *, digits: int = 1, unit: str = "") -> Goal:
    wanted, shown = f"<= {limit:,.{digits}f}{unit}", f"{found:,.{digits}f}{unit}"
    return Goal(what=what, wanted=wanted, found=shown, met=found <= limit)


def setting(*packages: str, more: str = "") -> str:
    """When, where and with what."""
    versions = [f"{package} {version(package)}" for package in packages]
    today = datetime.now(timezone.utc).date()
    parts = [str(today), f"Python {platform.python_version()}", f"{os.cpu_count()} cores", *versions]
    return ", ".join([*parts, more] if more else parts)


@cache
def commit() -> str:
    """The commit of the checkout when this was first called; empty where there is no git."""
    command = ["git", "describe", "--always", "--abbrev=7", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def read_results(path: Path = RESULTS) -> dict[str, Result]:
    """The results by the name of their section."""
    return {name: _result(stored) for name, stored in json.loads(path.read_text()).items()}


def write_results(results: Mapping[str, Result], path: Path = RESULTS) -> None:
    stored = {name: asdict(result) for name, result in sorted(results.items())}
    path.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n")


def _result(stored: dict[str, Any]) -> Result:
    parts = {
        "goals": [Goal(**each) for each in stored["goals"]],
        "tables": [Table(**each) for each in stored["tables"]],
    }
    return Result(**{**stored, **parts})
