"""What this process shares among all users of one account: its rate limit, pollers, render times, task route."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.rate_limiter import RateLimiter
from airflow_provider_videoretalk.dashscope.request_outcome import NoteRequest, ignore_request
from airflow_provider_videoretalk.dashscope.task_route import TaskRoute
from airflow_provider_videoretalk.polling.render_times import RenderTimes

if TYPE_CHECKING:
    from airflow_provider_videoretalk.polling.poller import Poller

# An account that was not used for so long is forgotten, with its key: keys are rotated.
_IDLE_SECONDS = 6 * 3600.0


class Account:
    """
    :param endpoint: base URL and key; two connections with the same values share one account
    :ivar note_request: is told how the requests of the pollers end, and those of the queues that hold submits back
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.rate_limiter = RateLimiter(endpoint.queries_per_second)
        # The service counts pages of the list apart from queries.
        self.list_rate_limiter = RateLimiter(endpoint.queries_per_second)
        self.render_times = RenderTimes()
        self.task_route = TaskRoute()
        self.note_request: NoteRequest = ignore_request
        self.used_at = time.monotonic()
        self._pollers: dict[asyncio.AbstractEventLoop, Poller] = {}

    @property
    def is_idle(self) -> bool:
        return not self._pollers and time.monotonic() - self.used_at > _IDLE_SECONDS

    @asynccontextmanager
    async def poller(self, *, clock: Callable[[], float] = time.time) -> AsyncIterator[Poller]:
        """The poller that all users on this event loop share. It ends with the last of them.

        :param clock: seconds since the epoch; everything else goes by the event loop's own time
        """
        # Loads aiohttp, which a worker that submits does not need.
        from airflow_provider_videoretalk.dashscope.async_client import AsyncClient
        from airflow_provider_videoretalk.polling.poller import Poller

        loop = asyncio.get_running_loop()
        # Other threads have event loops, and pollers, of their own.
        for closed in [each for each in list(self._pollers) if each.is_closed()]:
            self._pollers.pop(closed, None)
        poller = self._pollers.get(loop)
        if poller is None or poller.over:
            poller = self._pollers[loop] = Poller(
                AsyncClient(self.endpoint, note_request=self.note_request),
                query_rate=self.rate_limiter,
                list_rate=self.list_rate_limiter,
                render_times=self.render_times,
                clock=clock,
            )
        poller.users += 1
        try:
            yield poller
        finally:
            poller.users -= 1
            self.used_at = time.monotonic()
            if not poller.users:
                if self._pollers.get(loop) is poller:
                    del self._pollers[loop]
                await poller.close()


_ACCOUNTS: dict[Endpoint, Account] = {}
_LOCK = threading.Lock()


def account_of(endpoint: Endpoint) -> Account:
    """The account of an endpoint; the same object in all threads and on all event loops of this process."""
    with _LOCK:
        for idle in [known for known, account in _ACCOUNTS.items() if account.is_idle]:
            del _ACCOUNTS[idle]
        account = _ACCOUNTS.get(endpoint)
        if account is None:
            account = _ACCOUNTS[endpoint] = Account(endpoint)
        account.used_at = time.monotonic()
        return account


def shared_poller(endpoint: Endpoint, *, clock: Callable[[], float] = time.time) -> AbstractAsyncContextManager[Poller]:
    """See :meth:`Account.poller`."""
    return account_of(endpoint).poller(clock=clock)
