"""Every trap of docs/airflow.md has a test."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TRAPS = (TESTS.parent / "docs" / "airflow.md").read_text()


def test_each_trap_has_a_test() -> None:
    described = {int(number) for number in re.findall(r"^\| (\d+) \|", TRAPS, flags=re.MULTILINE)}
    marked = {
        int(number)
        for path in TESTS.rglob("test_*.py")
        for number in re.findall(r"^@pytest\.mark\.trap\((\d+)\)", path.read_text(), flags=re.MULTILINE)
    }
    assert described == marked == set(range(1, len(described) + 1))
