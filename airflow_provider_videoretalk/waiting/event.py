"""How a wait ended, as the JSON-safe payload of a trigger's event.

It carries all that the task needs to go on: ``dag.test()`` keeps nothing else, and a resumed task may run on another
machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, error_from_json
from airflow_provider_videoretalk.dashscope.task import Submission, Task


def event_of(outcome: Task | DashScopeError, *, submission: Submission, submitted_at: float) -> dict[str, Any]:
    """The payload for a task that ended, or for an error that ended the wait.

    :param submitted_at: in seconds since the epoch; handed through, like the submission
    """
    event: dict[str, Any] = {
        "dashscope_task_id": submission.task_id,
        "request_id": submission.request_id,
        "submitted_at": submitted_at,
    }
    if isinstance(outcome, Task):
        return event | {"payload": dict(outcome.payload)}
    return event | {"error": outcome.to_json()}


def submission_of(event: Mapping[str, Any]) -> Submission:
    """The submission in the payload."""
    return Submission(task_id=event["dashscope_task_id"], request_id=event["request_id"])


def task_of(event: Mapping[str, Any]) -> Task:
    """The task in the payload.

    :raises DashScopeError: the error in the payload
    """
    if "error" in event:
        raise error_from_json(event["error"])
    return Task.parse(event["payload"])
