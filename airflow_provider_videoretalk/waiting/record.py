"""What is known of one submission."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_videoretalk.dashscope.task import TaskResult

_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Which life of the task instance this is. A retry leaves both numbers alone; a clear raises them.

    :param max_tries: raised by clearing a task instance that is deferred or has ended
    :param clear_number: the DAG run's count of clears: raised also by clearing a sibling, and the only sign of clearing
        a task instance that runs
    """

    max_tries: int
    clear_number: int


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What a try is about to submit, for whom, and in which life of the task instance.

    :param owner: the task instance, the same through all of its lives
    :param connection: the connection's id, which stands for an account
    :param fingerprint: of all that is submitted; ``None`` where that can't be looked at now
    :param place: the same, but of where the inputs lie in place of what they are, which is always known
    :param model: the model
    :param expected_seconds: of output, which is what bills, where that is known
    :param quote: what its operator wants to see again in the result
    """

    owner: str
    connection: str
    fingerprint: str | None
    generation: Generation
    place: str | None = None
    model: str | None = None
    expected_seconds: float | None = None
    quote: Mapping[str, Any] = field(default_factory=dict)

    def differs(self, other: Intent) -> bool:
        """Whether the inputs of the two are not the same, as far as can be told."""
        if self.fingerprint is not None and other.fingerprint is not None:
            return self.fingerprint != other.fingerprint
        return self.place != other.place and None not in (self.place, other.place)


def fingerprint_of(identity: Mapping[str, Any]) -> str:
    """What tells a submit from another one.

    :param identity: of inputs, parameters and model; JSON-safe
    """
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of one submission. Times are seconds since the epoch.

    :param intended_at: when the POST was about to be sent
    :param posts: how many were sent one after another without learning the outcome of any
    :param task_id: ``None`` where the POST's outcome is not known
    :param finished: whether a try has had the result
    :param over: whether a try has seen that the task ended, however it did
    :param render_seconds: how long the render took, once it is finished
    :param billed_seconds: of output, once it is finished
    :param result: what the task returned
    """

    intent: Intent
    intended_at: float
    posts: int = 1
    task_id: str | None = None
    request_id: str | None = None
    submitted_at: float | None = None
    finished: bool = False
    over: bool = False
    render_seconds: float | None = None
    billed_seconds: float | None = None
    result: TaskResult | None = None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Record:
        fields = {name: value for name, value in data.items() if name != "version"}
        intent = fields["intent"]
        return cls(**fields | {"intent": Intent(**intent | {"generation": Generation(**intent["generation"])})})

    def to_json(self) -> dict[str, Any]:
        """The record as JSON's types, for :meth:`parse`."""
        return {"version": _VERSION, **asdict(self)}
