"""The service's list as a way to ask for many tasks at once: whether it can be had, what it costs, if it is right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import TaskPage, TaskRow, TaskStatus, list_tasks
from airflow_provider_videoretalk.waiting.schedule import after_failures
from airflow_provider_videoretalk.waiting.sweep import Listed, Sweep

# The maximum is not documented; the smaller one is the documented default.
_PAGE_SIZES = (100, 10)
_REST = 600.0
# Absences that a query for the task refutes, beyond those that it confirms, until the list is not believed for a while.
_CREDIT = 20
# How often in a row the total alone may tell that nothing has changed.
_GLANCES = 16
# A sweep between the looks that are due may cost this many requests for each end that it probably finds.
_SHARE = 0.35
# For so long a row tells how a task stands that nobody waited for when it was read: many join one after another.
_RECENT = 60.0


class Census:
    """What is known of the list. Moments are seconds of any one clock.

    ``harvest_at`` is from when on a sweep of RUNNING pays, though no look is due: by the ends it probably finds, or as
    it costs next to nothing.
    """

    def __init__(self) -> None:
        self._page_sizes = iter(_PAGE_SIZES)
        self._page_size = next(self._page_sizes)
        self._rests_until = -math.inf
        self._failures = 0
        self._credit = _CREDIT
        self._swept: dict[Listed, float] = {}
        self._pages: dict[Listed, tuple[int, float]] = {}
        self._strangers: dict[Listed, int] = {}
        self._glances: Counter[Listed] = Counter()
        self._others: dict[Listed, dict[str, TaskStatus]] = {}
        self.harvest_at = math.inf

    def usable(self, now: float) -> bool:
        return now >= self._rests_until

    def pages(self, status: Listed, *, ours: int, now: float) -> int:
        """How many requests a sweep probably takes: as many as the last one, or as ``ours`` rows fill."""
        pages, known_at = self._pages.get(status, (0, -math.inf))
        fewest = max(1, math.ceil(ours / self._page_size))
        return max(pages, fewest) if now - known_at < _REST else fewest

    def swept(self, status: Listed) -> float:
        """When the last sweep of a status began."""
        return self._swept.get(status, -math.inf)

    def sweep(self, status: Listed, unseen: Iterable[str], *, now: float) -> Sweep:
        """Begins a sweep."""
        if status == "RUNNING":
            self.harvest_at = math.inf
        self._others[status] = {}
        return Sweep(status=status, begun=now, unseen=dict.fromkeys(unseen))

    def request(self, sweep: Sweep, number: int) -> Request[TaskPage]:
        """Asks for a page of a sweep."""
        return list_tasks(status=sweep.status, page=number, page_size=self._page_size)

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

    def read(self, sweep: Sweep, page: TaskPage, *, now: float) -> None:
        """After a page that could be had."""
        self._failures = 0
        self._pages[sweep.status] = page.total_pages, now

    def note(self, sweep: Sweep, row: TaskRow) -> None:
        """After a row of a task that nobody waits for."""
        self._others[sweep.status][row.task_id] = row.status

    def recall(self, task_id: str, *, now: float) -> TaskStatus | None:
        """How a task that nobody waited for stood a moment ago, ``None`` where that is not known."""
        recent = [self._others[status] for status, swept in self._swept.items() if now - swept < _RECENT]
        return next((rows[task_id] for rows in recent if task_id in rows), None)

    def is_as_foreseen(self, sweep: Sweep, page: TaskPage, *, ours: range) -> bool:
        """Whether the first of several pages tells, by its total alone, that the others need not be read.

        Only where all rows are ours: elsewhere one may go as another comes.

        :param ours: how many of those waited for may be in the status without a surprise
        """
        first = sweep.pages == 1 < page.total_pages
        again = self._glances[sweep.status] < _GLANCES
        return first and again and self._is_alone(sweep) and page.total in ours

    def finished(self, sweep: Sweep, *, found: int, next_look: float) -> None:
        """After a sweep.

        :param found: tasks that are no longer in the status
        :param next_look: when the next look at any task of the status is due
        """
        since = self.swept(sweep.status)
        self._swept[sweep.status] = sweep.begun
        self._glances[sweep.status] = self._glances[sweep.status] + 1 if sweep.glanced else 0
        if not sweep.glanced:
            self._strangers[sweep.status] = sweep.total - sweep.ours
        if sweep.status == "RUNNING":
            self.harvest_at = self._next_harvest(sweep, found=found, seconds=sweep.begun - since, next_look=next_look)

    def _next_harvest(self, sweep: Sweep, *, found: int, seconds: float, next_look: float) -> float:
        if found:
            return sweep.begun + sweep.pages / _SHARE * seconds / found
        # Where all are ours, the next one will probably take a single request, and may be had twice as often.
        return (sweep.begun + next_look) / 2 if self._is_alone(sweep) and sweep.pages > 1 else math.inf

    def _is_alone(self, sweep: Sweep) -> bool:
        """Whether all rows of the status are of tasks waited for, as far as is known."""
        return self._strangers.get(sweep.status, 1) <= 0

    def judged(self, *, right: bool, now: float) -> None:
        """After a query for a task that the list did not show."""
        self._credit = min(_CREDIT, self._credit + 1) if right else self._credit - 1
        if self._credit < 0:
            self._credit = _CREDIT
            self._rest(now + _REST)

    def _rest(self, until: float) -> None:
        self._rests_until, self.harvest_at = until, math.inf
