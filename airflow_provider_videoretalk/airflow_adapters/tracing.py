"""Spans of a clip's steps in the trace of its DAG run, where Airflow traces. Without tracing, nothing is done.

Airflow 3.3 and newer has a span for each try of a task and for each trigger, while ``[traces] otel_on`` is set. The
spans here are their children. Airflow 3.1 and 3.2 make no such span, so nothing is added there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

PREFIX = "videoretalk"

log = logging.getLogger(__name__)

Step = Literal["speech", "preflight", "submit", "wait", "queue", "render", "publish"]
"""
- ``speech``: the request that synthesizes a script
- ``preflight``: reading the headers of the inputs
- ``submit``: the decision to resume or to submit, with all requests and reads that it takes
- ``wait``: waiting on a worker. A deferred wait is Airflow's own span of the trigger
- ``queue``, ``render``: the times at the service of a job that succeeded, by the service's own clock
- ``publish``: the copy of a result
"""

_NANOSECONDS = 1_000_000_000


@contextmanager
def step_span(step: Step, **attributes: str | float | None) -> Iterator[None]:
    """A span around a step. An error is left to Airflow's own span of the task, which records it."""
    tracer = _tracer()
    if tracer is None:
        yield
        return
    with tracer.start_as_current_span(
        f"{PREFIX}.{step}",
        attributes=_attributes(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ):
        yield


def add_job_spans(result: Mapping[str, Any], *, submitted_at: float, **attributes: str | float | None) -> None:
    """Adds the queue and the render of a job that succeeded, and writes what it billed to the task's span.

    The two begin at the submit by Airflow's clock. Their lengths are differences of the service's own times.

    :param result: a :class:`~airflow_provider_videoretalk.inputs.priced_result.PricedResult`
    :param submitted_at: in seconds since the epoch
    """
    tracer = _tracer()
    if tracer is None:
        return
    try:
        _add_job_spans(tracer, result, submitted_at=submitted_at, attributes=attributes)
    except Exception as error:
        # The job is paid.
        log.warning("The spans of render job %s could not be added: %s", result.get("task_id"), error)


def _add_job_spans(
    tracer: Tracer, result: Mapping[str, Any], *, submitted_at: float, attributes: Mapping[str, str | float | None]
) -> None:
    from opentelemetry import trace

    facts = {name: result.get(name) for name in ("task_id", "billed_seconds", "cost", "currency")}
    known = _attributes({**attributes, **facts})
    trace.get_current_span().set_attributes(known)
    start = round(submitted_at * _NANOSECONDS)
    for step in ("queue", "render"):
        seconds = result.get(f"{step}_seconds")
        if seconds is None or not submitted_at:
            return
        end = start + round(seconds * _NANOSECONDS)
        tracer.start_span(f"{PREFIX}.{step}", start_time=start, attributes=known).end(end_time=end)
        start = end


def _tracer() -> Tracer | None:
    """``None`` if no span is recorded here: tracing is off, the run is not sampled, or this Airflow has none."""
    try:
        # Late: a DAG file needs no tracing, and before Airflow 3.3 the library may be missing.
        from opentelemetry import trace
    except ImportError:
        return None
    return trace.get_tracer("airflow_provider_videoretalk") if trace.get_current_span().is_recording() else None


def _attributes(values: Mapping[str, str | float | None]) -> dict[str, str | float]:
    # "task_id" is Airflow's word for its own task.
    names = {"task_id": "job_id"}
    return {f"{PREFIX}.{names.get(name, name)}": value for name, value in values.items() if value is not None}
