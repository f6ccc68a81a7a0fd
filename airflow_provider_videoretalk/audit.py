"""The audit of spend: Airflow's own metrics, and a line in the task's log, for every step that touches money."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_videoretalk.waiting.audit import SpendEvent
    from airflow_provider_videoretalk.waiting.narrator import Log


def note_spend(log: Log, event: SpendEvent, task_id: str, reason: str) -> None:
    """Counts ``videoretalk.<event>`` and writes one line that can be searched for ``spend <event>``."""
    from airflow.providers.common.compat.sdk import Stats

    Stats.incr(f"videoretalk.{event}")
    log.info("spend %s task_id=%s %s", event, task_id, reason)
