"""Counts the requests to the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from airflow_provider_videoretalk.airflow_adapters import metrics

if TYPE_CHECKING:
    from airflow_provider_videoretalk.airflow_adapters.metric_table import MetricName
    from airflow_provider_videoretalk.dashscope.request_outcome import RequestOutcome


class Count(Protocol):
    """:func:`.metrics.count`, or :meth:`.metric_buffer.MetricBuffer.count` on an event loop."""

    def __call__(self, name: MetricName, amount: int = 1, *, tags: metrics.Tags) -> None: ...


@dataclass(frozen=True, kw_only=True)
class RequestCounter:
    """A :class:`~airflow_provider_videoretalk.dashscope.request_outcome.NoteRequest`."""

    connection_id: str
    count: Count = metrics.count

    def __call__(self, route: str, outcome: RequestOutcome) -> None:
        tags: metrics.Tags = {"connection_id": self.connection_id, "route": route, "outcome": outcome}
        self.count("request", tags=tags)
        if outcome == "throttled":
            self.count("throttled", tags={"connection_id": self.connection_id, "route": route})
