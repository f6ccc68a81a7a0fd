"""One reading of the service's list, page by page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_videoretalk.dashscope.task import TaskPage

Listed = Literal["PENDING", "RUNNING"]
"""The statuses that are read."""


@dataclass(kw_only=True, eq=False)
class Sweep:
    """Reads all rows of a status: the first page, and then the others, as many at once as may be.

    :param begun: when it was begun
    :param unseen: tasks that should be among the rows, and were not yet
    :param todo: pages that are to be asked for
    :param reading: how many pages are on their way
    :param pages: how many there are, as far as is known
    :param total: rows that there are
    :param ours: rows read that somebody waits for
    :param refusals: pages that were refused as one request too many
    :param partial: whether there are pages that are not worth reading
    :param glanced: whether the first page made reading the others unnecessary
    """

    status: Listed
    begun: float
    unseen: dict[str, None]
    todo: list[int] = field(default_factory=lambda: [1])
    reading: int = 0
    pages: int = 1
    total: int = 0
    ours: int = 0
    refusals: int = 0
    partial: bool = False
    glanced: bool = False

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
        self.total = page.total
        if self.glanced:
            self.pages = page.total_pages
            return
        more = range(self.pages + 1, page.total_pages + 1)
        # With more pages left than tasks to find on them, asking for each costs less.
        if len(more) <= len(self.unseen):
            self.todo += more
            self.pages = max(self.pages, page.total_pages)
        else:
            self.partial = True
        if not self.unseen:
            self.todo.clear()

    @property
    def over(self) -> bool:
        return not self.todo and not self.reading
