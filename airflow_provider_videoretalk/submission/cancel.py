"""Cancels a render job that nobody waits for any more, and reports the outcome.

That the service accepts a cancel is not believed: only the job's own status afterwards says whether it is cancelled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Task, cancel_task, get_task

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.async_client import AsyncClient
    from airflow_provider_videoretalk.dashscope.client import Client


class Cancellation(NamedTuple):
    """The outcome of an attempt to cancel a render job.

    :param done: whether the job will neither run nor be billed
    :param begun: whether the job is known to have left the queue, or to have ended
    :param sentence: the same in words
    :param needless: whether the job had already ended, so that there was nothing to cancel
    """

    done: bool
    begun: bool
    sentence: str
    needless: bool = False


# Failures that pass are worth a few seconds: a job that is not cancelled is billed.
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
    """Cancels the job if it is still queued. Raises no error of the service or the network.

    :param expected_seconds: of output, which are billed; ``None`` if unknown
    :param pauses: seconds before each further attempt, after a failure that may pass or a cancel without effect
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
    """Yields the requests to send and the seconds to wait between them. The driver sends the reply or throws the error.

    One generator for both drivers, so that sync and async cannot differ.
    """
    for pause in (*pauses, None):
        wait = pause or 0.0
        accepted = True
        try:
            yield cancel_task(task_id)
        except DashScopeError as error:
            accepted = False
            if error.code != "UnsupportedOperation":
                if pause is None or not error.retryable:
                    return _failed(task_id, error)
                yield max(wait, min(error.retry_after or 0.0, _LONGEST_PAUSE))
                continue
        answer = yield from _query(task_id)
        outcome = _outcome(task_id, answer, accepted=accepted, expected_seconds=expected_seconds)
        if outcome is not None:
            return outcome
        if pause is not None:
            yield wait
    return _not_confirmed(task_id, answer)


def _query(task_id: str) -> Generator[Request[Any] | float, Any, Task | DashScopeError]:
    try:
        job: Task = yield get_task(task_id)
    except DashScopeError as error:
        return error
    return job


def _outcome(
    task_id: str, answer: Task | DashScopeError, *, accepted: bool, expected_seconds: float | None
) -> Cancellation | None:
    """The outcome of a cancel, by the status after it; ``None`` if the status does not tell.

    :param accepted: whether the service accepted the cancel, and did not say that the job is not PENDING
    """
    if isinstance(answer, DashScopeError):
        return None if accepted else _not_cancellable(task_id, "is no longer queued", expected_seconds)
    if answer.status == "PENDING":
        return None
    if accepted and answer.status in ("CANCELED", "UNKNOWN"):
        sentence = f"Render job {task_id} was still queued and is cancelled. It is not billed."
        return Cancellation(done=True, begun=False, sentence=sentence)
    return _of_status(task_id, answer, expected_seconds)


def _of_status(task_id: str, job: Task, expected_seconds: float | None) -> Cancellation:
    if not job.ended:
        return _not_cancellable(task_id, f"is {job.stage}", expected_seconds)
    bill = "" if job.billed_seconds is None else f", and {job.billed_seconds:g} seconds were billed"
    sentence = f"Render job {task_id} had already ended {job.status}{bill}."
    return Cancellation(done=job.status == "CANCELED", begun=True, sentence=sentence, needless=True)


def _failed(task_id: str, error: DashScopeError) -> Cancellation:
    sentence = f"Render job {task_id} could not be cancelled, and may run and be billed: {error}"
    return Cancellation(done=False, begun=False, sentence=sentence)


def _not_confirmed(task_id: str, job: Task | DashScopeError) -> Cancellation:
    status = f"its status cannot be queried: {job}" if isinstance(job, DashScopeError) else f"it is still {job.stage}"
    sentence = f"The cancel of render job {task_id} is not confirmed, and it may run and be billed: {status}"
    return Cancellation(done=False, begun=False, sentence=f"{sentence.rstrip('.')}.")


def _not_cancellable(task_id: str, status: str, expected_seconds: float | None) -> Cancellation:
    length = "its whole length" if expected_seconds is None else f"about {expected_seconds:g} seconds"
    sentence = f"Render job {task_id} {status} and cannot be cancelled. If it succeeds, {length} will be billed."
    return Cancellation(done=False, begun=True, sentence=sentence)
