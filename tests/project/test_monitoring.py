"""The folder ``monitoring/`` and the page about it name the metrics that the code sends, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from monitoring_names import MONITORING, prometheus_names, rule_of
from project_files import ROOT

from airflow_provider_videoretalk.airflow_adapters.metric_table import METRICS, TAG_MEANINGS

NAMES = prometheus_names()
_SERIES = re.compile(r"(airflow_videoretalk_\w+)(?:\{([^}]*)\})?")
_BY = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")


def dashboard_expressions() -> list[str]:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def alert_expressions() -> list[str]:
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def series_of_the_tests() -> list[str]:
    tests = yaml.safe_load((MONITORING / "alerts.test.yml").read_text())
    return [series["series"] for test in tests["tests"] for series in test["input_series"]]


def labels_of(expression: str) -> Iterator[tuple[str, str]]:
    """Each metric with each label that its matchers name."""
    for name, matchers in _SERIES.findall(expression):
        yield from ((name, label) for label in re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers))


def test_every_metric_is_mapped() -> None:
    assert {name for name in NAMES if not name.endswith(("_bucket", "_sum", "_count"))} == {
        "airflow_videoretalk_submit_total",
        "airflow_videoretalk_adopt_total",
        "airflow_videoretalk_duplicate_prevented_total",
        "airflow_videoretalk_cancel_total",
        "airflow_videoretalk_cancelled_total",
        "airflow_videoretalk_loss_total",
        "airflow_videoretalk_lost_reply_total",
        "airflow_videoretalk_in_doubt_total",
        "airflow_videoretalk_held_back_total",
        "airflow_videoretalk_job_ended_total",
        "airflow_videoretalk_billed_milliseconds_total",
        "airflow_videoretalk_cost_micros_total",
        "airflow_videoretalk_request_total",
        "airflow_videoretalk_throttled_total",
        "airflow_videoretalk_waiting",
        "airflow_videoretalk_waiting_for_admission",
    }


@pytest.mark.parametrize(
    "expression", [*dashboard_expressions(), *alert_expressions(), *series_of_the_tests()], ids=lambda text: text[:60]
)
def test_an_expression_names_metrics_and_tags_of_the_table(expression: str) -> None:
    used = [name for name, _ in _SERIES.findall(expression)]
    assert used, "it names no metric of this package"
    assert set(used) <= set(NAMES)
    allowed = {tag for name in used for tag in NAMES[name].tags} | {"le"}
    for name, label in labels_of(expression):
        assert label in NAMES[name].tags
    for group in _BY.findall(expression):
        assert {label.strip() for label in group.split(",")} <= allowed


def test_the_dashboard_shows_every_metric() -> None:
    shown = {NAMES[name].name for expression in dashboard_expressions() for name, _ in _SERIES.findall(expression)}
    assert set(METRICS) - shown == set()


def test_the_dashboard_can_be_imported() -> None:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}, "a file for every Grafana"
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert [target["refId"] for target in panel["targets"]] == list("ABCDE"[: len(panel["targets"])])


def test_gauges_of_a_triggerer_that_has_ended_are_forgotten() -> None:
    for metric in METRICS.values():
        rule, _ = rule_of(f"airflow.{metric.full_name}", metric.kind)
        assert ("ttl" in rule) == (metric.kind == "gauge")


def test_every_alert_is_tested() -> None:
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())
    tests = yaml.safe_load((MONITORING / "alerts.test.yml").read_text())
    fired = {case["alertname"] for test in tests["tests"] for case in test["alert_rule_test"] if case.get("exp_alerts")}
    assert fired == {rule["alert"] for group in rules["groups"] for rule in group["rules"]}


def test_the_page_has_the_table() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text().partition("\n## Dashboard")[0]
    rows = [
        f"| `{metric.full_name}` | {metric.kind} | {metric.unit} | {', '.join(f'`{tag}`' for tag in metric.tags)} "
        f"| {metric.sent_by} | {metric.meaning} |"
        for metric in METRICS.values()
    ]
    assert [line for line in page.splitlines() if line.startswith("| `videoretalk.")] == rows
    tags = [f"| `{tag}` | {meaning} |" for tag, meaning in TAG_MEANINGS.items()]
    assert [row for row in tags if row not in page] == []
