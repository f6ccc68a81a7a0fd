"""Cancelling a task that nobody waits for any longer, and saying truly what became of it."""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_videoretalk.dashscope.client import AsyncClient, Client
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import cancel_task


class Cancellation(NamedTuple):
    """What became of the attempt to cancel a task.

    :param done: whether the task will neither run nor bill
    :param sentence: the same in words
    """

    done: bool
    sentence: str


def cancel(client: Client, task_id: str) -> Cancellation:
    """Cancels the task if it is still queued; never raises."""
    try:
        client.send(cancel_task(task_id))
    except DashScopeError as error:
        return _not_cancelled(task_id, error)
    return _cancelled(task_id)


async def cancel_async(client: AsyncClient, task_id: str) -> Cancellation:
    """:func:`cancel` on an event loop."""
    try:
        await client.send(cancel_task(task_id))
    except DashScopeError as error:
        return _not_cancelled(task_id, error)
    return _cancelled(task_id)


def _cancelled(task_id: str) -> Cancellation:
    return Cancellation(True, f"Task {task_id} was still queued and is cancelled; it bills nothing.")


def _not_cancelled(task_id: str, error: DashScopeError) -> Cancellation:
    if error.code == "UnsupportedOperation":
        return Cancellation(False, f"Task {task_id} is no longer queued and can't be stopped: if it renders, it bills.")
    return Cancellation(False, f"Task {task_id} could not be cancelled, and may run and bill: {error}")
