"""Counts spend events in Airflow's metrics and writes them to the task's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import Stats

if TYPE_CHECKING:
    from airflow_provider_videoretalk.polling.progress_log import Log
    from airflow_provider_videoretalk.submission.spend_event import SpendEvent


def record_spend(log: Log, event: SpendEvent, task_id: str, reason: str) -> None:
    """Counts ``videoretalk.<event>`` and logs one line that begins with ``spend <event>``."""
    Stats.incr(f"videoretalk.{event}")
    log.info("spend %s task_id=%s %s", event, task_id, reason)
