"""Waits on the triggerer until a request may be sent again."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import StateReadError
from airflow_provider_videoretalk.polling.trigger_event import VERSION, check_version
from airflow_provider_videoretalk.triggers.single_event import SingleEventTrigger


class RetryLaterTrigger(SingleEventTrigger):
    """Fires once, at a given time or later.

    The event's payload is ``note``, as ``dag.test()`` keeps nothing else of a deferral. Arguments that
    this release does not know are ignored.

    :param moment: When to fire, in seconds since the epoch.
    :param note: JSON-safe values.
    :param version: The version of these arguments. If it is not 1, the payload is ``{"error": ...}`` with a
        :class:`~airflow_provider_videoretalk.dashscope.errors.StateReadError`.
    """

    def __init__(self, *, moment: float, note: dict[str, Any], version: int = VERSION, **_: Any) -> None:
        super().__init__()
        self.moment = moment
        self.note = note
        self.version = version

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {"moment": self.moment, "note": self.note, "version": self.version}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def wait(self) -> dict[str, Any]:
        try:
            check_version(self.version)
        except StateReadError as error:
            return {"error": error.to_json()}
        await asyncio.sleep(max(0.0, self.moment - time.time()))
        return self.note
