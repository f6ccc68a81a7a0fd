"""Spans of a clip's steps, by the OpenTelemetry SDK that Airflow uses."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from airflow_provider_videoretalk.airflow_adapters.tracing import add_job_spans, step_span

RESULT = {
    "task_id": "job-1",
    "billed_seconds": 6.0,
    "cost": 0.48,
    "currency": "CNY",
    "queue_seconds": 10.5,
    "render_seconds": 60.25,
}
SECOND = 1_000_000_000


class Airflow:
    """What Airflow does around a task: a span, which is current."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    known = Airflow()
    monkeypatch.setattr(trace, "get_tracer", known.provider.get_tracer)
    yield known
    known.provider.shutdown()


def test_a_step_is_a_child_of_the_task(airflow: Airflow) -> None:
    with trace.get_tracer("airflow").start_as_current_span("worker.retalk"), step_span("submit", model="videoretalk"):
        pass
    child, parent = airflow.spans["videoretalk.submit"], airflow.spans["worker.retalk"]
    assert child.parent is not None
    assert child.parent.span_id == parent.context.span_id
    assert child.attributes == {"videoretalk.model": "videoretalk"}


def test_queue_and_render_have_the_lengths_that_the_service_says(airflow: Airflow) -> None:
    with trace.get_tracer("airflow").start_as_current_span("worker.retalk"):
        add_job_spans(RESULT, submitted_at=1000.0, connection_id="c")
    facts = {
        "videoretalk.connection_id": "c",
        "videoretalk.job_id": "job-1",
        "videoretalk.billed_seconds": 6.0,
        "videoretalk.cost": 0.48,
        "videoretalk.currency": "CNY",
    }
    queue, render = airflow.spans["videoretalk.queue"], airflow.spans["videoretalk.render"]
    assert (queue.start_time, queue.end_time) == (1000 * SECOND, 1010.5 * SECOND)
    assert (render.start_time, render.end_time) == (1010.5 * SECOND, 1070.75 * SECOND)
    assert queue.attributes == render.attributes == airflow.spans["worker.retalk"].attributes == facts


@pytest.mark.parametrize("unknown", [{"queue_seconds": None}, {"render_seconds": None}, {"submitted_at": 0.0}])
def test_what_is_not_known_has_no_span(airflow: Airflow, unknown: dict[str, Any]) -> None:
    submitted_at = unknown.pop("submitted_at", 1000.0)
    with trace.get_tracer("airflow").start_as_current_span("worker.retalk"):
        add_job_spans(RESULT | unknown, submitted_at=submitted_at)
    assert "videoretalk.render" not in airflow.spans


@pytest.mark.parametrize("submitted_at", [float("nan"), float("inf"), 1e300])
def test_an_impossible_time_fails_nothing(airflow: Airflow, submitted_at: float) -> None:
    with trace.get_tracer("airflow").start_as_current_span("worker.retalk"):
        add_job_spans(RESULT, submitted_at=submitted_at)
    assert "worker.retalk" in airflow.spans


def test_an_error_is_left_to_the_span_of_the_task(airflow: Airflow) -> None:
    with pytest.raises(KeyError), trace.get_tracer("airflow").start_as_current_span("worker.retalk"):  # noqa: SIM117
        with step_span("submit"):
            raise KeyError("x")
    assert airflow.spans["videoretalk.submit"].events == ()
    assert len(airflow.spans["worker.retalk"].events) == 1


def test_without_airflow_s_span_there_is_none(airflow: Airflow) -> None:
    with step_span("submit"):
        add_job_spans(RESULT, submitted_at=1000.0)
    assert airflow.spans == {}


def test_the_library_may_be_missing(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(name)
        return real(name, *arguments)

    with trace.get_tracer("airflow").start_as_current_span("worker.retalk"):
        monkeypatch.setattr(builtins, "__import__", without)
        with step_span("submit"):
            add_job_spans(RESULT, submitted_at=1000.0)
        monkeypatch.undo()
    assert list(airflow.spans) == ["worker.retalk"]
