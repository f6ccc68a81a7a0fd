"""Looks a connection up once a minute for all that need it on an event loop.

Each look-up is a request to the triggerer's supervisor, and often one to a secrets backend. A thousand triggers that
start together need one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint

KEPT_SECONDS = 60.0
"""How long a look-up is used. A connection that a person has changed is taken up after this time."""


@dataclass(frozen=True, kw_only=True)
class _LookUp:
    """
    :param begun_at: by the event loop's time
    """

    task: asyncio.Task[Endpoint]
    begun_at: float

    def is_usable(self, now: float) -> bool:
        has_failed = self.task.done() and (self.task.cancelled() or self.task.exception() is not None)
        return not has_failed and now - self.begun_at < KEPT_SECONDS


# By event loop, and by connection. They hold API keys, so they are neither logged nor kept for longer than needed.
_LOOK_UPS: dict[asyncio.AbstractEventLoop, dict[str, _LookUp]] = {}


async def shared_endpoint(conn_id: str, look_up: Callable[[], Awaitable[Endpoint]]) -> Endpoint:
    """The endpoint of a connection. A failure reaches all that wait for the same look-up, and is not kept.

    :param look_up: reads the connection
    """
    loop = asyncio.get_running_loop()
    for closed in [known for known in list(_LOOK_UPS) if known.is_closed()]:
        _LOOK_UPS.pop(closed, None)
    now, known = loop.time(), _LOOK_UPS.setdefault(loop, {})
    for expired in [name for name, other in known.items() if not other.is_usable(now)]:
        del known[expired]
    if conn_id not in known:
        # A task of its own: a trigger that is cancelled must not take the look-up from the others.
        task = Context().run(loop.create_task, _endpoint(look_up))
        known[conn_id] = _LookUp(task=task, begun_at=now)
    return await asyncio.shield(known[conn_id].task)


async def _endpoint(look_up: Callable[[], Awaitable[Endpoint]]) -> Endpoint:
    return await look_up()
