"""What system tests have to tell beside passing or failing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

REPORTS = pytest.StashKey[list[str]]()
"""Texts that are printed when the session ends."""


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells as text, whose first line is the head."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
