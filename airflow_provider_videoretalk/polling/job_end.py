"""Whether the reply to a status query means that a render job has ended."""

from __future__ import annotations

from airflow_provider_videoretalk.dashscope.errors import TaskUnknownError
from airflow_provider_videoretalk.dashscope.task import Task

GRACE = 60.0
"""Seconds in which a reply may be ahead of, or behind, the service's other parts. The vendor gives no such time:

- after a submit, UNKNOWN may mean that the job is not visible yet
- after a render, SUCCEEDED may come before the result
"""


KEPT_SECONDS = 24 * 3600.0
"""Seconds for which the service knows a job. After that, UNKNOWN is the expected answer."""


def has_ended(task: Task, *, submitted_at: float, now: float) -> bool:
    """Whether one reply proves that the job has ended, and that nothing more is to be expected of the service.

    UNKNOWN proves that only for a job that the service no longer keeps. For any other, it may be a passing answer.

    :param submitted_at: in seconds since the epoch, as ``now``; 0 if unknown
    """
    if task.status == "UNKNOWN":
        return bool(submitted_at) and now - submitted_at >= KEPT_SECONDS
    return task.ended and not _awaits_result(task, now)


def raise_for_end(task: Task, *, submitted_at: float, now: float, may_ask_again: bool = True) -> None:
    """Returns if a job has succeeded.

    :param submitted_at: in seconds since the epoch, as ``now``; 0 if unknown
    :param may_ask_again: whether a retry asks for this job, and submits no other
    :raises TaskFailedError: it failed or was cancelled
    :raises TaskUnknownError: the service does not know it. Until the service drops it, a paid job may be known again
    """
    try:
        task.raise_for_status()
    except TaskUnknownError as error:
        error.retryable = may_ask_again and not has_ended(task, submitted_at=submitted_at, now=now)
        raise


def may_be_too_new(task: Task, *, submitted_at: float, now: float) -> bool:
    """Whether a job with the status UNKNOWN may have been submitted too recently to be known.

    :param submitted_at: in seconds since the epoch, as ``now``; 0 if unknown
    """
    return task.status == "UNKNOWN" and now - submitted_at < GRACE


def lacks_result(task: Task) -> bool:
    """Whether the job succeeded, but its result is not in the reply."""
    return task.status == "SUCCEEDED" and not task.has_result


def _awaits_result(task: Task, now: float) -> bool:
    return lacks_result(task) and task.finished_at is not None and now - task.finished_at.timestamp() < GRACE
