"""The base of all triggers of this package: one event, and never right after the deferral."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

SHORTEST_DEFERRAL = 15.0
"""Seconds that a deferral lasts at least. A task sleeps through a shorter pause on its worker.

If a deferral ends before Airflow's scheduler has processed the end of the worker's process, the scheduler may fail the
task: "finished with state success, but the task instance's state attribute is queued". That was seen after six seconds
on a loaded machine.
"""


class SingleEventTrigger(BaseTrigger):
    """Fires once, with the payload that :meth:`wait` returns. It fires :data:`SHORTEST_DEFERRAL` after its start or
    later.
    """

    async def wait(self) -> dict[str, Any]:
        """Returns the JSON-safe payload when the wait is over."""
        raise NotImplementedError

    async def run(self) -> AsyncIterator[TriggerEvent]:
        loop = asyncio.get_running_loop()
        earliest = loop.time() + SHORTEST_DEFERRAL
        payload = await self.wait()
        # A triggerer sets the id. dag.test() runs a trigger without one, and without a scheduler.
        if self.trigger_id is not None:
            await asyncio.sleep(max(0.0, earliest - loop.time()))
        yield TriggerEvent(payload)
