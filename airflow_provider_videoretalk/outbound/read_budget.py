"""How many bytes, requests and seconds reading one file may take."""

from __future__ import annotations

import time
from dataclasses import dataclass

from airflow_provider_videoretalk.dashscope.errors import TransportError

_MEGABYTE = 1024 * 1024


class OutOfReachError(TransportError):
    """A part of a file that is not read: the server has no ranges, or reading it would exceed the budget."""

    retryable_by_default = False


@dataclass(frozen=True, kw_only=True)
class ReadBudget:
    """The limits for reading one file.

    :param size: bytes in total
    :param requests: requests in total, including redirects
    :param seconds: time in total
    """

    size: int = 8 * _MEGABYTE
    requests: int = 64
    seconds: float = 60.0


REMOTE_BUDGET = ReadBudget()
LOCAL_BUDGET = ReadBudget(size=64 * _MEGABYTE, requests=4096)


class BudgetMeter:
    """Counts how much of a budget is used."""

    def __init__(self, budget: ReadBudget) -> None:
        self.budget = budget
        self.size = 0
        self.requests = 0
        self._end = time.monotonic() + budget.seconds

    @property
    def bytes_left(self) -> int:
        return self.budget.size - self.size

    @property
    def requests_left(self) -> int:
        return self.budget.requests - self.requests

    def charge(self, *, size: int = 0, requests: int = 1) -> None:
        """Counts a request for ``size`` bytes before it is made.

        :raises OutOfReachError: the budget does not allow it; nothing is counted
        """
        if size > self.bytes_left:
            raise OutOfReachError(f"it would take more than {self.budget.size:,} bytes of the file")
        if requests > self.requests_left:
            raise OutOfReachError(f"it would take more than {self.budget.requests} requests")
        self.check_time()
        self.size += size
        self.requests += requests

    def check_time(self) -> None:
        """:raises OutOfReachError: the time is up"""
        if time.monotonic() >= self._end:
            raise OutOfReachError(f"it took more than {self.budget.seconds:g} s")
