"""Asks the service about lost render jobs, and says what became of each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, ThrottledError
from airflow_provider_videoretalk.dashscope.task import ENDED, Task, get_task
from airflow_provider_videoretalk.dashscope.task_output import result_urls
from airflow_provider_videoretalk.inputs.priced_result import with_cost
from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.job_history.reports import billed_seconds_of, report_of
from airflow_provider_videoretalk.model_catalog.catalog import find_model

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.client import Client
    from airflow_provider_videoretalk.job_history.facts import JobReport, Submitted

Outcome = Literal["savable", "clearable", "used", "running", "free", "expired", "unknown", "not_asked"]
"""
- ``savable``: it succeeded, and its result can be published
- ``clearable``: it succeeded, and its result, which is no video, is there for a clear of its task
- ``used``: it succeeded, and a task has used its result or has published it
- ``running``: it queues or renders; the next audit asks again
- ``free``: it failed or was cancelled
- ``expired``: it succeeded, and its result is gone
- ``unknown``: the service does not know it any more
- ``not_asked``: the service could not be asked; the next audit asks again
"""

UNSAVED: frozenset[Outcome] = frozenset({"clearable", "expired", "unknown", "not_asked"})
"""The outcomes that a person should look at."""

# Tries for a job while the account is throttled, and the longest pause before one, in seconds.
_THROTTLED_TRIES = 5
_LONGEST_PAUSE = 30.0

# Failures in a row after which a connection is not used any more.
_MAX_FAILURES = 3


@dataclass(frozen=True, kw_only=True)
class AuditedJob:
    """
    :param report: for the history; ``None`` if the service could not be asked
    :param result: the return value of the job's task, if it is savable
    :param sentence: what became of it, for people
    """

    record: JobRecord
    outcome: Outcome
    sentence: str
    report: JobReport | None = None
    result: Mapping[str, Any] | None = None


@dataclass(kw_only=True)
class JobAudit:
    """Asks about one job after another. An error concerns one job or one connection, never the others.

    :param client_for: the client for an Airflow connection id
    :param deadline: from when on nothing more is asked, in seconds since the epoch
    """

    client_for: Callable[[str], Client]
    deadline: float
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep
    _failures: Counter[str] = field(default_factory=Counter)

    def ask(self, record: JobRecord, *, task_state: str | None) -> AuditedJob:
        """What became of a job.

        :param task_state: Airflow's, of the task instance that submitted it
        """
        assert record.submitted is not None
        connection = record.submitted.connection_id
        name = f"Render job {record.job_id} of {record.task_instance} (Airflow: {task_state})"
        if self.clock() >= self.deadline or self._failures[connection] >= _MAX_FAILURES:
            reason = "the audit's time is over" if self.clock() >= self.deadline else f"{connection} fails"
            return AuditedJob(record=record, outcome="not_asked", sentence=f"{name} was not asked about: {reason}.")
        try:
            task = self._query(str(record.job_id), connection)
        except DashScopeError as error:
            self._failures[connection] += 1
            return AuditedJob(record=record, outcome="not_asked", sentence=f"{name} could not be asked about: {error}")
        self._failures[connection] = 0
        return self._judge(record, task, name=name, task_state=task_state)

    def _query(self, job_id: str, connection: str) -> Task:
        client, tries = self.client_for(connection), 0
        while True:
            try:
                return client.send(get_task(job_id))
            except ThrottledError as error:
                pause = min(max(error.retry_after or 0.0, 2.0**tries), _LONGEST_PAUSE)
                tries += 1
                if tries == _THROTTLED_TRIES or self.clock() + pause >= self.deadline:
                    raise
                self.sleep(pause)

    def _judge(self, record: JobRecord, task: Task, *, name: str, task_state: str | None) -> AuditedJob:
        submitted = record.submitted
        assert submitted is not None
        report = report_of(
            task,
            now=self.clock(),
            model=submitted.model,
            price=submitted.price,
            task_instance=submitted.task_instance,
            task_state=task_state,
        )
        outcome = self._outcome(record, task, task_state=task_state)
        result = _result_of(submitted, task) if outcome == "savable" else None
        cost = "" if report.cost is None else f" ({report.cost:g} {report.currency})"
        billed = "an unknown amount" if report.billed_seconds is None else f"{report.billed_seconds:g} s{cost}"
        sentence = f"{name} is {task.stage}: {_SENTENCES[outcome].format(billed=billed)}"
        return AuditedJob(record=record, outcome=outcome, sentence=sentence, report=report, result=result)

    def _outcome(self, record: JobRecord, task: Task, *, task_state: str | None) -> Outcome:
        if task.status not in ENDED:
            return "running"
        if task.status == "UNKNOWN":
            return "unknown"
        if task.status != "SUCCEEDED":
            return "free"
        if record.published is not None or (record.ended is not None and task_state == "success"):
            return "used"
        is_there = task.expires_at is None or self.clock() < task.expires_at.timestamp()
        if not is_there or record.submitted is None:
            return "expired"
        if _url_of(record.submitted.model, task) is not None:
            return "savable"
        return "clearable" if result_urls(task.output) else "expired"


_SENTENCES: Mapping[Outcome, str] = {
    "savable": "{billed} were billed. Its result is returned, to be published.",
    "clearable": "{billed} were billed. Its result is no video: clear its task, which costs nothing.",
    "used": "{billed} were billed. Airflow has its result already.",
    "running": "it will be billed if it succeeds. The next audit asks again.",
    "free": "{billed} were billed.",
    "expired": "{billed} were billed. Its result is gone: making it again is billed again.",
    "unknown": "the service does not know it any more. What it billed is in the vendor's bill only.",
}


def _url_of(model: str, task: Task) -> str | None:
    """The URL of the result, if it is a video."""
    entry = find_model(model)
    if entry is not None and entry.result_kind != "video":
        return None
    return (entry.result_url(task.output) if entry else None) or task.result_url


def _result_of(submitted: Submitted, task: Task) -> dict[str, Any]:
    """The result of a job that succeeded, as its own task would have returned it, and where it was submitted."""
    result = task.result(request_id=submitted.request_id)
    result["video_url"] = _url_of(submitted.model, task)
    result["billed_seconds"] = billed_seconds_of(task, model=submitted.model)
    named = {
        "task_instance": submitted.task_instance,
        "label": submitted.label,
        "connection_id": submitted.connection_id,
    }
    try:
        priced = with_cost(result, {"price": submitted.price} if submitted.price else {})
    except (KeyError, TypeError, ValueError):
        # The stored price cannot be read. The result is worth more than its price.
        priced = with_cost(result, {})
    return {**priced, **{name: value for name, value in named.items() if value}}
