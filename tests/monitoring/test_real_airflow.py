"""One video on a real Airflow that sends metrics, traces and lineage: what arrives from workers and triggerer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from connections import API_KEY
from local_airflow import LocalAirflow, emulator
from monitoring.collectors import Lines, Spans, span_collector, statsd_collector

DAG_ID = "videoretalk_quickstart"
# Twice the time in which a triggerer sends its numbers.
SENT_WITHIN = 30.0
FINISHED_WITHIN = 400.0
JOB = "connection_id=dashscope_default,model=videoretalk"


@dataclass(frozen=True)
class Seen:
    lines: list[str]
    spans: dict[str, Any]
    lineage: list[dict[str, Any]]


def settings(lines: Lines, spans: Spans, *, lineage: Path) -> dict[str, str]:
    return {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(lines.port),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        "AIRFLOW__TRACES__OTEL_ON": "True",
        "OTEL_TRACES_EXPORTER": "otlp_proto_http",
        "OTEL_EXPORTER_OTLP_ENDPOINT": spans.url,
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "file", "log_file_path": str(lineage), "append": True}),
    }


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    home = tmp_path_factory.mktemp("monitoring")
    with statsd_collector() as lines, span_collector() as spans:
        local = LocalAirflow(
            home=home / "airflow", published=home, settings=settings(lines, spans, lineage=home / "lineage")
        )
        with emulator(home=home, time_scale=1) as base_url, local.running() as airflow:
            airflow.configure(base_url=base_url, api_key=API_KEY)
            airflow.publish_in(home / "videos")
            run = airflow.run_path(DAG_ID, airflow.trigger(DAG_ID, {}))
            deadline = time.monotonic() + FINISHED_WITHIN
            while (state := airflow.call("GET", run)["state"]) not in ("success", "failed"):
                assert time.monotonic() < deadline, f"the run is still {state}"
                time.sleep(0.5)
            assert state == "success"
            deadline = time.monotonic() + SENT_WITHIN
            while not any(line.startswith("videoretalk.waiting,") and ":0|g" in line for line in lines.own()):
                assert time.monotonic() < deadline, "the triggerer has not sent its last gauge"
                time.sleep(0.5)
        events = [json.loads(line) for line in (home / "lineage").read_text().splitlines()]
        yield Seen(lines=lines.own(), spans=dict(spans.spans), lineage=events)


def test_workers_count_each_step_once(seen: Seen) -> None:
    submits = [line for line in seen.lines if line.startswith("videoretalk.submit,")]
    ends = [line for line in seen.lines if line.startswith("videoretalk.job_ended,")]
    assert submits == [f"videoretalk.submit,{JOB}:1|c"]
    assert ends == [f"videoretalk.job_ended,{JOB},status=succeeded:1|c"]
    for name in ("billed_milliseconds", "cost_micros", "queue_time", "render_time"):
        assert sum(line.startswith(f"videoretalk.{name},{JOB}") for line in seen.lines) == 1


def test_the_triggerer_sends_its_requests_and_gauges(seen: Seen) -> None:
    assert any(",route=query,outcome=answered:" in line for line in seen.lines)
    gauges = [line for line in seen.lines if line.startswith("videoretalk.waiting,")]
    assert gauges[0].endswith(":1|g")
    assert gauges[-1].endswith(":0|g")


def test_no_line_has_a_key_or_a_url(seen: Seen) -> None:
    text = "\n".join(seen.lines)
    assert API_KEY not in text
    assert "http" not in text


def test_the_steps_are_spans_of_the_run_s_trace(seen: Seen) -> None:
    steps = ["speech", "preflight", "submit", "queue", "render", "publish"]
    found = {name: seen.spans[f"videoretalk.{name}"] for name in steps}
    assert len({span.trace_id for span in found.values()}) == 1, "one clip, one trace"
    assert found["submit"].trace_id == seen.spans["worker.retalk"].trace_id
    names = {span.span_id: name for name, span in seen.spans.items()}
    assert names[found["preflight"].parent_span_id] == "videoretalk.submit"


def test_lineage_leads_from_the_inputs_to_the_published_object(seen: Seen) -> None:
    ended = {event["job"]["name"]: event for event in seen.lineage if event["eventType"] == "COMPLETE"}
    retalk, publish = ended[f"{DAG_ID}.retalk"], ended[f"{DAG_ID}.publish"]
    facet = retalk["run"]["facets"]["videoretalk_renderJob"]
    assert facet["billedSeconds"] > 0
    assert facet["currency"] == "CNY"
    assert len(retalk["inputs"]) == 2
    assert publish["inputs"] == retalk["inputs"]
    (output,) = publish["outputs"]
    assert output["namespace"] == "file"
    assert output["name"].endswith(".mp4")
