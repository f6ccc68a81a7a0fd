"""Waits on the triggerer until a throttled submit may be tried again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class DelayTrigger(BaseTrigger):
    """Fires at a moment, and hands its ``note`` to the task: ``dag.test()`` keeps nothing else of a deferral.

    :param moment: seconds since the epoch
    :param note: JSON-safe, the event's payload
    """

    def __init__(self, *, moment: float, note: dict[str, Any]) -> None:
        super().__init__()
        self.moment = moment
        self.note = note

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {"moment": self.moment, "note": self.note}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.sleep(max(0.0, self.moment - time.time()))
        yield TriggerEvent(self.note)
