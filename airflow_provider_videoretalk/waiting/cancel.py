"""Cancelling a task that nobody waits for any longer, and saying truly what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, NamedTuple

from airflow_provider_videoretalk.dashscope.client import AsyncClient, Client
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Task, cancel_task, get_task


class Cancellation(NamedTuple):
    """What became of the attempt to cancel a task.

    :param done: whether the task will neither run nor bill
    :param begun: whether it is known to have left the queue, or to have ended
    :param sentence: the same in words
    """

    done: bool
    begun: bool
    sentence: str


# What passes is worth some seconds of waiting: a task that is not cancelled bills.
_PAUSES = (1.0, 3.0, 6.0)
_LONGEST_PAUSE = 10.0


def cancel(
    client: Client,
    task_id: str,
    *,
    expected_seconds: float | None = None,
    pauses: Sequence[float] = _PAUSES,
    sleep: Callable[[float], object] = time.sleep,
) -> Cancellation:
    """Cancels the task if it is still queued; never raises.

    :param expected_seconds: of output, which is what bills, where that is known
    :param pauses: before each further attempt after a failure that may pass, in seconds
    """
    attempt = _attempt(task_id, expected_seconds, pauses)
    try:
        step = next(attempt)
        while True:
            try:
                answer = sleep(step) if isinstance(step, float) else client.send(step)
            except DashScopeError as error:
                step = attempt.throw(error)
            else:
                step = attempt.send(answer)
    except StopIteration as end:
        ended: Cancellation = end.value
        return ended


async def cancel_async(
    client: AsyncClient,
    task_id: str,
    *,
    expected_seconds: float | None = None,
    pauses: Sequence[float] = _PAUSES,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> Cancellation:
    """:func:`cancel` on an event loop."""
    attempt = _attempt(task_id, expected_seconds, pauses)
    try:
        step = next(attempt)
        while True:
            try:
                answer = await (sleep(step) if isinstance(step, float) else client.send(step))
            except DashScopeError as error:
                step = attempt.throw(error)
            else:
                step = attempt.send(answer)
    except StopIteration as end:
        ended: Cancellation = end.value
        return ended


def _attempt(
    task_id: str, expected_seconds: float | None, pauses: Sequence[float]
) -> Generator[Request[Any] | float, Any, Cancellation]:
    """The requests to send, each of which is answered or thrown an error, and the seconds to wait between them."""
    for pause in (*pauses, None):
        try:
            yield cancel_task(task_id)
        except DashScopeError as error:
            if error.code == "UnsupportedOperation":
                break
            if pause is None or not error.retryable:
                return Cancellation(
                    done=False,
                    begun=False,
                    sentence=f"Task {task_id} could not be cancelled, and may run and bill: {error}",
                )
            yield max(pause, min(error.retry_after or 0.0, _LONGEST_PAUSE))
        else:
            return Cancellation(
                done=True, begun=False, sentence=f"Task {task_id} was still queued and is cancelled; it bills nothing."
            )
    try:
        task: Task = yield get_task(task_id)
    except DashScopeError:
        return Cancellation(
            done=False, begun=True, sentence=_unstoppable(task_id, "is no longer queued", expected_seconds)
        )
    if not task.ended:
        return Cancellation(
            done=False, begun=True, sentence=_unstoppable(task_id, f"is {task.stage}", expected_seconds)
        )
    bill = "" if task.billed_seconds is None else f" and billed {task.billed_seconds:g} seconds"
    return Cancellation(
        done=task.status == "CANCELED", begun=True, sentence=f"Task {task_id} had ended {task.status}{bill}."
    )


def _unstoppable(task_id: str, stands: str, expected_seconds: float | None) -> str:
    bill = "its whole length" if expected_seconds is None else f"about {expected_seconds:g} seconds"
    return f"Task {task_id} {stands} and can't be stopped: it will bill {bill}, if it succeeds."
