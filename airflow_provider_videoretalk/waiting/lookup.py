"""Finding the task of a submit whose reply was lost, in the service's list.

The list tells neither inputs nor a tag of ours: a task is known by its model, its time and its account alone. With a
key of an account of its own, and submits one after the other, that is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timezone

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.errors import OutcomeUnknownError, RequestError
from airflow_provider_videoretalk.dashscope.request import CONNECT_TIMEOUT, READ_TIMEOUT
from airflow_provider_videoretalk.dashscope.task import TaskRow, list_tasks

CLOCK_SKEW = 10.0
"""Seconds by which Airflow's clock and the service's may differ."""

# What the service uses by default; its maximum is not documented.
_PAGE_SIZE = 10


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """
    :param model: the model that was submitted
    :param patience: seconds after a submit from when on the list is believed to show it
    :param known: ids of tasks that are known to be others'
    :param rivals: when others sent submits whose outcome they don't know, in seconds since the epoch
    """

    model: str
    patience: float
    known: Callable[[], Collection[str]]
    rivals: Callable[[], Collection[float]]

    def find(self, client: Client, intended_at: float, *, earlier: Collection[str], now: float) -> TaskRow | None:
        """The one task that the submit intended at that moment can have made, ``None`` where it made none.

        Tasks from shortly before that moment are in doubt: theirs is the time of the service's clock.

        :param earlier: ids of tasks that the same task instance submitted before
        :raises OutcomeUnknownError: there are several, or one in doubt, or the endpoint has no list
        """
        end = min(now, intended_at + CONNECT_TIMEOUT + READ_TIMEOUT) + CLOCK_SKEW
        known, rivals = {*self.known(), *earlier}, [rival for rival in self.rivals() if rival > intended_at]
        found = [
            row
            for row in self._rows(client, intended_at - CLOCK_SKEW, end)
            if row.model == self.model and row.task_id not in known and _is_ours(row, rivals)
        ]
        if len(found) > 1 or any(_created(row) < intended_at for row in found):
            ids = ", ".join(f"{row.task_id} ({row.status})" for row in found)
            raise outcome_unknown(f"these tasks were created about when an earlier try sent its submit: {ids}")
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


def _is_ours(row: TaskRow, rivals: Collection[float]) -> bool:
    """A POST follows its intent at once: the latest intent before a task's creation is the one that made it."""
    return not any(rival <= _created(row) for rival in rivals)


def _created(row: TaskRow) -> float:
    return row.created_at.timestamp() if row.created_at else 0.0
