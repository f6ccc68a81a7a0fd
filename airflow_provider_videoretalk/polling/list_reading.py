"""The service's list: whether it can be read and is worth its requests, and one reading of it, page by page."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task_list import TaskPage, list_tasks
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.schedule import after_failures
from airflow_provider_videoretalk.polling.watched_job import Agenda, Listed

# The maximum is not documented; the smaller one is the documented default.
_PAGE_SIZES = (100, 10)
# How long a number of pages is remembered, and for how long a list that stands still is not read.
_PAUSE = 600.0
# Jobs count as due so much earlier: a part of poll_interval, or for PENDING of max_poll_interval.
_SLACK: dict[Listed, float] = {"RUNNING": 1.0, "PENDING": 1 / 4}
# Of the rate that readings of one status may take. Readings of PENDING find only what is rare.
_SHARE: dict[Listed, float] = {"RUNNING": 0.35, "PENDING": 0.02}
# A reading follows after this share of poll_interval if it takes longer than a second to ask for those that the last
# one did not show. Ends are then found in smaller groups: with a thousand rendering, the p95 lag is 5.1 s in place of
# 6.4. If it takes longer than that pause, the next reading waits: what it shows would wait, too.
_AGAIN, _BACKLOG_SECONDS = 3 / 4, 15.0
# How many readings in a row may stop after the first page, because the total has not changed. With a thousand queued,
# that saves a fifth of all requests.
_MOST_UNCHANGED = 16


@dataclass(kw_only=True, eq=False)
class Reading:
    """Reads all rows of a status: the first page, then the others at the same time.

    :param begun: when it began
    :param last_reply_at: when the last reply arrived
    :param unseen: jobs that should be among the rows, and were not yet
    :param todo: pages to read
    :param reading: how many pages are being read
    :param pages: how many there are, as far as known
    :param ours: rows read of jobs with a waiter
    :param refusals: refused requests for pages
    :param partial: whether pages are left out
    :param is_unchanged: whether the first page made reading the others unnecessary
    """

    status: Listed
    begun: float
    unseen: dict[str, None]
    last_reply_at: float
    todo: list[int] = field(default_factory=lambda: [1])
    reading: int = 0
    pages: int = 1
    ours: int = 0
    refusals: int = 0
    partial: bool = False
    is_unchanged: bool = False

    @property
    def over(self) -> bool:
        return not self.todo and not self.reading

    def take(self) -> int:
        """The next page to ask for."""
        self.reading += 1
        return self.todo.pop(0)

    def refused(self, number: int) -> None:
        """A page is to be asked for again."""
        self.reading -= 1
        self.refusals += 1
        self.todo.insert(0, number)

    def read(self, page: TaskPage) -> None:
        """After the rows of a page."""
        self.reading -= 1
        if self.is_unchanged:
            return
        more = range(self.pages + 1, page.total_pages + 1)
        # With more pages left than jobs to find on them, asking for each costs less.
        if len(more) <= len(self.unseen):
            self.todo += more
            self.pages = max(self.pages, page.total_pages)
        else:
            self.partial = True
        if not self.unseen:
            self.todo.clear()


class JobList:
    """What is known of the list. Moments are seconds of any one clock.

    ``again_at`` is when to read RUNNING again although no job is due.
    """

    def __init__(self) -> None:
        self._page_sizes = iter(_PAGE_SIZES)
        self._page_size = next(self._page_sizes)
        self._unused_until = -math.inf
        self._failures = 0
        self._begun: dict[Listed, float] = {}
        self._pages: dict[Listed, tuple[int, float]] = {}
        self._is_ours: dict[Listed, bool] = {}
        self._unchanged: dict[Listed, int] = {}
        self.again_at = math.inf

    def usable(self, now: float) -> bool:
        return now >= self._unused_until

    def pages(self, status: Listed, *, ours: int, now: float) -> int:
        """The expected number of pages: those of the last reading, or those that ``ours`` rows fill."""
        pages, known_at = self._pages.get(status, (0, -math.inf))
        fewest = max(1, math.ceil(ours / self._page_size))
        return max(pages, fewest) if now - known_at < _PAUSE else fewest

    def cost(self, status: Listed, *, ours: int, now: float) -> float:
        """The part of a reading, in requests, that each of ``ours`` jobs takes: 1 at most, as by a query."""
        return min(1.0, self.pages(status, ours=ours, now=now) / max(1, ours))

    def is_cheaper(self, status: Listed, due: Agenda, policy: PollPolicy, *, now: float) -> bool:
        """Whether a reading takes fewer requests than the queries that it replaces.

        :param due: the jobs that it would look for
        """
        interval = policy.poll_interval if status == "RUNNING" else policy.max_poll_interval
        wanted = due.count(until=now + _SLACK[status] * interval)
        return self.usable(now) and wanted > self.pages(status, ours=len(due), now=now)

    def next_reading(
        self, status: Listed, policy: PollPolicy, *, ours: int, backlog: float, per_second: float, now: float
    ) -> float:
        """The earliest time of a reading.

        :param backlog: seconds that it takes to ask for those that probably ended
        :param per_second: the rate of pages
        """
        pause = _AGAIN * policy.poll_interval
        if backlog > pause:
            pause = max(pause, _BACKLOG_SECONDS)
        others = self.pages(status, ours=ours, now=now) - 1
        return self._begun.get(status, -math.inf) + max(pause, others / (_SHARE[status] * per_second))

    def begin(self, status: Listed, unseen: dict[str, None], *, now: float) -> Reading:
        """Begins a reading."""
        self._begun[status] = now
        if status == "RUNNING":
            self.again_at = math.inf
        return Reading(status=status, begun=now, last_reply_at=now, unseen=unseen)

    def request(self, reading: Reading, number: int) -> Request[TaskPage]:
        """Asks for a page."""
        return list_tasks(status=reading.status, page=number, page_size=self._page_size)

    def read(self, reading: Reading, page: TaskPage, *, expected: range, now: float) -> None:
        """Notes a page. The first of several whose total is as expected stands for the others.

        Only if all rows are of jobs with a waiter. Of others, one may end as another begins.

        :param expected: how many of the jobs with a waiter may be in the status without a surprise
        """
        self._failures = 0
        self._pages[reading.status] = page.total_pages, now
        unchanged = self._unchanged.get(reading.status, 0)
        if reading.pages == 1 < page.total_pages and page.total in expected and unchanged < _MOST_UNCHANGED:
            reading.is_unchanged = self._is_ours.get(reading.status, False)
        reading.last_reply_at = now

    def finished(self, reading: Reading, *, total: int, backlog: float) -> None:
        """Notes the end of a reading.

        :param total: rows of the status
        :param backlog: seconds that it takes to ask for those that it did not show
        """
        if reading.is_unchanged:
            self._unchanged[reading.status] = self._unchanged.get(reading.status, 0) + 1
        else:
            self._unchanged[reading.status] = 0
            self._is_ours[reading.status] = total <= reading.ours
        if reading.status == "RUNNING" and backlog > 1:
            self.again_at = reading.begun

    def failed(self, error: DashScopeError, *, now: float) -> None:
        """Notes that a page could not be read. Pages become smaller, or the list is not used for a while."""
        if error.retryable:
            self._failures += 1
            self._unused_until = now + max(error.retry_after or 0.0, after_failures(self._failures))
            return
        size = next(self._page_sizes, None)
        if size is None:
            self._unused_until = math.inf
        else:
            self._page_size = size

    def stands_still(self, *, now: float) -> None:
        """Notes that the list shows a job that ended long ago."""
        self._unused_until = now + _PAUSE
