"""The worst of the findings is the health."""

from __future__ import annotations

import pytest

from airflow_provider_videoretalk.health.report import Finding, HealthReport, State


@pytest.mark.parametrize(
    ("states", "worst", "not_well"),
    [
        (["well", "well"], "well", []),
        (["well", "unknown"], "unknown", ["unknown"]),
        (["unknown", "unwell", "well"], "unwell", ["unwell", "unknown"]),
        ([], "unknown", []),
    ],
)
def test_the_worst_counts(states: list[State], worst: State, not_well: list[State]) -> None:
    report = HealthReport(findings=[Finding(part="key", state=state, sentence="s") for state in states])
    assert report.state == worst
    assert [finding.state for finding in report.not_well] == not_well
