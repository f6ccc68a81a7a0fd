"""Cancelling a task that nobody waits for any longer, and saying truly what became of it."""

from __future__ import annotations

from airflow_provider_videoretalk.dashscope.client import AsyncClient, Client
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import cancel_task


def cancel(client: Client, task_id: str) -> str:
    """Cancels the task if it is still queued; returns a sentence on how that went, and never raises for it."""
    try:
        client.send(cancel_task(task_id))
    except DashScopeError as error:
        return _not_cancelled(task_id, error)
    return _cancelled(task_id)


async def cancel_async(client: AsyncClient, task_id: str) -> str:
    """:func:`cancel` on an event loop."""
    try:
        await client.send(cancel_task(task_id))
    except DashScopeError as error:
        return _not_cancelled(task_id, error)
    return _cancelled(task_id)


def _cancelled(task_id: str) -> str:
    return f"Task {task_id} was still queued and is cancelled; it bills nothing."


def _not_cancelled(task_id: str, error: DashScopeError) -> str:
    if error.code == "UnsupportedOperation":
        return (
            f"Task {task_id} is no longer queued and can't be stopped: if it still renders, it bills when it succeeds."
        )
    return f"Task {task_id} could not be cancelled, and may run and bill: {error}"
