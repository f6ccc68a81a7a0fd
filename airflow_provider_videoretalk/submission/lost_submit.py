"""Finds, in the service's list, the render job of a submit whose reply was lost, or proves that there is none.

The list has neither inputs nor a tag of the client. A row identifies a job by model and time only. The registry tells
which jobs this Airflow submitted. A job that is found is the right one if nobody else uses the account. That no job is
found proves nothing by itself: the list may be late, incomplete, or of another account. So the list must show jobs that
are known to exist. Whatever stays in doubt is an error that names the jobs in question.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, RequestError
from airflow_provider_videoretalk.dashscope.request import CONNECT_TIMEOUT, TOTAL_TIMEOUT
from airflow_provider_videoretalk.dashscope.service_clock import TimeSpan
from airflow_provider_videoretalk.dashscope.task import get_task
from airflow_provider_videoretalk.dashscope.task_list import TaskRow
from airflow_provider_videoretalk.submission.list_reading import ListReading, read_task_list
from airflow_provider_videoretalk.submission.record import Record
from airflow_provider_videoretalk.submission.registry import LIFETIME, SubmissionRegistry
from airflow_provider_videoretalk.submission.unknown_outcome import DoubtError, outcome_unknown, submit_of

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.client import Client

ABSENCE_SECONDS = 600.0
"""Seconds after a submit before which its absence from the list proves nothing. How late the list may be is unknown."""

# The list may be late by half of that time. Every job that is known and older must be shown, or nothing is proved.
_SHOWN_SHARE = 0.5

# Readings that must agree before a job is taken for absent, and seconds between them. A list may drop rows at random.
_READINGS = 3
_READING_PAUSE = 3.0

# Known jobs that a reading is checked against, if there are as many.
_WITNESSES = 3

# Seconds after the intent within which the service creates the job: until the record is written and the POST given up.
_POST_SECONDS = CONNECT_TIMEOUT + TOTAL_TIMEOUT + 20.0

# Seconds after the intent from which on no POST of that time is under way, so that no doubt about its job passes.
_UNDER_WAY_SECONDS = _POST_SECONDS + 60.0

# Seconds before and after that time in which a job may be the one all the same, while no known job shows that the times
# of the list's rows agree with the Date of the service's replies.
_MARGIN = 60.0

# Seconds by which they may differ if they agree.
_AGREEMENT = 10.0

# Seconds by which the time in a row may be too early: it may be cut to whole seconds.
_ROW_PRECISION = 1.0

# Seconds by which the clocks of two workers may differ, for a record without the service's time.
_WORKER_SKEW = 10.0

# Seconds in which a list that contradicts itself may come right.
_CONTRADICTION_SECONDS = 300.0


def find_lost_submit(
    client: Client,
    lost: Record,
    registry: SubmissionRegistry,
    *,
    now: float,
    reconcile_seconds: float = 0.0,
    sleep: Callable[[float], object] = time.sleep,
) -> TaskRow | None:
    """Returns the one job that a lost submit can have created, or ``None`` if it is proved that it created none.

    :param client: of an account that the lost submit used
    :param lost: the record of the submit
    :param registry: the last submits of this Airflow
    :param now: in seconds since the epoch
    :param reconcile_seconds: least age of the submit at which its absence can count
    :param sleep: waits between two readings of the list
    :raises DoubtError: it may be decided later
    :raises OutcomeUnknownError: it cannot be decided. The message names the jobs in question
    """
    decided_after = max(reconcile_seconds, ABSENCE_SECONDS)
    try:
        search = _Search(client=client, lost=lost, registry=registry, now=now, decided_after=decided_after)
        for reading in range(_READINGS):
            if reading:
                sleep(_READING_PAUSE)
            found = search.read()
            if found is not None:
                return found
    except DoubtError as doubt:
        if doubt.may_pass:
            raise
        reason = f"the outcome of {submit_of(lost)} is unknown, and {doubt.reason}"
        raise outcome_unknown(reason, doubt.rows) from None
    return None


@dataclass(kw_only=True)
class _Search:
    """What the readings of the list say about one lost submit.

    :param now: by this machine's clock, in seconds since the epoch
    :param decided_after: age of the submit at which its absence can count
    :param submitted: the records that have a job's id, which does not change, by their keys
    """

    client: Client
    lost: Record
    registry: SubmissionRegistry
    now: float
    decided_after: float
    records: Sequence[Record] = ()
    rows: dict[str, TaskRow] = field(default_factory=dict)
    submitted: dict[str, Record] = field(default_factory=dict)

    def read(self) -> TaskRow | None:
        """Reads the list once. The job of the lost submit, or ``None`` if nothing contradicts its absence.

        :raises DoubtError: neither can be said
        """
        self._read_records()
        reading = self._read_list()
        self.rows |= reading.rows
        if self._job(reading) is None:
            self._check_absence(reading)
            return None
        # A job of the list may have been submitted since. Its intent was recorded before it could appear there.
        self._read_records()
        job = self._job(reading)
        if job is None:
            raise DoubtError("its render job may appear in the list", may_pass=True)
        return self._confirmed(job)

    def _read_records(self) -> None:
        age = self.now - self.lost.intended_at
        # Workers' clocks differ: another one may have removed the records of that time a little earlier.
        if age > LIFETIME - ABSENCE_SECONDS:
            raise DoubtError(f"it was sent {age:.0f} s ago, too long ago to find its render job")
        self.records, unreadable = self.registry.read(known=self.submitted)
        nearby = [key for key, moment in unreadable.items() if abs(moment - self.lost.intended_at) < ABSENCE_SECONDS]
        if nearby:
            raise DoubtError(f"records of the same time cannot be read: {', '.join(nearby)}")

    def _read_list(self) -> ListReading:
        since = [span.earliest for record in (self.lost, *self._witnesses) if (span := record.service_time)]
        measured = len(since) == 1 + len(self._witnesses)
        try:
            reading = read_task_list(self.client, since=min(since) - ABSENCE_SECONDS if measured else 0.0)
            if reading.is_partial and self._agreement(reading.rows) is False:
                reading = read_task_list(self.client, since=0.0)
        except RequestError as error:
            raise DoubtError(f"the endpoint has no list: {error.message}") from None
        except DashScopeError as error:
            reason = f"the service's list cannot be read: {error.message}"
            raise DoubtError(reason, may_pass=error.retryable) from None
        return reading

    # Which job it is.

    def _job(self, reading: ListReading) -> TaskRow | None:
        """The job of the lost submit; ``None`` if no row can be it.

        :raises DoubtError: several can be it, or one may be it
        """
        span, is_reliable = self._span()
        margin = _AGREEMENT if self._agreement(self.rows) else _MARGIN
        candidates = [row for row in self._unknown_rows() if not is_reliable or _is_within(row, span, margin=margin)]
        if not candidates:
            return None
        [row, *others] = candidates
        rivals = [] if others else self._rivals(row, margin=margin)
        if others:
            reason = f"these {len(candidates)} render jobs of the service's list may be its job"
        elif not _is_within(row, span, margin=0.0):
            reason = "a render job of the service's list may be its job, but the times do not tell"
        elif rivals:
            reason = (
                f"{len(rivals)} other submits on this account are lost too, and this render job of the service's list "
                "may be of any of them"
            )
        elif reading.gap or reading.unreadable:
            reason = f"the service's list may have more render jobs than this one, because {_doubt_of(reading)}"
        else:
            return row
        late = [each for each in self._late_rows() if each not in candidates]
        raise DoubtError(reason, [*candidates, *late], may_pass=self._age() < _UNDER_WAY_SECONDS)

    def _unknown_rows(self) -> list[TaskRow]:
        """The rows that no record of this Airflow explains."""
        known = {record.task_id for record in self.records}
        # A row without a readable model may be the job.
        models = ("", self.lost.intent.model)
        return [row for row in self.rows.values() if row.task_id not in known and row.model in models]

    def _span(self) -> tuple[TimeSpan | None, bool]:
        """The time of the intent by the clock of the list's rows, and whether it is reliable."""
        if self._agreement(self.rows) is False:
            return None, False
        if self.lost.service_time is not None:
            return self.lost.service_time, True
        span = self.client.service_clock.at(self.now)
        if span is None:
            return None, False
        age = self.now - self.lost.intended_at
        # This may be another worker than that of the submit.
        return TimeSpan(earliest=span.earliest - age - _WORKER_SKEW, latest=span.latest - age + _WORKER_SKEW), False

    def _agreement(self, rows: Mapping[str, TaskRow]) -> bool | None:
        """Whether the known jobs were created, by their rows, when the ``Date`` of the service's replies says so.

        ``None`` if there is no row to compare.
        """
        agreement = None
        for record in self.records:
            row = rows.get(record.task_id or "")
            if row is None or row.created_at is None or record.service_time is None:
                continue
            took = _POST_SECONDS if record.was_found else (record.submitted_at or 0.0) - record.intended_at
            until = record.service_time.latest + max(took, 0.0)
            created = row.created_at.timestamp()
            agreement = record.service_time.earliest - _AGREEMENT <= created <= until + _AGREEMENT
            if not agreement:
                break
        return agreement

    def _rivals(self, row: TaskRow, *, margin: float) -> list[Record]:
        """The other lost submits that may have created a job, on any connection that leads to this account."""
        shown = [record.intent for record in self.records if record.task_id in self.rows]
        return [
            record
            for record in self.records
            if record.task_id is None
            and not record.intent.is_same_video(self.lost.intent)
            and any(record.intent.has_same_account(intent) for intent in (self.lost.intent, *shown))
            and self._may_have_created(record, row, margin=margin)
        ]

    def _may_have_created(self, record: Record, row: TaskRow, *, margin: float) -> bool:
        if record.service_time is None or self.lost.service_time is None:
            return abs(record.intended_at - self.lost.intended_at) < ABSENCE_SECONDS
        return _is_within(row, record.service_time, margin=margin)

    def _confirmed(self, row: TaskRow) -> TaskRow:
        """The row, if a query knows its job too."""
        if not self._exists(row.task_id, rows=[row]):
            reason = "the list shows a render job that a query does not know"
            raise DoubtError(reason, [row], may_pass=self._age() < self.decided_after)
        return row

    # That there is no job.

    def _check_absence(self, reading: ListReading) -> None:
        """Returns if the list would show the job.

        :raises DoubtError: it may hide it
        """
        if self._age() < self.decided_after:
            raise DoubtError("the list does not show its render job yet", may_pass=True)
        hidden = [str(witness.task_id) for witness in self._witnesses if witness.task_id not in reading.rows]
        existing = next((task_id for task_id in reversed(hidden) if self._exists(task_id)), None)
        if reading.gap or reading.unreadable or reading.is_short:
            reason = f"the service's list may hide its render job, because {_doubt_of(reading)}"
        elif existing:
            reason = f"the service's list shows neither its render job nor {existing}, which exists"
        elif len(hidden) == len(self._witnesses):
            reason = "the service's list shows neither its render job nor any other that is known to exist"
        elif late := self._late_rows():
            reason = (
                f"these {len(late)} later render jobs of the service's list may be its job, if a gateway delivered the "
                "request late"
            )
        else:
            return
        may_pass = self._age() < self.decided_after + _CONTRADICTION_SECONDS
        raise DoubtError(reason, self._late_rows(), may_pass=may_pass)

    def _late_rows(self) -> list[TaskRow]:
        """The rows after the time of the submit that no reply explains, found by other lost submits or not."""
        span, _ = self._span()
        if span is None:
            return []
        since = TimeSpan(earliest=span.earliest, latest=span.latest + self.decided_after)
        found = [self.rows[str(r.task_id)] for r in self.records if r.was_found and r.task_id in self.rows]
        return [row for row in (*self._unknown_rows(), *found) if _is_within(row, since, margin=0.0)]

    def _age(self) -> float:
        """Seconds since the intent: by the service's clock where both times are known."""
        span, service_now = self.lost.service_time, self.client.service_clock.at(self.now)
        if span is None or service_now is None:
            return self.now - self.lost.intended_at - _WORKER_SKEW
        return service_now.earliest - span.latest

    @property
    def _witnesses(self) -> list[Record]:
        """The known jobs of the account that the list must show: all of about that time, and the last ones before."""
        newest = self.now - self.decided_after * _SHOWN_SHARE
        known = [
            record
            for record in self.records
            if record.task_id and record.intent.has_same_account(self.lost.intent) and record.intended_at < newest
        ]
        first = self.lost.intended_at - ABSENCE_SECONDS
        of_that_time = [record for record in known if record.intended_at >= first]
        return known[-max(len(of_that_time), _WITNESSES) :]

    def _exists(self, task_id: str, *, rows: Sequence[TaskRow] = ()) -> bool:
        try:
            return self.client.send(get_task(task_id)).status != "UNKNOWN"
        except DashScopeError as error:
            reason = f"render job {task_id} cannot be queried: {error.message}"
            raise DoubtError(reason, rows, may_pass=error.retryable) from None


def _is_within(row: TaskRow, span: TimeSpan | None, *, margin: float) -> bool:
    """Whether a job can have been created by a POST of that time, by the service's clock."""
    if span is None or row.created_at is None:
        return span is not None and margin > 0
    earliest, latest = span.earliest - _ROW_PRECISION - margin, span.latest + _POST_SECONDS + margin
    return earliest <= row.created_at.timestamp() <= latest


def _doubt_of(reading: ListReading) -> str:
    if reading.unreadable:
        return f"{reading.unreadable} of its rows have no usable id"
    return reading.gap or f"it claims {reading.total} rows, and shows {len(reading.rows)}"
