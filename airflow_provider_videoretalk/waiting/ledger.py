"""What was submitted on behalf of a task instance, so that no video is paid for twice and no paid one is lost.

What must never be relaxed:

1. The intent is written before the POST, and the task's id before anything else that follows it.
2. Only a definite refusal (4xx, 429) takes an intent back.
3. A record made for other inputs is never adopted.
4. What can't be known (a lost POST that no list tells of, a task that is UNKNOWN) never leads to a submit by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Submission, TaskResult

OnClear = Literal["adopt_unfinished", "reuse", "fresh"]
OnChangedInput = Literal["submit", "fail"]
OnUnknownSubmit = Literal["fail", "reconcile", "resubmit"]

KEY = "dashscope_submission"
"""The record's key in the task state store, where a person can look at it."""

EARLIER_KEY = "dashscope_earlier_submissions"
"""Key of the ids of all tasks that were submitted for the task instance: none of them can be a lost one."""

_VERSION = 1


class Store(Protocol):
    """The part of Airflow's task state store that a ledger needs: one value, which outlives tries."""

    def get(self, key: str, default: Any = None) -> Any: ...

    def set(self, key: str, value: Any) -> None: ...

    def delete(self, key: str) -> None: ...


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
    """What a try is about to submit, and in which life of the task instance.

    :param fingerprint: of endpoint path, model, inputs and parameters
    """

    fingerprint: str
    generation: Generation

    @classmethod
    def of(cls, request: Request[Submission], generation: Generation) -> Intent:
        body = json.dumps({"path": request.path, "body": request.body}, sort_keys=True)
        return cls(fingerprint=hashlib.sha256(body.encode()).hexdigest(), generation=generation)


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of the latest submission. Times are seconds since the epoch.

    :param intended_at: when the POST was about to be sent
    :param task_id: ``None`` where the POST's outcome is not known
    :param result: what the task returned, once it succeeded
    """

    intent: Intent
    intended_at: float
    task_id: str | None = None
    request_id: str | None = None
    submitted_at: float | None = None
    result: TaskResult | None = None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Record:
        fields = {name: value for name, value in data.items() if name != "version"}
        intent = fields["intent"]
        generation = Generation(**intent["generation"])
        return cls(**fields | {"intent": Intent(fingerprint=intent["fingerprint"], generation=generation)})


Finding = Literal["nothing", "changed", "unknown", "forgiven", "replaced", "resubmittable", "submitted", "finished"]
"""What a record means for a new try:

- ``nothing``: there is none
- ``changed``: it is about other inputs
- ``unknown``: a POST's outcome is not known
- ``forgiven``: the same, and a person cleared the task instance since
- ``replaced``: a person cleared the task instance, and wants a fresh task
- ``resubmittable``: a person cleared the task instance while the task had not ended, as far as any try had seen
- ``submitted``: the task is to be waited for, or used if it has ended
- ``finished``: the result is here
"""


class Ledger:
    """The record of one task instance, through all of its tries.

    :param store: Airflow's task state store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.durable = not isinstance(store, VolatileStore)
        stored = store.get(KEY)
        self.record = Record.parse(stored) if stored else None

    def find(self, intent: Intent, *, on_clear: OnClear) -> Finding:
        """What the record of earlier tries means for one that has ``intent``."""
        record = self.record
        if record is None:
            return "nothing"
        was, now = record.intent.generation, intent.generation
        if record.intent.fingerprint != intent.fingerprint:
            return "changed"
        if record.task_id is None:
            return "unknown" if was.max_tries == now.max_tries else "forgiven"
        if on_clear == "fresh" and was != now:
            return "replaced"
        # A sibling's clear looks like a clear of this task instance while it ran: what is paid is used then.
        if on_clear == "adopt_unfinished" and was.max_tries != now.max_tries:
            return "resubmittable" if record.result is None else "replaced"
        return "submitted" if record.result is None else "finished"

    def intend(self, intent: Intent, *, now: float) -> None:
        """Before the POST."""
        self._write(Record(intent=intent, intended_at=now))

    def earlier(self) -> list[str]:
        """The ids of all tasks that were submitted for this task instance, and whose ids became known."""
        return list(self._store.get(EARLIER_KEY) or [])

    def submitted(self, submission: Submission, *, now: float) -> None:
        """As soon as the task's id is known."""
        known = replace(self.required, task_id=submission.task_id, request_id=submission.request_id, submitted_at=now)
        self._write(known)
        self._store.set(EARLIER_KEY, [*self.earlier(), submission.task_id])

    def adopted(self, intent: Intent) -> None:
        """This life of the task instance goes on with the recorded task."""
        self._write(replace(self.required, intent=intent))

    def finished(self, result: TaskResult) -> None:
        """Before anything is done with the result."""
        if self.record is not None and self.record.task_id == result["task_id"]:
            self._write(replace(self.record, result=result))

    def refused(self) -> None:
        """After a definite refusal: nothing was created."""
        self.record = None
        self._store.delete(KEY)

    @property
    def required(self) -> Record:
        """The record, where there must be one."""
        if self.record is None:
            raise RuntimeError("there is no record to go on from")
        return self.record

    def _write(self, record: Record) -> None:
        self._store.set(KEY, {"version": _VERSION, **asdict(record)})
        self.record = record


class VolatileStore(dict[str, Any]):
    """A store that forgets with its process: for Airflow below 3.3, and for ``durable=False``."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)
