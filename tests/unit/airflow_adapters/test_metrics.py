"""What is sent to Airflow's metrics, by Airflow's own StatsD logger."""

from __future__ import annotations

import threading
from typing import Any, get_args

import pytest
from statsd_lines import record_metrics

from airflow_provider_videoretalk.airflow_adapters import metric_buffer, metrics
from airflow_provider_videoretalk.airflow_adapters.job_metrics import count_end, count_result, job_tags, record_spend
from airflow_provider_videoretalk.airflow_adapters.metric_buffer import MetricBuffer
from airflow_provider_videoretalk.airflow_adapters.metric_table import METRICS, TAG_MEANINGS, MetricName, Tag
from airflow_provider_videoretalk.airflow_adapters.request_metrics import RequestCounter
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.submission.spend_event import SpendEvent

TAGS = {"connection_id": "c", "model": "videoretalk"}


def test_the_table_is_closed() -> None:
    assert tuple(METRICS) == get_args(MetricName)
    assert tuple(TAG_MEANINGS) == get_args(Tag)
    assert set(get_args(SpendEvent)) < set(METRICS)
    # StatsD exporters and OpenTelemetry collectors add such endings themselves.
    assert not any(name.endswith(("_total", "_seconds", "_bucket", "_count", "_sum")) for name in METRICS)


@pytest.mark.parametrize(
    ("with_tags", "line"),
    [(True, "videoretalk.submit,connection_id=c,model=videoretalk:1|c"), (False, "videoretalk.submit:1|c")],
)
def test_an_event_is_logged_and_counted(monkeypatch: pytest.MonkeyPatch, with_tags: bool, line: str) -> None:
    lines, told = record_metrics(monkeypatch, with_tags=with_tags), Told()
    tags = job_tags(connection_id="c", model="videoretalk")
    record_spend(told, "submit", "t1", "Submitted.", tags=tags)
    assert lines == [line]
    assert told.lines == ["spend submit task_id=t1 Submitted."]


def test_what_a_job_has_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = record_metrics(monkeypatch)
    result = {"billed_seconds": 6.04, "cost": 0.4832, "currency": "CNY", "queue_seconds": 0.0, "render_seconds": 61.5}
    count_result(result, tags=TAGS)
    assert lines == [
        "videoretalk.billed_milliseconds,connection_id=c,model=videoretalk:6040|c",
        "videoretalk.cost_micros,connection_id=c,model=videoretalk,currency=CNY:483200|c",
        "videoretalk.queue_time,connection_id=c,model=videoretalk:0.000000|ms",
        "videoretalk.render_time,connection_id=c,model=videoretalk:61500.000000|ms",
    ]


def test_what_the_service_does_not_say_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = record_metrics(monkeypatch)
    count_result({"billed_seconds": None, "queue_seconds": None, "render_seconds": None}, tags=TAGS)
    assert lines == []


@pytest.mark.parametrize(("stage", "status"), [("SUCCEEDED", "succeeded"), ("CANCELED", "canceled")])
def test_how_a_job_ended(monkeypatch: pytest.MonkeyPatch, stage: str, status: str) -> None:
    lines = record_metrics(monkeypatch)
    count_end(Task.parse({"output": {"task_id": "t", "task_status": stage}}), tags=TAGS)
    assert lines == [f"videoretalk.job_ended,connection_id=c,model=videoretalk,status={status}:1|c"]


def test_requests_and_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = record_metrics(monkeypatch)
    note = RequestCounter(connection_id="c")
    note("query", "answered")
    note("submit", "throttled")
    assert lines == [
        "videoretalk.request,connection_id=c,route=query,outcome=answered:1|c",
        "videoretalk.request,connection_id=c,route=submit,outcome=throttled:1|c",
        "videoretalk.throttled,connection_id=c,route=submit:1|c",
    ]


def test_a_model_of_a_person_s_choice_is_no_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = record_metrics(monkeypatch)
    metrics.count("submit", tags=job_tags(connection_id="c", model="made up 2026-11-27T10:00"))
    assert lines == ["videoretalk.submit,connection_id=c,model=other:1|c"]


@pytest.mark.parametrize("id_", ["a b", "a,b", "a=b", "a:b", "a|b", "a\nb", "a/b"])
def test_what_a_separator_would_spoil_is_replaced(monkeypatch: pytest.MonkeyPatch, id_: str) -> None:
    lines = record_metrics(monkeypatch)
    metrics.count("submit", tags={"connection_id": id_})
    assert lines == ["videoretalk.submit,connection_id=a_b:1|c"]


def test_a_long_tag_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = record_metrics(monkeypatch)
    metrics.count("submit", tags={"connection_id": "c" * 200})
    assert lines == [f"videoretalk.submit,connection_id={'c' * 100}:1|c"]


def test_a_tag_that_the_table_does_not_have_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = record_metrics(monkeypatch)
    metrics.count("throttled", tags={"connection_id": "c", "model": "videoretalk", "currency": "CNY"})
    assert lines == ["videoretalk.throttled,connection_id=c:1|c"]


@pytest.mark.parametrize("error", [OSError("no resolver"), ValueError("x"), RuntimeError("the owner's handler")])
def test_a_failure_reaches_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(name: str) -> str:
        raise error

    record_metrics(monkeypatch, name_handler=fail)
    told = Told()
    record_spend(told, "submit", "t1", "Submitted.", tags=TAGS)
    count_result({"billed_seconds": 1.0, "render_seconds": 2.0}, tags=TAGS)
    assert told.lines == ["spend submit task_id=t1 Submitted."], "the log has it all the same"
    assert [record.message for record in caplog.records] == [
        f"The metric {name} could not be sent ({type(error).__name__}: {error})"
        for name in ("submit", "billed_milliseconds", "render_time")
    ]


def test_a_buffer_sends_sums_and_gauges(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = record_metrics(monkeypatch)
    monkeypatch.setattr(metric_buffer.socket, "gethostname", lambda: "triggerer-1")
    monkeypatch.setattr(threading.Thread, "start", lambda self: None)
    buffer = MetricBuffer()
    note = RequestCounter(connection_id="c", count=buffer.count)
    for _ in range(3):
        note("query", "answered")
    with (
        buffer.one_more("waiting", tags={"connection_id": "c"}),
        buffer.one_more("waiting", tags={"connection_id": "c"}),
    ):
        assert lines == [], "an event loop sends nothing"
        buffer.send()
        buffer.send()
    buffer.send()
    buffer.send()
    request = "videoretalk.request,connection_id=c,route=query,outcome=answered:3|c"
    waiting = "videoretalk.waiting,connection_id=c,hostname=triggerer-1"
    assert lines == [request, f"{waiting}:2|g", f"{waiting}:2|g", f"{waiting}:0|g"]


def test_a_buffer_has_one_thread_that_ends_with_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, started = threading.Event(), []
    monkeypatch.setattr(metric_buffer, "SEND_SECONDS", 0.01)
    monkeypatch.setattr(metrics, "count", lambda *_, **__: sent.set())
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda self: started.append(self) or start(self))  # type: ignore[func-returns-value]
    buffer = MetricBuffer()
    buffer.count("request", tags={})
    buffer.count("request", tags={})
    assert sent.wait(10)
    assert [thread.daemon for thread in started] == [True]


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str, *values: Any) -> None:
        self.lines.append(text % values)

    def warning(self, text: str, *values: Any) -> None:
        raise AssertionError
