"""Finding the task of a submit whose reply was lost, in the service's list.

The list tells neither inputs nor a tag of ours: a task is known by its model, its time and its account alone. What this
Airflow submitted is known by its register; that is exact where nobody else uses the account.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timezone

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.errors import OutcomeUnknownError, RequestError
from airflow_provider_videoretalk.dashscope.request import CONNECT_TIMEOUT, READ_TIMEOUT
from airflow_provider_videoretalk.dashscope.task import TaskRow, list_tasks
from airflow_provider_videoretalk.waiting.record import Record
from airflow_provider_videoretalk.waiting.register import LIFETIME, Register

CLOCK_SKEW = 10.0
"""Seconds by which Airflow's clock and the service's may differ."""

# How long after its intent a POST can reach the service.
_TRAVEL = CONNECT_TIMEOUT + READ_TIMEOUT

# What the service uses by default; its maximum is not documented.
_PAGE_SIZE = 10


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """
    :param model: the model that was submitted
    :param patience: seconds after a submit from when on the list is believed to show it
    """

    model: str
    patience: float

    def find(self, client: Client, lost: Record, register: Register, *, now: float) -> TaskRow | None:
        """The one task that a lost submit can have made, ``None`` where it made none.

        A task is in doubt where it is from shortly before the submit (its time is the service's clock's), and where
        another lost submit on the same connection can have made it.

        :param register: what this Airflow submitted lately
        :raises OutcomeUnknownError: there are several, or one in doubt, or the endpoint has no list; or the register
            may have forgotten what was submitted about then
        """
        since, until = lost.intended_at - _TRAVEL - CLOCK_SKEW, lost.intended_at + _TRAVEL + CLOCK_SKEW
        if now > since + LIFETIME:
            raise outcome_unknown(
                f"an earlier try sent its submit {now - lost.intended_at:.0f} s ago, too long to tell what became of it"
            )
        nearby = register.records(since=since - CLOCK_SKEW, until=until + CLOCK_SKEW)
        known = {record.task_id for record in nearby}
        found = [
            row
            for row in self._rows(client, lost.intended_at - CLOCK_SKEW, min(now + CLOCK_SKEW, until))
            if row.model == self.model and row.task_id not in known
        ]
        rivals = [record.intended_at for record in nearby if _rivals(record, lost)]
        if len(found) > 1 or any(_is_in_doubt(row, lost, rivals) for row in found):
            ids = ", ".join(f"{row.task_id} ({row.status})" for row in found)
            others = f", and {len(rivals)} other submits on this connection are as lost" if rivals else ""
            raise outcome_unknown(f"these tasks were created about when an earlier try sent its submit: {ids}{others}")
        return found[0] if found else None

    def _rows(self, client: Client, start: float, end: float) -> list[TaskRow]:
        rows: dict[str, TaskRow] = {}
        page = pages = 1
        while page <= pages:
            request = list_tasks(
                model=self.model,
                since=datetime.fromtimestamp(start, tz=timezone.utc),
                until=datetime.fromtimestamp(end, tz=timezone.utc),
                page=page,
                page_size=_PAGE_SIZE,
            )
            try:
                answer = client.send(request)
            except RequestError as error:
                reason = f"an earlier try never learned its submit's outcome, and there is no list: {error.message}"
                raise outcome_unknown(reason) from None
            # Rows move between pages while they are read.
            rows |= {row.task_id: row for row in answer.rows}
            page, pages = page + 1, answer.total_pages
        return list(rows.values())


def outcome_unknown(reason: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        reason,
        remedy="Look into the service's task list: if nothing was created, clear the task to submit again; "
        "if a task is there, wait for its id with a DashScopeTaskSensor.",
    )


def _rivals(record: Record, lost: Record) -> bool:
    """Whether this is a submit of unknown outcome, of the same account, and not one of ours for the same video."""
    ours = record.intent.owner == lost.intent.owner and record.intent.fingerprint == lost.intent.fingerprint
    return record.task_id is None and record.intent.connection == lost.intent.connection and not ours


def _is_in_doubt(row: TaskRow, lost: Record, rivals: Collection[float]) -> bool:
    created = _created(row)
    return created < lost.intended_at or any(rival - CLOCK_SKEW <= created <= rival + _TRAVEL for rival in rivals)


def _created(row: TaskRow) -> float:
    return row.created_at.timestamp() if row.created_at else 0.0
