"""What people wait with today, as triggers: the base lines.

Each begins at a random moment of its first interval. Else all would ask in step, at the same moment of each interval.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from airflow.providers.common.compat.sdk import AirflowException
from airflow.providers.http.hooks.http import HttpAsyncHook
from airflow.providers.http.triggers.http import HttpSensorTrigger
from airflow.triggers.base import BaseTrigger, TriggerEvent

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN")
POLL_SECONDS = 15.0
"""The vendor's recommendation."""

SDK_SECONDS = 5.0
"""The longest pause between two queries of the vendor's SDK."""


async def begin(key: str, *, within: float) -> None:
    """Waits until the random moment at which this trigger begins, the same in each run.

    :param key: of its task
    """
    await asyncio.sleep(random.Random(key).uniform(0.0, within))


class _Trigger(BaseTrigger):
    """A trigger whose arguments are its attributes; its event is the task's last status."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", self.arguments


class SleepTrigger(_Trigger):
    """Asks nobody, and fires after ``seconds``: what a trigger costs Airflow in any case."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.sleep(self.arguments["seconds"])
        yield TriggerEvent("SUCCEEDED")


class FixedPollTrigger(_Trigger):
    """Asks every 15 s, and goes on after any error."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await begin(self.arguments["url"], within=POLL_SECONDS)
        headers = {"Authorization": f"Bearer {self.arguments['api_key']}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            status = await self._status(session)
            # Nothing tells when it ends: that is what is measured.
            while status not in ENDED:
                await asyncio.sleep(POLL_SECONDS)
                status = await self._status(session)
        yield TriggerEvent(status)

    async def _status(self, session: aiohttp.ClientSession) -> str:
        try:
            async with session.get(self.arguments["url"], raise_for_status=True) as response:
                return str((await response.json())["output"]["task_status"])
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            return str(error)


class StatusHook(HttpAsyncHook):
    """Makes the 404 that providers-http waits on out of a task that has not ended: the service answers 200."""

    async def run(self, *args: Any, **kwargs: Any) -> aiohttp.ClientResponse:
        response = await super().run(*args, **kwargs)
        if (await response.json())["output"]["task_status"] not in ENDED:
            raise AirflowException("404: the task has not ended")
        return response


class StatusSensorTrigger(HttpSensorTrigger):
    """providers-http's deferrable sensor as it is, but for the check of the body.

    The sensor itself does not defer where it has a ``response_check``.
    """

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", super().serialize()[1]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await begin(str(self.endpoint), within=self.poke_interval)
        async for event in super().run():
            yield event

    def _get_async_hook(self) -> HttpAsyncHook:
        return StatusHook(method=self.method, http_conn_id=self.http_conn_id)


class VendorSdkTrigger(_Trigger):
    """The wait of the vendor's SDK."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from dashscope.aigc.video_synthesis import AioVideoSynthesis

        await begin(self.arguments["task_id"], within=SDK_SECONDS)
        reply = await AioVideoSynthesis.wait(self.arguments["task_id"], api_key=self.arguments["api_key"])
        yield TriggerEvent(reply.output["task_status"] if reply.status_code == 200 else reply.code)
