"""What was submitted on behalf of a task instance, so that no video is paid for twice and no paid one is lost.

What must never be relaxed:

1. The intent is written before the POST, and the task's id before anything else that follows it.
2. Only a definite refusal (4xx, 429) takes an intent back.
3. A record made for other inputs is never adopted.
4. What can't be known (a lost POST that no list tells of, a task that is UNKNOWN) never leads to a submit by itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from airflow_provider_videoretalk.dashscope.task import Submission, TaskResult
from airflow_provider_videoretalk.waiting.record import Intent, Record
from airflow_provider_videoretalk.waiting.register import Register
from airflow_provider_videoretalk.waiting.store import Store, VolatileStore

OnClear = Literal["adopt_unfinished", "reuse", "fresh"]
OnChangedInput = Literal["submit", "fail"]
OnUnknownSubmit = Literal["fail", "reconcile", "resubmit"]

KEY = "dashscope_submission"
"""The record's key in the task state store, where a person can look at it."""

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
    :param register: a copy is kept there, for others and for a life whose store was discarded
    """

    def __init__(self, store: Store, register: Register) -> None:
        self._store = store
        self.register = register
        self.durable = not isinstance(store, VolatileStore)
        stored = store.get(KEY)
        self.record = Record.parse(stored) if stored else None

    def find(self, intent: Intent, *, on_clear: OnClear) -> Finding:
        """What the record of earlier tries means for one that has ``intent``."""
        record = self.record = self._kept(intent)
        if record is None:
            return "nothing"
        was, now = record.intent.generation, intent.generation
        if record.intent.differs(intent):
            return "changed"
        if record.task_id is None:
            return "unknown" if was.max_tries == now.max_tries else "forgiven"
        if on_clear == "fresh" and was != now:
            return "replaced"
        # A sibling's clear looks like a clear of this task instance while it ran: what is paid is used then.
        if on_clear == "adopt_unfinished" and was.max_tries != now.max_tries:
            return "replaced" if record.finished else "resubmittable"
        return "submitted" if record.result is None else "finished"

    def intend(self, intent: Intent, *, now: float) -> None:
        """Before the POST."""
        lost = self.record is not None and self.record.task_id is None
        record = Record(intent=intent, intended_at=now, posts=self.required.posts + 1 if lost else 1)
        # The register first: what fails here must not leave an intent behind that looks like a lost POST.
        self.register.drop_old()
        self.register.write(record)
        self._store.set(KEY, record.to_json())
        self.record = record

    def submitted(self, submission: Submission, *, now: float) -> None:
        """As soon as the task's id is known."""
        self._write(
            replace(self.required, task_id=submission.task_id, request_id=submission.request_id, submitted_at=now)
        )

    def adopted(self, intent: Intent) -> None:
        """This life of the task instance goes on with the recorded task."""
        submitted = self.required.intent
        self._write(replace(self.required, intent=replace(submitted, generation=intent.generation)))

    def finished(self, result: TaskResult) -> None:
        """Before anything is done with the result."""
        if self.record is not None and self.record.task_id == result["task_id"]:
            self._write(
                replace(
                    self.record,
                    finished=True,
                    over=True,
                    render_seconds=result["render_seconds"],
                    billed_seconds=result["billed_seconds"],
                    result=result,
                )
            )

    def over(self, task_id: str) -> None:
        """The task has ended without a result: it is in nobody's way any longer."""
        if self.record is not None and self.record.task_id == task_id:
            self._write(replace(self.record, over=True))

    def refused(self) -> None:
        """After a definite refusal: nothing was created."""
        refused, self.record = self.required, None
        self._store.delete(KEY)
        self.register.withdraw(refused)

    @property
    def required(self) -> Record:
        """The record, where there must be one."""
        if self.record is None:
            raise RuntimeError("there is no record to go on from")
        return self.record

    def _kept(self, intent: Intent) -> Record | None:
        """The store's record; the register's where the store was discarded, which a clear may do and a retry never
        does, or where it did not take the task's id any more, as somebody cleared the task instance during the POST.
        """
        if self.record is not None and self.record.task_id is not None:
            return self.record
        copy = self.register.latest(intent.owner)
        if copy is None:
            return self.record
        if self.record is None:
            return copy if copy.intent.generation != intent.generation else None
        return copy if copy.intended_at == self.record.intended_at else self.record

    def _write(self, record: Record) -> None:
        self.record = record
        try:
            # The store first: it is what the next try goes by.
            self._store.set(KEY, record.to_json())
        finally:
            self.register.write(record)
