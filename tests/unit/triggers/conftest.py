"""Fixtures for the gauges of what waits on a triggerer."""

from __future__ import annotations

import pytest

from airflow_provider_videoretalk.airflow_adapters import metrics
from airflow_provider_videoretalk.airflow_adapters.metric_buffer import MetricBuffer
from airflow_provider_videoretalk.triggers import admission, dashscope


@pytest.fixture
def gauges(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, str]]:
    """The name, value and connection of each gauge that was sent."""
    sent: list[tuple[str, float, str]] = []
    monkeypatch.setattr(
        metrics, "set_gauge", lambda name, value, *, tags: sent.append((name, value, tags["connection_id"]))
    )
    return sent


@pytest.fixture
def buffer(monkeypatch: pytest.MonkeyPatch, gauges: list[tuple[str, float, str]]) -> MetricBuffer:
    """The triggers' buffer, which sends when a test says so."""
    own = MetricBuffer()
    monkeypatch.setattr(own, "_start", lambda: None)
    for trigger in (admission, dashscope):
        monkeypatch.setattr(trigger, "BUFFER", own)
    return own
