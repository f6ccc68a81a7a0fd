"""How a wait ended, as the JSON-safe payload of a trigger's event.

It carries all that the task needs to go on: ``dag.test()`` keeps nothing else, and a resumed task may run on another
machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, error_from_json
from airflow_provider_videoretalk.dashscope.task import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Awaited:
    """What is waited for, and what of it is handed through to whoever goes on.

    :param task_id: DashScope's
    :param request_id: the submit's
    :param submitted_at: in seconds since the epoch, 0 where that is not known
    :param expected_seconds: of output, where they are known
    :param quote: what its operator wants to see again; JSON-safe
    """

    task_id: str
    request_id: str | None = None
    submitted_at: float = 0.0
    expected_seconds: float | None = None
    quote: Mapping[str, Any] = field(default_factory=dict)


def event_of(outcome: Task | DashScopeError, awaited: Awaited) -> dict[str, Any]:
    """The payload for a task that ended, or for an error that ended the wait."""
    event = {"awaited": asdict(awaited)}
    if isinstance(outcome, Task):
        return event | {"payload": dict(outcome.payload)}
    return event | {"error": outcome.to_json()}


def awaited_of(event: Mapping[str, Any]) -> Awaited:
    """What the payload is about."""
    return Awaited(**event["awaited"])


def task_of(event: Mapping[str, Any]) -> Task:
    """The task in the payload.

    :raises DashScopeError: the error in the payload
    """
    if "error" in event:
        raise error_from_json(event["error"])
    return Task.parse(event["payload"])
