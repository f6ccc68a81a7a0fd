"""Counts what happens to render jobs: what is spent, saved or lost, and how each job ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.airflow_adapters import metrics
from airflow_provider_videoretalk.model_catalog.catalog import find_model

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.task import Task
    from airflow_provider_videoretalk.polling.progress_log import Log
    from airflow_provider_videoretalk.submission.spend_event import SpendEvent


def job_tags(*, connection_id: str, model: str | None = None) -> metrics.Tags:
    """The tags of a render job.

    :param model: its name; ``None`` if it is not known
    """
    known: metrics.Tags = {"connection_id": connection_id}
    return known if model is None else {**known, "model": model if find_model(model) else "other"}


def record_spend(log: Log, event: SpendEvent, task_id: str, reason: str, *, tags: metrics.Tags) -> None:
    """Logs one line that begins with ``spend <event>``, and counts ``videoretalk.<event>``."""
    log.info("spend %s task_id=%s %s", event, task_id, reason)
    metrics.count(event, tags=tags)


def count_end(task: Task, *, tags: metrics.Tags) -> None:
    """Counts a job that has ended."""
    metrics.count("job_ended", tags={**tags, "status": task.status.lower()})


def count_result(result: Mapping[str, Any], *, tags: metrics.Tags) -> None:
    """Counts what a job that succeeded has billed, and how long it took.

    :param result: a :class:`~airflow_provider_videoretalk.inputs.priced_result.PricedResult`
    """
    if billed := result.get("billed_seconds"):
        metrics.count("billed_milliseconds", round(billed * 1000), tags=tags)
    if cost := result.get("cost"):
        currency = str(result.get("currency") or "")
        metrics.count("cost_micros", round(cost * 1_000_000), tags={**tags, "currency": currency})
    if (queued := result.get("queue_seconds")) is not None:
        metrics.observe("queue_time", queued, tags=tags)
    if (rendered := result.get("render_seconds")) is not None:
        metrics.observe("render_time", rendered, tags=tags)
