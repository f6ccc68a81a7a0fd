"""Sends this package's metrics by Airflow's ``Stats``. A failure is logged, and never reaches a task or a trigger."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_videoretalk.airflow_adapters.metric_table import METRICS, MetricName, Tag

# Airflow drops a whole metric for a character that it does not allow. StatsD reads some of them as separators.
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_TAG = 100

log = logging.getLogger(__name__)

Tags = Mapping[Tag, str]


def count(name: MetricName, amount: int = 1, *, tags: Tags) -> None:
    """Adds to a counter."""
    _send("incr", name, amount, tags)


def observe(name: MetricName, seconds: float, *, tags: Tags) -> None:
    """Adds a duration to a timer."""
    _send("timing", name, timedelta(seconds=seconds), tags)


def set_gauge(name: MetricName, value: float, *, tags: Tags) -> None:
    """Sets a gauge."""
    _send("gauge", name, value, tags)


def _send(method: str, name: MetricName, value: Any, tags: Tags) -> None:
    try:
        metric = METRICS[name]
        known = {tag: _NOT_IN_TAGS.sub("_", tags[tag])[:_LONGEST_TAG] for tag in metric.tags if tags.get(tag)}
        getattr(Stats, method)(metric.full_name, value, tags=known)
    except Exception as error:
        # Airflow resolves the host of StatsD at the first metric, and calls the owner's handler of names.
        log.warning("The metric %s could not be sent (%s: %s)", name, type(error).__name__, error)
