"""The record of one task instance's submit. No video is paid for twice, and no paid video is lost.

These rules must never be relaxed:

1. The intent is written before the POST, and the job's id before anything else that follows the POST.
2. Only a definite refusal (4xx, 429) withdraws an intent.
3. A record of other inputs is never resumed.
4. An unknown state never leads to a submit by itself: a lost POST that no list shows, or a job that is UNKNOWN.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airflow_provider_videoretalk.dashscope.service_clock import TimeSpan
from airflow_provider_videoretalk.dashscope.task import Submission, Task, TaskResult
from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.job_history.reports import cancelled_report, report_of, report_of_result
from airflow_provider_videoretalk.polling.job_end import has_ended
from airflow_provider_videoretalk.polling.stored_json import storable_number
from airflow_provider_videoretalk.submission.record import Intent, Record
from airflow_provider_videoretalk.submission.record_store import Store, VolatileStore
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry
from airflow_provider_videoretalk.submission.submitted_fact import submitted_fact

KEY = "dashscope_submission"
"""The record's key in the task state store. Airflow's UI shows it in the tab "Storage"."""

_NAME = f"task state {KEY}"

_log = logging.getLogger(__name__)


class Ledger:
    """The record of one task instance, for all of its tries.

    :param store: Airflow's task state store
    :param registry: has a copy, for other task instances and for the tries after a clear that deletes the store
    :param history: gets what becomes of the job; ``None`` keeps no history. A failure of it is logged only
    :param label: the clip's name among mapped ones, for the history
    :param clock: seconds since the epoch
    """

    def __init__(
        self,
        store: Store,
        registry: SubmissionRegistry,
        *,
        history: JobHistory | None = None,
        label: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self.registry = registry
        self.history = history or JobHistory(None)
        self._label = label
        self._clock = clock
        self.durable = not isinstance(store, VolatileStore)
        self.record: Record | None = None
        self._earlier: Record | None = None

    def load(self, intent: Intent) -> Record | None:
        """Reads the record of the earlier tries; ``None`` if there is none.

        The registry's copy replaces the store's record in two cases: the store was deleted, which a clear may do and a
        retry never does; or the store did not accept the job's id, because a person cleared the task during the POST.

        :raises StateReadError: there is a record, but it cannot be read
        """
        self.record = self._read_store()
        if self.record is not None and self.record.task_id is not None:
            return self.record
        if self.record is not None:
            # Not the latest one: workers' clocks differ, and a try that was killed may have left an intent.
            self.record = self.registry.copy_of(self.record) or self.record
            return self.record
        copy = self.registry.latest(intent.task_instance)
        if copy is not None and copy.intent.clear_count != intent.clear_count:
            self.record = copy
        return self.record

    def record_intent(self, intent: Intent, *, now: float, service_time: TimeSpan | None = None) -> None:
        """Writes the intent, before the POST.

        :param service_time: ``now`` by the service's clock
        """
        lost = self.record if self.record is not None and self.record.task_id is None else None
        posts = lost.posts + 1 if lost else 1
        record = Record(intent=intent, intended_at=now, posts=posts, service_time=service_time)
        # Nothing is submitted whose record a later try could not read.
        Record.parse(record.to_json(), name=_NAME)
        # The registry first: if this fails, no intent may stay in the store, where it would look like a lost POST.
        self.registry.clean_up(intended_at=now)
        self.registry.write(record)
        try:
            self._store.set(KEY, record.to_json())
        except BaseException:
            # Nothing is sent. The copy would look like a lost submit to other tasks.
            self.registry.withdraw(record)
            raise
        self._earlier, self.record = self.record, record
        # By the same moment as a withdrawal deletes it.
        self._note_submit(now=now)

    def record_job(self, submission: Submission, *, now: float) -> None:
        """Writes the job's id, as soon as it is known."""
        # A gateway may send an id of another type, which a later try could not read.
        request_id = None if submission.request_id is None else str(submission.request_id)
        try:
            self._write(replace(self.required, task_id=submission.task_id, request_id=request_id, submitted_at=now))
        finally:
            self._note_submit()
        self.history.clean_up(written_at=now)

    def record_resumed(self, intent: Intent) -> None:
        """Writes that the current try, which may follow a clear, resumes the recorded job."""
        recorded = self.required.intent
        self.record = replace(self.required, intent=replace(recorded, clear_count=intent.clear_count))
        self._store.set(KEY, self.record.to_json())
        # Only if the store has it: a copy of the current clear does not replace a record that a clear deleted.
        self.registry.write(self.record)

    def record_result(self, result: TaskResult) -> None:
        """Writes the result, before anything else uses it. A failure is logged and not raised: the result is paid."""
        self._record_end(
            result["task_id"],
            succeeded=True,
            ended=True,
            render_seconds=storable_number(result["render_seconds"]),
            billed_seconds=storable_number(result["billed_seconds"]),
            result=result,
        )
        report = report_of_result(result, now=self._clock(), task_instance=self._task_instance)
        self.history.note("ended", report)

    def record_end(self, task_id: str, *, reply: Task | None = None) -> None:
        """Writes that a job ended without a result. A failure is logged and not raised.

        :param reply: says how it ended, for the history
        """
        self._record_end(task_id, ended=True)
        if reply is not None:
            self.note_reply(reply)

    def record_cancelled(self, task_id: str) -> None:
        """Writes that a job was cancelled while it queued. A failure is logged and not raised."""
        self._record_end(task_id, ended=True)
        self.history.note("ended", cancelled_report(task_id, now=self._clock(), task_instance=self._task_instance))

    def note_reply(self, task: Task) -> None:
        """Tells the history how a job ended, if the reply to a query says so. A failure is logged and not raised."""
        now, record = self._clock(), self.record
        submitted_at = (record.submitted_at or record.intended_at) if record else 0.0
        if has_ended(task, submitted_at=submitted_at, now=now):
            intent = record.intent if record else None
            report = report_of(
                task,
                now=now,
                model=intent.model if intent else "",
                price=intent.cost_estimate.get("price") if intent else None,
                task_instance=self._task_instance,
            )
            self.history.note("ended", report)

    def note_nothing_created(self) -> None:
        """Tells the history that the submit of unknown outcome created no job. A failure is logged and not raised."""
        self.history.note("submitted", replace(submitted_fact(self.required, label=self._label), nothing_created=True))

    def withdraw(self) -> None:
        """Deletes the intent: its POST is known to have created nothing. The record that it replaced is current again.

        That record may be about a paid job, which a person comes back to after a refused change of inputs.
        """
        withdrawn, self.record = self.required, self._earlier
        try:
            if self._earlier is None:
                self._store.delete(KEY)
            else:
                self._store.set(KEY, self._earlier.to_json())
        finally:
            self.registry.withdraw(withdrawn)
        self.history.withdraw(submitted_fact(withdrawn), noted_at=withdrawn.intended_at)

    @property
    def required(self) -> Record:
        """The record, in a state that has one."""
        if self.record is None:
            raise RuntimeError("the ledger has no record")
        return self.record

    def _record_end(self, task_id: str, **changes: Any) -> None:
        try:
            record = self.record or self._read_store()
            # The event of an earlier job may arrive late, when the record is already about a newer one.
            if record is not None and record.task_id == task_id:
                self._write(replace(record, **changes))
        except Exception as error:
            _log.warning(
                "The end of render job %s could not be recorded (%s: %s). The task goes on without it; a later try "
                "may query the job again",
                task_id,
                type(error).__name__,
                error,
            )

    @property
    def _task_instance(self) -> str | None:
        return self.record.intent.task_instance if self.record else None

    def _note_submit(self, *, now: float | None = None) -> None:
        self.history.note("submitted", submitted_fact(self.required, label=self._label), now=now)

    def _read_store(self) -> Record | None:
        stored = self._store.get(KEY)
        return None if stored is None else Record.parse(stored, name=_NAME)

    def _write(self, record: Record) -> None:
        self.record = record
        try:
            # The store first: the next try reads it first.
            self._store.set(KEY, record.to_json())
        finally:
            self.registry.write(record)
