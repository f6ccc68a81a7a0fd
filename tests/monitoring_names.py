"""The names that Prometheus has for this package's metrics, by the mapping in ``monitoring/``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml
from project_files import ROOT

from airflow_provider_videoretalk.airflow_adapters.metric_table import METRICS, Kind, Metric

MONITORING = ROOT / "monitoring"

# What the exporter calls the kinds of StatsD.
_TYPES: Mapping[Kind, str] = {"counter": "counter", "gauge": "gauge", "timer": "observer"}
_ENDINGS: Mapping[Kind, tuple[str, ...]] = {"counter": ("",), "gauge": ("",), "timer": ("_bucket", "_sum", "_count")}


def rule_of(name: str, kind: Kind) -> tuple[dict[str, Any], str]:
    """The first rule of the mapping that matches, and the name that it gives. A glob's star is one part of a name."""
    mapping = yaml.safe_load((MONITORING / "statsd-mapping.yml").read_text())
    for rule in mapping["mappings"]:
        pattern = re.escape(rule["match"]).replace(r"\*", r"([^.]+)")
        if rule["match_metric_type"] == _TYPES[kind] and (found := re.fullmatch(pattern, name)):
            return rule, re.sub(r"\$\{(\d)\}", lambda group: found[int(group[1])], rule["name"])
    raise LookupError(f"no rule for the {kind} {name}")


def prometheus_names() -> dict[str, Metric]:
    """The metrics by their names in Prometheus."""
    return {
        rule_of(f"airflow.{metric.full_name}", metric.kind)[1] + ending: metric
        for metric in METRICS.values()
        for ending in _ENDINGS[metric.kind]
    }
