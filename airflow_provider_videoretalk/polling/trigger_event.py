"""The JSON-safe payload of a trigger's event: the end of a wait.

It has everything that the task needs to go on. ``dag.test()`` keeps nothing else, and the resumed task may run on
another machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, StateReadError, error_from_json
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.polling.stored_json import read_dataclass

VERSION = 1
"""The version of trigger arguments and events that this release writes and reads.

Fields that a release does not know are ignored. A change that an older release could not ignore raises the version.
"""

_REMEDY = (
    "Install the same release of airflow-provider-videoretalk on workers and triggerers, then clear the task. It "
    "resumes its render job, unless on_clear is 'fresh'."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AwaitedJob:
    """A render job that a task waits for.

    :param task_id: the service's id of the job
    :param request_id: request id of the submit
    :param submitted_at: in seconds since the epoch; 0 if unknown
    :param expected_seconds: of output; ``None`` if unknown
    :param cost_estimate: JSON-safe values that the operator adds to its result
    """

    task_id: str
    request_id: str | None = None
    submitted_at: float = 0.0
    expected_seconds: float | None = None
    cost_estimate: Mapping[str, Any] = field(default_factory=dict)


def check_version(version: object) -> None:
    """Returns if this release can read stored trigger arguments or an event.

    :raises StateReadError: another release wrote them
    """
    if type(version) is not int or version != VERSION:
        shown = repr(version)[:20]
        raise StateReadError(
            f"the trigger's arguments or its event have version {shown}, allowed is {VERSION} in this release",
            remedy=_REMEDY,
        )


def event_of(outcome: Task | DashScopeError, awaited: AwaitedJob) -> dict[str, Any]:
    """The payload for a job that ended, or for an error that ended the wait."""
    event = {"version": VERSION, "job": asdict(awaited)}
    if isinstance(outcome, Task):
        return event | {"reply": dict(outcome.payload)}
    return event | {"error": outcome.to_json()}


def awaited_of(event: Mapping[str, Any]) -> AwaitedJob:
    """The job that the payload is about.

    :raises StateReadError: another release wrote the payload, or it is damaged
    """
    return read_dataclass(AwaitedJob, _checked(event).get("job"), name="trigger's event", path="job")


def task_of(event: Mapping[str, Any]) -> Task:
    """The reply in the payload.

    :raises StateReadError: another release wrote the payload, or it is damaged
    :raises DashScopeError: the error in the payload
    """
    checked = _checked(event)
    try:
        if "error" not in checked:
            return Task.parse(checked["reply"])
        error = error_from_json(checked["error"])
    except (AttributeError, KeyError, TypeError, ValueError) as cause:
        raise StateReadError(
            f"the trigger's event has no readable reply or error: {type(cause).__name__}", remedy=_REMEDY
        ) from cause
    raise error


def _checked(event: object) -> Mapping[str, Any]:
    """
    :raises StateReadError: it is no mapping, or has another version
    """
    if not isinstance(event, Mapping):
        raise StateReadError(
            f"the trigger's event is of type {type(event).__name__}, allowed is a mapping", remedy=_REMEDY
        )
    check_version(event.get("version"))
    return event
