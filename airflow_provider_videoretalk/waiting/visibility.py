"""Tasks that the service does not show yet."""

from __future__ import annotations

from airflow_provider_videoretalk.dashscope.task import Task

GRACE = 60.0
"""Seconds after a submit in which UNKNOWN may mean that the record is not visible yet: nothing is promised there."""


def is_perhaps_invisible(task: Task, *, submitted_at: float, now: float) -> bool:
    """Whether a task that the service calls UNKNOWN may only be too young.

    :param submitted_at: when it was submitted, in seconds since the epoch, like ``now``; 0 where that is not known
    """
    return task.status == "UNKNOWN" and now - submitted_at < GRACE
