"""Cancelling a task that nobody waits for any longer, and saying truly what became of it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from airflow_provider_videoretalk.dashscope.client import AsyncClient, Client
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Task, cancel_task, get_task


class Cancellation(NamedTuple):
    """What became of the attempt to cancel a task.

    :param done: whether the task will neither run nor bill
    :param sentence: the same in words
    """

    done: bool
    sentence: str


def cancel(client: Client, task_id: str, *, expected_seconds: float | None = None) -> Cancellation:
    """Cancels the task if it is still queued; never raises.

    :param expected_seconds: of output, which is what bills, where that is known
    """
    attempt = _attempt(task_id, expected_seconds)
    try:
        request = next(attempt)
        while True:
            try:
                answer = client.send(request)
            except DashScopeError as error:
                request = attempt.throw(error)
            else:
                request = attempt.send(answer)
    except StopIteration as end:
        ended: Cancellation = end.value
        return ended


async def cancel_async(client: AsyncClient, task_id: str, *, expected_seconds: float | None = None) -> Cancellation:
    """:func:`cancel` on an event loop."""
    attempt = _attempt(task_id, expected_seconds)
    try:
        request = next(attempt)
        while True:
            try:
                answer = await client.send(request)
            except DashScopeError as error:
                request = attempt.throw(error)
            else:
                request = attempt.send(answer)
    except StopIteration as end:
        ended: Cancellation = end.value
        return ended


def _attempt(task_id: str, expected_seconds: float | None) -> Generator[Request[Any], Any, Cancellation]:
    """The requests to send, each of which is answered or thrown an error."""
    try:
        yield cancel_task(task_id)
    except DashScopeError as error:
        if error.code != "UnsupportedOperation":
            return Cancellation(False, f"Task {task_id} could not be cancelled, and may run and bill: {error}")
    else:
        return Cancellation(True, f"Task {task_id} was still queued and is cancelled; it bills nothing.")
    try:
        task: Task = yield get_task(task_id)
    except DashScopeError:
        return Cancellation(False, _unstoppable(task_id, "is no longer queued", expected_seconds))
    if not task.ended:
        return Cancellation(False, _unstoppable(task_id, f"is {task.stage}", expected_seconds))
    bill = "" if task.billed_seconds is None else f" and billed {task.billed_seconds:g} seconds"
    return Cancellation(task.status == "CANCELED", f"Task {task_id} had ended {task.status}{bill}.")


def _unstoppable(task_id: str, stands: str, expected_seconds: float | None) -> str:
    bill = "its whole length" if expected_seconds is None else f"about {expected_seconds:g} seconds"
    return f"Task {task_id} {stands} and can't be stopped: it will bill {bill}, if it succeeds."
