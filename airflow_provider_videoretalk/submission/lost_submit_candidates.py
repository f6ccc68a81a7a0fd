"""The render jobs that a person has to look at after a lost submit. Nothing is decided by them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.dashscope.request import CONNECT_TIMEOUT, TOTAL_TIMEOUT
from airflow_provider_videoretalk.dashscope.service_clock import TimeSpan
from airflow_provider_videoretalk.submission.list_reading import read_task_list

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.client import Client
    from airflow_provider_videoretalk.dashscope.task_list import TaskRow
    from airflow_provider_videoretalk.submission.record import Record
    from airflow_provider_videoretalk.submission.registry import SubmissionRegistry

# Pages of the list that are read. Without usable times in its rows, it would be read to its end.
_PAGES = 5

# Seconds before and after the time of the submit, for clocks that differ and times that are cut to seconds.
_MARGIN = 60.0

# The same, if the service's clock is not known.
_UNKNOWN_CLOCK_MARGIN = 600.0

# Seconds after the intent within which the service creates the job.
_POST_SECONDS = CONNECT_TIMEOUT + TOTAL_TIMEOUT

_log = logging.getLogger(__name__)


def jobs_in_question(client: Client, lost: Record, registry: SubmissionRegistry, *, now: float) -> list[TaskRow]:
    """The jobs of the service's list that were created at the time of a lost submit, and that no record has.

    Empty also if the list or the records cannot be read: the error that names the jobs is raised anyway.

    :param client: of the account of the lost submit
    :param now: in seconds since the epoch
    """
    try:
        span = _created_within(client, lost, now=now)
        reading = read_task_list(client, since=span.earliest, max_pages=_PAGES)
        rows = [row for row in reading.rows.values() if _may_be_of(lost, row, span)]
        if not rows:
            return []
        # Of all connections: another one may lead to the same account.
        margin = _POST_SECONDS + _MARGIN
        records = registry.records(since=lost.intended_at - margin, until=lost.intended_at + margin)
    except Exception as error:
        _log.warning("The render jobs in question cannot be named: %s", error)
        return []
    known = {record.task_id for record in records}
    return [row for row in rows if row.task_id not in known]


def _created_within(client: Client, lost: Record, *, now: float) -> TimeSpan:
    """When the job was created, by the service's clock."""
    span, margin = lost.service_time, _MARGIN
    if span is None and (service_now := client.service_clock.at(now)) is not None:
        age = now - lost.intended_at
        span = TimeSpan(earliest=service_now.earliest - age, latest=service_now.latest - age)
    if span is None:
        span, margin = TimeSpan(earliest=lost.intended_at, latest=lost.intended_at), _UNKNOWN_CLOCK_MARGIN
    return TimeSpan(earliest=span.earliest - margin, latest=span.latest + _POST_SECONDS + margin)


def _may_be_of(lost: Record, row: TaskRow, span: TimeSpan) -> bool:
    # A row without a readable model or time may be the job.
    if row.model not in ("", lost.intent.model):
        return False
    return row.created_at is None or span.earliest <= row.created_at.timestamp() <= span.latest
