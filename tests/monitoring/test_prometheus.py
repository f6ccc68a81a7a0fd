"""The mapping, the dashboard and the alerts, by a real StatsD exporter and a real Prometheus."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from child_processes import free_port
from monitoring_names import MONITORING, prometheus_names
from statsd_lines import record_metrics

from airflow_provider_videoretalk.airflow_adapters import metrics
from airflow_provider_videoretalk.airflow_adapters.metric_table import METRICS, Metric

MISSING = [name for name in ("prometheus", "statsd_exporter") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING),
    reason=f"{' and '.join(MISSING)} not found: apt-get install prometheus; the exporter is no package of Debian",
)

ANSWERS_WITHIN = 60.0
VALUES = {"connection_id": "c", "model": "videoretalk", "status": "succeeded", "currency": "CNY", "hostname": "t1"}
REQUEST = {"route": "query", "outcome": "refused"}


class Prometheus:
    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"
        self._web = requests.Session()
        self._web.trust_env = False

    def get(self, path: str, **parameters: str) -> Any:
        reply = self._web.get(f"{self._url}/{path}", params=parameters, timeout=10)
        reply.raise_for_status()
        return reply.json()["data"]

    def query(self, expression: str) -> list[Any]:
        return self.get("query", query=expression)["result"]  # type: ignore[no-any-return]


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + ANSWERS_WITHIN
    while True:
        try:
            if found := condition():
                return found
        except requests.RequestException:
            pass
        assert time.monotonic() < deadline, f"there is no {what}"
        time.sleep(0.2)


def send(metric: Metric) -> None:
    tags = {tag: (VALUES | REQUEST)[tag] for tag in metric.tags}
    if metric.kind == "counter":
        metrics.count(metric.name, 5, tags=tags)
    elif metric.kind == "gauge":
        metrics.set_gauge(metric.name, 5, tags=tags)
    else:
        metrics.observe(metric.name, 61.5, tags=tags)


@pytest.fixture(scope="module")
def statsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Prometheus]]:
    """The exporter's port, and a Prometheus that reads the exporter and these rules."""
    folder, lines, page, own = tmp_path_factory.mktemp("prometheus"), free_port(), free_port(), free_port()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(MONITORING / "alerts.yml")],
        "scrape_configs": [{"job_name": "airflow", "static_configs": [{"targets": [f"127.0.0.1:{page}"]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    commands = [
        [
            "statsd_exporter",
            f"--statsd.mapping-config={MONITORING / 'statsd-mapping.yml'}",
            f"--statsd.listen-udp=127.0.0.1:{lines}",
            "--statsd.listen-tcp=",
            f"--web.listen-address=127.0.0.1:{page}",
        ],
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{own}",
        ],
    ]
    logs = [(folder / f"{command[0]}.log").open("wb") for command in commands]
    processes = [
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        for command, log in zip(commands, logs, strict=True)
    ]
    prometheus = Prometheus(own)
    try:
        wait_for(lambda: prometheus.query('up{job="airflow"} == 1'), "exporter that Prometheus reads")
        yield lines, prometheus
    finally:
        for process, log in zip(processes, logs, strict=True):
            process.terminate()
            process.wait(20)
            log.close()


@pytest.fixture(scope="module")
def prometheus(statsd: tuple[int, Prometheus]) -> Prometheus:
    """After each metric was sent twice, by Airflow's own StatsD logger, at two readings of the exporter."""
    port, prometheus = statsd
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, pytest.MonkeyPatch.context() as patch:
        written = record_metrics(patch)
        for number in (1, 2):
            written.clear()
            for metric in METRICS.values():
                send(metric)
            for line in written:
                client.sendto(f"airflow.{line}".encode(), ("127.0.0.1", port))
            seen = f"airflow_videoretalk_submit_total == {5 * number}"
            wait_for(lambda seen=seen: prometheus.query(seen), "submit that was counted")  # type: ignore[misc]
    return prometheus


def test_each_metric_has_its_name_and_its_labels(prometheus: Prometheus) -> None:
    for name, metric in prometheus_names().items():
        found = prometheus.query(name)
        assert found, name
        labels = set(found[0]["metric"]) - {"__name__", "job", "instance", "le"}
        assert labels == set(metric.tags), name


def test_times_arrive_in_seconds(prometheus: Prometheus) -> None:
    (found,) = prometheus.query("airflow_videoretalk_render_time_seconds_sum")
    assert float(found["value"][1]) == pytest.approx(123.0)
    (found,) = prometheus.query('airflow_videoretalk_render_time_seconds_bucket{le="60"}')
    assert float(found["value"][1]) == 0


def expressions() -> list[str]:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("expression", expressions(), ids=lambda text: text[:50])
def test_every_query_of_the_dashboard_has_an_answer(prometheus: Prometheus, expression: str) -> None:
    for name, value in {"$connection": ".*", "$__range": "1h", "$__rate_interval": "1m"}.items():
        expression = expression.replace(name, value)
    assert prometheus.query(expression)


def test_a_submit_in_doubt_is_an_alert(prometheus: Prometheus) -> None:
    def firing() -> list[dict[str, Any]]:
        return [alert for alert in prometheus.get("alerts")["alerts"] if alert["state"] == "firing"]

    wait_for(firing, "alert that fires")
    assert {alert["labels"]["alertname"] for alert in firing()} == {"VideoRetalkSubmitInDoubt"}


def test_rules_are_those_of_the_file(prometheus: Prometheus) -> None:
    file = yaml.safe_load(Path(MONITORING / "alerts.yml").read_text())
    known = [rule["name"] for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert known == [rule["alert"] for group in file["groups"] for rule in group["rules"]]
