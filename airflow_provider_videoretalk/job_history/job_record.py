"""What is known about one render job: its facts combined."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS
from airflow_provider_videoretalk.job_history.charges import run_id_of
from airflow_provider_videoretalk.job_history.fact_keys import day_of, subject_of
from airflow_provider_videoretalk.job_history.facts import JobReport, Published, Submitted

Billing = Literal["billed", "free", "open", "unknown"]
"""
- ``billed``: the service said how much it billed
- ``free``: the job failed or was cancelled, or the submit created none
- ``open``: no end is known, and the job may still queue or render
- ``unknown``: nobody knows what was billed
"""

# After that no job runs any more. A quarter of an hour is left for the task to write down its end.
_OPEN_SECONDS = JOB_SECONDS + 900.0


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRecord:
    """A render job, or a submit of unknown outcome. Times are seconds since the epoch.

    :param submitted: ``None`` if another system submitted the job, and a sensor waited for it
    :param ended: what the task that waited for the job learned
    :param published: where its result was published
    :param checked: what was learned of a job that no task waited for any more
    """

    submitted: Submitted | None = None
    ended: JobReport | None = None
    published: Published | None = None
    checked: JobReport | None = None

    @property
    def job_id(self) -> str | None:
        """The service's id; ``None`` for a submit of unknown outcome, or one that created nothing."""
        if self.submitted is not None:
            return self.submitted.job_id
        return next((fact.job_id for fact in (self.ended, self.checked, self.published) if fact), None)

    @property
    def subject(self) -> str:
        """Identifies the record among all records."""
        return subject_of(next(fact for fact in (self.submitted, self.ended, self.checked, self.published) if fact))

    @property
    def task_instance(self) -> str | None:
        """``dag_id/run_id/task_id/map_index`` of the task that submitted the job; else of one that waited for it."""
        if self.submitted is not None:
            return self.submitted.task_instance
        return next((fact.task_instance for fact in (self.ended, self.checked) if fact and fact.task_instance), None)

    @property
    def dag_id(self) -> str | None:
        return None if self.task_instance is None else self.task_instance.partition("/")[0]

    @property
    def run_id(self) -> str | None:
        return run_id_of(self.task_instance or "")

    @property
    def task_id(self) -> str | None:
        """Airflow's."""
        return self._task_instance_parts[0]

    @property
    def map_index(self) -> int | None:
        text = self._task_instance_parts[1] or ""
        return int(text) if text.removeprefix("-").isdecimal() else None

    @property
    def label(self) -> str | None:
        """The clip's name among mapped ones."""
        return self.submitted.label if self.submitted else None

    @property
    def submitted_at(self) -> float | None:
        """When the job was submitted; else when its submit was intended."""
        if self.submitted is None:
            return None
        return self.submitted.submitted_at or self.submitted.intended_at

    @property
    def day(self) -> date:
        """The day in UTC of the submit; for a job of another system, of what is known first."""
        if self.submitted is not None:
            return day_of(self.submitted.intended_at)
        times = [report.reported_at for report in (self.ended, self.checked) if report]
        return day_of(min([*times, *([self.published.published_at] if self.published else [])]))

    @property
    def report(self) -> JobReport | None:
        """What the service last said of the job, as far as it counts; ``None`` if it was not asked."""
        reports = [report for report in (self.ended, self.checked) if report]
        return max(reports, key=lambda report: report.strength, default=None)

    @property
    def status(self) -> str | None:
        """The service's word; ``None`` if it was not asked."""
        return self.report.status if self.report else None

    @property
    def billed_seconds(self) -> float | None:
        """Of output; ``None`` if unknown."""
        if self.submitted is not None and self.submitted.job_id is None:
            return 0.0 if self.submitted.nothing_created else None
        return self.report.billed_seconds if self.report else None

    @property
    def cost(self) -> float | None:
        """Of the billed seconds, in :attr:`currency`; ``None`` if unknown."""
        return 0.0 if self.billed_seconds == 0 else self.report.cost if self.report else None

    @property
    def currency(self) -> str | None:
        """Of cost and estimate."""
        billed = self.report.currency if self.report else None
        return billed or (self.submitted.currency if self.submitted else None)

    @property
    def estimated_cost(self) -> float | None:
        """In :attr:`currency`, an upper bound; ``None`` if it was not estimated."""
        return self.submitted.estimated_cost if self.submitted else None

    @property
    def expires_at(self) -> float | None:
        """When its result expires; ``None`` if unknown or without a result."""
        return self.report.expires_at if self.report else None

    def billing(self, *, now: float) -> Billing:
        """What is known of its bill.

        :param now: in seconds since the epoch
        """
        if self.billed_seconds is not None:
            return "billed" if self.billed_seconds > 0 else "free"
        has_ended = self.status in ("SUCCEEDED", "UNKNOWN") or self.job_id is None
        may_run = self.submitted_at is not None and now - self.submitted_at < _OPEN_SECONDS
        return "open" if may_run and not has_ended else "unknown"

    @property
    def _task_instance_parts(self) -> tuple[str | None, str | None]:
        if self.task_instance is None or self.task_instance.count("/") < 3:
            return None, None
        _, task_id, map_index = self.task_instance.rsplit("/", 2)
        return task_id, map_index
