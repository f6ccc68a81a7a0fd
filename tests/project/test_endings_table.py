"""The table of endings in the documentation is the one that is played on a real Airflow."""

from __future__ import annotations

from documents import PAGES
from system.ending_table import ENDINGS

(PAGE,) = [page for page in PAGES if page.name == "docs/endings.md"]
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|")) for line in PAGE.text.splitlines() if line[:1] == "|"
]


def test_the_table_has_all_endings() -> None:
    assert ROWS[2:] == [ending.row for ending in ENDINGS]


def test_no_ending_is_there_twice() -> None:
    assert len(ENDINGS) >= 40
    assert len({ending.name for ending in ENDINGS}) == len(ENDINGS)
    assert len({ending.row for ending in ENDINGS}) == len(ENDINGS)
