"""Reads the service's list of render jobs, of which only the documented fields of a row are believed.

No filter is used: neither the time zone of the time filter nor the effect of the others is verified. The totals of a
reply are not used to find the end, because a service or a gateway may leave them out or state any number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.dashscope.errors import RequestError
from airflow_provider_videoretalk.dashscope.task_list import TaskPage, TaskRow, list_tasks

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.client import Client

MAX_PAGES = 100
"""Pages that are read at most. In the documented default size that is 1,000 render jobs."""

# The service's default. Its maximum is not documented, and a shorter page than asked for would look like the last one.
_PAGE_SIZE = 10

# Rows of one moment may be in any order.
_ORDER_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class ListReading:
    """What one reading of the list shows.

    :param rows: by the id of the render job
    :param unreadable: number of rows that have no usable id
    :param gap: why further rows may exist that were not read; ``""`` if there is no such reason
    :param total: number of rows that the list claims to have; ``None`` if it was not read to its end
    """

    rows: Mapping[str, TaskRow]
    unreadable: int
    gap: str
    total: int | None

    @property
    def is_partial(self) -> bool:
        """Whether it ended at rows that are old enough, by their times."""
        return self.total is None and not self.gap

    @property
    def is_short(self) -> bool:
        """Whether it shows fewer rows than it claims to have."""
        return self.total is not None and self.total > len(self.rows) + self.unreadable


def read_task_list(client: Client, *, since: float, max_pages: int = MAX_PAGES) -> ListReading:
    """Reads the list, newest rows first, until it is over or its rows are older than ``since``.

    The order of the service's rows is not documented. A list in another order is read to its end.

    :param since: by the service's clock, in seconds since the epoch
    :param max_pages: pages that are read at most
    :raises RequestError: the endpoint has no list
    :raises DashScopeError: the list cannot be read now
    """
    rows: dict[str, TaskRow] = {}
    unreadable, total, previous, newest_first = 0, 0, 0, _NewestFirst()
    for number in range(1, max_pages + 1):
        try:
            page = client.send(list_tasks(page=number, page_size=_PAGE_SIZE))
        except RequestError as error:
            if number == 1:
                raise
            # Some services refuse a page behind the last one.
            is_last = previous < _PAGE_SIZE
            gap = "" if is_last else f"page {number} was refused: {error.message}"
            return ListReading(rows=rows, unreadable=unreadable, gap=gap, total=total if is_last else None)
        total = total or page.total
        unreadable += page.unreadable
        previous = len(page.rows) + page.unreadable
        if not previous:
            return ListReading(rows=rows, unreadable=unreadable, gap="", total=total)
        if page.rows and all(row.task_id in rows for row in page.rows):
            gap = f"page {number} repeats the rows of earlier pages"
            return ListReading(rows=rows, unreadable=unreadable, gap=gap, total=None)
        rows |= {row.task_id: row for row in page.rows}
        if newest_first.are_older(page, since=since):
            return ListReading(rows=rows, unreadable=unreadable, gap="", total=None)
    gap = f"it has more than {max_pages} pages, of which no more were read"
    return ListReading(rows=rows, unreadable=unreadable, gap=gap, total=None)


class _NewestFirst:
    """Whether all rows so far are in order, and the last one is old enough."""

    def __init__(self) -> None:
        self._last = float("inf")

    def are_older(self, page: TaskPage, *, since: float) -> bool:
        for row in page.rows:
            created = row.created_at.timestamp() if row.created_at else float("inf")
            # Once out of order, nothing is known about the pages to come.
            self._last = created if created <= self._last + _ORDER_SECONDS else float("nan")
        return not page.unreadable and self._last < since
