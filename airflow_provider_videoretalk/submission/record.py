"""The record of one submit, as it is stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_videoretalk.dashscope.service_clock import TimeSpan
from airflow_provider_videoretalk.dashscope.task import TaskResult
from airflow_provider_videoretalk.polling.stored_json import read_dataclass, unreadable, versioned_mapping

VERSION = 1
"""The version of the stored format that this release writes and reads."""


@dataclass(frozen=True, kw_only=True)
class ClearCount:
    """How often a task instance was cleared, by two of Airflow's numbers. A retry changes neither; a clear raises them.

    :param max_tries: raised by clearing a task instance that is deferred or has ended
    :param clear_number: the DAG run's count of clears. Clearing any task of the run raises it. It is the only number
        that changes if a running task instance is cleared
    """

    max_tries: int
    clear_number: int


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A submit that a try is about to send.

    :param task_instance: ``dag_id/run_id/task_id/map_index``, the same for all tries
    :param connection_id: the Airflow connection
    :param fingerprint: hash of all submitted inputs; ``None`` if they could not be read
    :param clear_count: tells the tries after a clear from those before it
    :param model: the model's name
    :param location_fingerprint: the same hash over the inputs' locations instead of their contents
    :param expected_seconds: of output, which are billed; ``None`` if unknown
    :param cost_estimate: JSON-safe values that the operator adds to its result
    :param account_id: :attr:`~airflow_provider_videoretalk.dashscope.endpoint.Endpoint.account_id` of the connection
    """

    task_instance: str
    connection_id: str
    fingerprint: str | None
    clear_count: ClearCount
    model: str
    location_fingerprint: str | None = None
    expected_seconds: float | None = None
    cost_estimate: Mapping[str, Any] = field(default_factory=dict)
    account_id: str | None = None

    @property
    def account(self) -> str:
        """What stands for the account: its id, or the connection where the id is not known."""
        return self.account_id or self.connection_id

    def has_same_account(self, other: Intent) -> bool:
        """Whether both use one account, as far as is known: one connection, whose key may have been replaced, or one
        key on one host."""
        same_key = self.account_id is not None and self.account_id == other.account_id
        return same_key or self.connection_id == other.connection_id

    def is_same_video(self, other: Intent) -> bool:
        """Whether both are for the same inputs of the same task instance."""
        return (self.task_instance, self.fingerprint) == (other.task_instance, other.fingerprint)

    def has_other_inputs(self, other: Intent) -> bool:
        """Whether the inputs of the two differ. Compares locations if the contents of one are unknown."""
        if self.fingerprint is not None and other.fingerprint is not None:
            return self.fingerprint != other.fingerprint
        locations = (self.location_fingerprint, other.location_fingerprint)
        return None not in locations and locations[0] != locations[1]


def fingerprint_of(identity: Mapping[str, Any]) -> str:
    """The hash by which two submits are compared.

    :param identity: inputs, parameters and model; JSON-safe
    """
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Record:
    """A submit and what is known about its render job. Times are seconds since the epoch.

    :param intended_at: just before the POST
    :param posts: how many POSTs in a row were sent without a known outcome, this one included
    :param task_id: the service's id of the job; ``None`` if the outcome of the POST is unknown
    :param request_id: request id of the submit
    :param submitted_at: when the service's reply arrived; ``intended_at`` if the job was found in the list
    :param succeeded: whether a try has received the result
    :param ended: whether a try has seen that the job ended, in any way
    :param render_seconds: duration of the render, once it has succeeded
    :param billed_seconds: of output, once it has succeeded
    :param result: the return value of the task
    :param service_time: ``intended_at`` by the service's clock; ``None`` if that was not known
    """

    intent: Intent
    intended_at: float
    posts: int = 1
    task_id: str | None = None
    request_id: str | None = None
    submitted_at: float | None = None
    succeeded: bool = False
    ended: bool = False
    render_seconds: float | None = None
    billed_seconds: float | None = None
    result: TaskResult | None = None
    service_time: TimeSpan | None = None

    @classmethod
    def parse(cls, data: object, *, name: str) -> Record:
        """Reads what :meth:`to_json` wrote. Unknown fields are ignored, missing optional ones have their defaults.

        :param name: where the record is stored, for the message
        :raises StateReadError: another version wrote it, or it is damaged
        """
        record = read_dataclass(cls, versioned_mapping(data, version=VERSION, name=name), name=name)
        if record.task_id == "":
            raise unreadable(name, "task_id is empty")
        if record.result is not None:
            _check_result(record.result, task_id=record.task_id, name=name)
        return record

    @property
    def was_found(self) -> bool:
        """Whether the job was found in the service's list, and its submit had no reply."""
        return self.submitted_at == self.intended_at

    def to_json(self) -> dict[str, Any]:
        """The record as JSON-safe values, for :meth:`parse`."""
        return {"version": VERSION, **asdict(self)}


def _check_result(result: Mapping[str, Any], *, task_id: str | None, name: str) -> None:
    if task_id is None or result.get("task_id") != task_id:
        raise unreadable(name, "result is about another render job than task_id")
    expires_at = result.get("expires_at")
    try:
        if expires_at is not None:
            datetime.fromisoformat(expires_at)
    except (TypeError, ValueError):
        raise unreadable(name, "result.expires_at is no ISO 8601 time") from None
