"""The service's list as a way to ask for many tasks at once: whether it can be had, what it costs, if it is right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import TaskPage, TaskStatus, list_tasks
from airflow_provider_videoretalk.waiting.schedule import after_failures

# The maximum is not documented; the smaller one is the documented default.
_PAGE_SIZES = (100, 10)
_REST = 600.0
# Absences that a query for the task refutes, beyond those that it confirms, until the list is not believed for a while.
_CREDIT = 20
# How often in a row the total alone may tell that nothing has changed.
_GLANCES = 16
# A sweep between the looks that are due may cost this many requests for each end that it probably finds.
_SHARE = 0.35


@dataclass
class Sweep:
    """One reading of all rows of a status, page by page.

    :param begun: when its first page was asked for
    :param unseen: tasks that should be among the rows, and were not yet
    :param page: the next one to read
    :param ours: rows read that somebody waits for
    :param asking: whether a page is on its way
    :param complete: whether all pages were read
    :param refusals: pages that were refused as one request too many
    """

    status: TaskStatus
    begun: float
    unseen: dict[str, None]
    page: int = 1
    ours: int = 0
    asking: bool = False
    complete: bool = False
    refusals: int = 0


class Census:
    """What is known of the list. Moments are seconds of any one clock.

    ``harvest_at`` is from when on a sweep of RUNNING pays by the ends it probably finds, though no look is due.
    """

    def __init__(self) -> None:
        self._page_sizes = iter(_PAGE_SIZES)
        self._page_size = next(self._page_sizes)
        self._rests_until = -math.inf
        self._failures = 0
        self._credit = _CREDIT
        self._swept: dict[TaskStatus, float] = {}
        self._pages: dict[TaskStatus, tuple[int, float]] = {}
        self._strangers: dict[TaskStatus, int] = {}
        self._glances: Counter[TaskStatus] = Counter()
        self.harvest_at = math.inf

    def usable(self, now: float) -> bool:
        return now >= self._rests_until

    def pages(self, status: TaskStatus, *, ours: int, now: float) -> int:
        """How many requests a sweep probably takes: as many as the last one, or as ``ours`` rows fill."""
        pages, known_at = self._pages.get(status, (0, -math.inf))
        fewest = max(1, math.ceil(ours / self._page_size))
        return max(pages, fewest) if now - known_at < _REST else fewest

    def swept(self, status: TaskStatus) -> float:
        """When the last sweep of a status began."""
        return self._swept.get(status, -math.inf)

    def sweep(self, status: TaskStatus, unseen: Iterable[str], *, now: float) -> Sweep:
        """Begins a sweep."""
        if status == "RUNNING":
            self.harvest_at = math.inf
        return Sweep(status=status, begun=now, unseen=dict.fromkeys(unseen))

    def request(self, sweep: Sweep) -> Request[TaskPage]:
        """Asks for a sweep's next page."""
        return list_tasks(status=sweep.status, page=sweep.page, page_size=self._page_size)

    def failed(self, error: DashScopeError, *, now: float) -> None:
        """After a page that could not be had: smaller pages, or a rest. Without a list there is none for good."""
        if error.retryable:
            self._failures += 1
            self._rest(now + max(error.retry_after or 0.0, after_failures(self._failures)))
            return
        size = next(self._page_sizes, None)
        if size is None:
            self._rest(math.inf)
        else:
            self._page_size = size

    def read(self, sweep: Sweep, page: TaskPage, *, now: float) -> bool:
        """Takes in a page; returns whether to read no further."""
        self._failures = 0
        self._pages[sweep.status] = page.total_pages, now
        self._strangers[sweep.status] = page.total - sweep.ours
        left = page.total_pages - sweep.page
        sweep.page += 1
        sweep.complete = left <= 0
        # With more pages left than tasks to find on them, asking for each costs less.
        return sweep.complete or left > len(sweep.unseen)

    def glance(self, sweep: Sweep, page: TaskPage, *, ours: range) -> bool:
        """Whether the first page's total tells that nothing unforeseen has happened, and there is no need to read on.

        Only among rows that are all ours: elsewhere one may go as another comes.

        :param ours: how many of those waited for may be in the status without a surprise
        """
        alone = self._strangers.get(sweep.status) == 0
        again = self._glances[sweep.status] < _GLANCES
        same = alone and again and sweep.page == 1 < page.total_pages and page.total in ours
        self._glances[sweep.status] = self._glances[sweep.status] + 1 if same else 0
        return same

    def finished(self, sweep: Sweep, *, found: int) -> None:
        """After a sweep's last page.

        :param found: tasks that are no longer in the status
        """
        since = self.swept(sweep.status)
        self._swept[sweep.status] = sweep.begun
        if sweep.status == "RUNNING" and found and since > -math.inf:
            each = (sweep.begun - since) / found
            self.harvest_at = sweep.begun + self._pages["RUNNING"][0] / _SHARE * each

    def judged(self, *, right: bool, now: float) -> None:
        """After a query for a task that the list did not show."""
        self._credit = min(_CREDIT, self._credit + 1) if right else self._credit - 1
        if self._credit < 0:
            self._credit = _CREDIT
            self._rest(now + _REST)

    def _rest(self, until: float) -> None:
        self._rests_until, self.harvest_at = until, math.inf
