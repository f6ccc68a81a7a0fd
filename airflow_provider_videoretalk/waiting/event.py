"""How a wait ended, as the JSON-safe payload of a trigger's event.

It carries all that the task needs to go on: ``dag.test()`` keeps nothing else, and a resumed task may run on another
machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, error_from_json
from airflow_provider_videoretalk.dashscope.task import Task


def event_of(outcome: Task | DashScopeError, *, task_id: str, request_id: str | None) -> dict[str, Any]:
    """The payload for a task that ended, or for an error that ended the wait.

    :param request_id: the submit's request id, handed through
    """
    event: dict[str, Any] = {"dashscope_task_id": task_id, "request_id": request_id}
    if isinstance(outcome, Task):
        return event | {"payload": dict(outcome.payload)}
    return event | {"error": outcome.to_json()}


def task_of(event: Mapping[str, Any]) -> Task:
    """The task in the payload.

    :raises DashScopeError: the error in the payload
    """
    if "error" in event:
        raise error_from_json(event["error"])
    return Task.parse(event["payload"])
