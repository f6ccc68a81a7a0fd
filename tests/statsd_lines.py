"""Airflow's own StatsD logger, with a client that keeps the lines that would be sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Stats

_logger = pytest.importorskip(
    "airflow.sdk._shared.observability.metrics.statsd_logger", reason="older Airflow has its StatsD logger elsewhere"
)


class StatsdLines:
    """Stands for ``statsd.StatsClient``."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def incr(self, stat: str, count: int, rate: float) -> None:
        self.lines.append(f"{stat}:{count}|c")

    def gauge(self, stat: str, value: float, rate: float, delta: bool) -> None:
        self.lines.append(f"{stat}:{value:g}|g")

    def timing(self, stat: str, dt: timedelta) -> None:
        self.lines.append(f"{stat}:{dt.total_seconds() * 1000:.6f}|ms")


def record_metrics(monkeypatch: pytest.MonkeyPatch, *, with_tags: bool = True, name_handler: Any = None) -> list[str]:
    """The lines that Airflow sends from now on."""
    client = StatsdLines()
    logger = _logger.SafeStatsdLogger(
        client,  # type: ignore[arg-type]
        influxdb_tags_enabled=with_tags,
        statsd_influxdb_enabled=with_tags,
        stat_name_handler=name_handler,
    )
    for method in ("incr", "gauge", "timing"):
        monkeypatch.setattr(Stats, method, getattr(logger, method))
    return client.lines
