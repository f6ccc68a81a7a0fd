"""Prints what the system tests report, after everything else."""

from __future__ import annotations

import pytest
from system.reports import REPORTS


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORTS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for report in config.stash[REPORTS]:
        terminalreporter.write_line(f"\n{report}\n")
