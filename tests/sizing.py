"""The sizes that docs/sizing.md states. Tests compare what they count with them."""

from __future__ import annotations

import re

from project_files import ROOT

PAGE = ROOT / "docs" / "sizing.md"
_SIZE = r"(?P<bytes>[0-9,]+) (?P<unit>B|kB|MB)|Airflow's own"
_ROW = re.compile(rf"\| (?P<what>[^|]+) \| (?P<rows>[0-9,]+) \| ({_SIZE}) \|.*")
_UNITS = {"B": 1, "kB": 1_000, "MB": 1_000_000}


def stated(what: str) -> tuple[int, int]:
    """Rows, and bytes at most that are not Airflow's own, of a line of the page's tables."""
    found = [match for line in PAGE.read_text().splitlines() if (match := _ROW.fullmatch(line))]
    (row,) = [match for match in found if match["what"] == what]
    return _number(row["rows"]), _number(row["bytes"]) * _UNITS[row["unit"]] if row["bytes"] else 0


def _number(text: str) -> int:
    return int(text.replace(",", ""))
