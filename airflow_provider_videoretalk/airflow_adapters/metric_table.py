"""All metrics of this package, in one closed table. The documentation, the dashboard and the tests are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PREFIX = "videoretalk"
"""The first part of each name. Airflow adds its own prefix, by default ``airflow``."""

MetricName = Literal[
    "submit",
    "adopt",
    "duplicate_prevented",
    "cancel",
    "cancelled",
    "loss",
    "lost_reply",
    "in_doubt",
    "held_back",
    "job_ended",
    "billed_milliseconds",
    "cost_micros",
    "queue_time",
    "render_time",
    "request",
    "throttled",
    "waiting",
    "waiting_for_admission",
]

Kind = Literal["counter", "gauge", "timer"]

Tag = Literal["connection_id", "model", "status", "currency", "route", "outcome", "hostname"]

TAG_MEANINGS: Mapping[Tag, str] = {
    "connection_id": "the Airflow connection",
    "model": "the model's name in the catalog, or `other`; missing where a trigger cancels or a sensor waits",
    "status": "how the job ended: `succeeded`, `failed`, `canceled` or `unknown`",
    "currency": "of the price, such as `CNY`",
    "route": "`submit`, `query`, `list`, `cancel`, `upload`, or `other`, such as speech",
    "outcome": "`answered`, `throttled` (429), `refused` (another 4xx), `failed` (5xx), `no_reply`",
    "hostname": "of the triggerer, as in Airflow's own `triggers.running`",
}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """
    :param unit: of a value as it is sent
    :param tags: those that it may have
    :param sent_by: the components of Airflow that send it
    """

    name: MetricName
    kind: Kind
    unit: str
    tags: tuple[Tag, ...]
    sent_by: str
    meaning: str

    @property
    def full_name(self) -> str:
        """The name in Airflow's metrics, without Airflow's own prefix."""
        return f"{PREFIX}.{self.name}"


_JOB: tuple[Tag, ...] = ("connection_id", "model")


def _job_counter(name: MetricName, meaning: str, *, tags: tuple[Tag, ...] = _JOB, unit: str = "1") -> Metric:
    return Metric(name=name, kind="counter", unit=unit, tags=tags, sent_by="worker", meaning=meaning)


_METRICS = (
    _job_counter("submit", "render jobs that were created"),
    _job_counter("adopt", "tries that found the render job of an earlier try, and wait for it"),
    _job_counter(
        "duplicate_prevented", "tries, after a retry or a clear, that found a paid job, and did not pay again"
    ),
    Metric(
        name="cancel",
        kind="counter",
        unit="1",
        tags=_JOB,
        sent_by="worker, triggerer",
        meaning="attempts to cancel a render job, whatever their outcome",
    ),
    Metric(
        name="cancelled",
        kind="counter",
        unit="1",
        tags=_JOB,
        sent_by="worker, triggerer",
        meaning="render jobs that were cancelled while they queued; they are not billed",
    ),
    _job_counter("loss", "render jobs that were submitted, and whose result cannot be used"),
    _job_counter("lost_reply", "submits that were sent and got no usable reply: a render job may exist"),
    _job_counter("in_doubt", "tasks that failed because it is not known whether their submit created a render job"),
    _job_counter("held_back", "submits that were held back, each counted once, when it was first held back"),
    _job_counter("job_ended", "render jobs whose end a task has seen", tags=(*_JOB, "status")),
    _job_counter("billed_milliseconds", "output that was billed, in milliseconds of video", unit="ms"),
    _job_counter(
        "cost_micros",
        "cost of the billed output, by the known price, in millionths of the currency",
        tags=(*_JOB, "currency"),
        unit="10⁻⁶ of the currency",
    ),
    Metric(
        name="queue_time",
        kind="timer",
        unit="ms",
        tags=_JOB,
        sent_by="worker",
        meaning="how long a job that succeeded had queued at the service",
    ),
    Metric(
        name="render_time",
        kind="timer",
        unit="ms",
        tags=_JOB,
        sent_by="worker",
        meaning="how long the render of a job that succeeded took",
    ),
    Metric(
        name="request",
        kind="counter",
        unit="1",
        tags=("connection_id", "route", "outcome"),
        sent_by="worker, triggerer, API server",
        meaning="requests to the service",
    ),
    Metric(
        name="throttled",
        kind="counter",
        unit="1",
        tags=("connection_id", "route"),
        sent_by="worker, triggerer, API server",
        meaning="requests that the service refused as one too many (429)",
    ),
    Metric(
        name="waiting",
        kind="gauge",
        unit="1",
        tags=("connection_id", "hostname"),
        sent_by="triggerer",
        meaning="render jobs that a triggerer waits for now",
    ),
    Metric(
        name="waiting_for_admission",
        kind="gauge",
        unit="1",
        tags=("connection_id", "hostname"),
        sent_by="triggerer",
        meaning="submits that a triggerer holds back now",
    ),
)

METRICS: Mapping[MetricName, Metric] = {metric.name: metric for metric in _METRICS}
