"""Prints the results as a table, and writes all details to files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from compat.cells import SURROUNDINGS
from compat.checks import Outcome

Verdict = Literal["ok", "refused", "not found", "failed"]


@dataclass(kw_only=True)
class Result:
    """The result of a cell.

    :param reason: why the cell is refused or not found
    :param left_out: test libraries that are not installed, with the reasons
    """

    python: str
    surroundings: str
    verdict: Verdict
    reason: str = ""
    seconds: float = 0.0
    airflow: str = ""
    logs: str = ""
    checks: dict[str, Outcome] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def brief(self) -> str:
        """The text in the table."""
        if self.verdict == "failed":
            return "FAILED: " + ", ".join(name for name, outcome in self.checks.items() if not outcome.ok)
        return f"ok ({self.airflow}, {self.seconds:.0f} s)" if self.verdict == "ok" else self.verdict

    @property
    def notes(self) -> list[str]:
        """The lines below the table."""
        notes = [f"{self.verdict}: {self.reason}"] if self.reason else []
        notes += [f"{name} failed: {outcome.detail}" for name, outcome in self.checks.items() if not outcome.ok]
        notes += [f"{name}: {outcome.detail}" for name, outcome in self.checks.items() if outcome.ok and outcome.detail]
        notes += [f"tests without {name}: {reason}" for name, reason in self.left_out.items()]
        return [*notes, f"logs: {self.logs}"] if self.verdict == "failed" else notes


def table(results: Iterable[Result]) -> str:
    """A Markdown table with Python versions as rows and sets of dependencies as columns, and the notes of each cell."""
    results = list(results)
    by_cell = {(result.python, result.surroundings): result for result in results}
    pythons = sorted({result.python for result in results}, key=lambda version: int(version.split(".")[1]))
    names = [s.name for s in SURROUNDINGS if any(result.surroundings == s.name for result in results)]
    rows = [["Python", *(_head(name) for name in names)]]
    rows += [[python, *(_brief(by_cell, python, name) for name in names)] for python in pythons]
    lines = _aligned(rows)
    lines.insert(1, "|" + "|".join("-" * (len(part) + 2) for part in _widths(rows)) + "|")
    for result in results:
        lines += [f"- {result.python}:{result.surroundings} {note}" for note in result.notes]
    return "\n".join(lines)


def write(results: Sequence[Result], *, folder: Path) -> None:
    (folder / "report.json").write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    (folder / "report.md").write_text(table(results) + "\n")


def _head(name: str) -> str:
    day = next(s.day for s in SURROUNDINGS if s.name == name)
    return f"{name} as of {day}" if day else name


def _brief(by_cell: Mapping[tuple[str, str], Result], python: str, name: str) -> str:
    return by_cell[python, name].brief if (python, name) in by_cell else ""


def _widths(rows: Sequence[Sequence[str]]) -> list[str]:
    return [max(column, key=len) for column in zip(*rows, strict=True)]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [len(longest) for longest in _widths(rows)]
    return [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
