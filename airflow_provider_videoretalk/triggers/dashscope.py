"""Waits on the triggerer for a DashScope task to end."""

from __future__ import annotations

import asyncio
import importlib
import random
from collections.abc import AsyncIterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_videoretalk.audit import note_spend
from airflow_provider_videoretalk.task_state import OVER, state_of
from airflow_provider_videoretalk.waiting.steps import reached

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.client import AsyncClient
    from airflow_provider_videoretalk.dashscope.errors import DashScopeError
    from airflow_provider_videoretalk.dashscope.task import Task

# Airflow cancels on_kill after about a second; work that must go on is held here and shielded.
_LAST_ACTS: set[asyncio.Task[None]] = set()

# Seconds between looking up the connection again; together longer than an API server takes to restart.
_LOOKUP_PAUSES = (1, 2, 4, 8, 16, 32, 64)

_SPREAD_SECONDS = 0.5

_LATE_IMPORTS = ("airflow_provider_videoretalk.hooks.dashscope", "airflow_provider_videoretalk.waiting.watcher")

_IMPORTED: list[ModuleType] = []


class DashScopeTaskTrigger(BaseTrigger):
    """Fires once, when a DashScope task ended, timed out, or can't be asked for any more.

    Its arguments, which Airflow stores in clear text, name a connection and a task; nothing in them is secret. The
    event's payload is read by :func:`airflow_provider_videoretalk.waiting.event.task_of`.

    :param dashscope_conn_id: the connection
    :param dashscope_task_id: DashScope's id of the task (Airflow itself sets a trigger's ``task_id``)
    :param submitted_at: when the task was submitted, in seconds since the epoch; 0 where that is not known
    :param request_id: the submit's request id, handed through to the event
    :param cancel_on_kill: whether to cancel the task, if it is still queued, when somebody ends the task instance
    :param patience: the fields of :class:`~airflow_provider_videoretalk.waiting.patience.Patience`
    :param expected_seconds: of output, where they are known
    :param quote: handed through to the event, like the request id
    """

    def __init__(
        self,
        *,
        dashscope_conn_id: str,
        dashscope_task_id: str,
        submitted_at: float = 0.0,
        request_id: str | None = None,
        patience: dict[str, Any] | None = None,
        cancel_on_kill: bool = True,
        expected_seconds: float | None = None,
        quote: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.dashscope_conn_id = dashscope_conn_id
        self.dashscope_task_id = dashscope_task_id
        self.submitted_at = submitted_at
        self.request_id = request_id
        self.patience = patience or {}
        self.cancel_on_kill = cancel_on_kill
        self.expected_seconds = expected_seconds
        self.quote = dict(quote or {})

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {
            "dashscope_conn_id": self.dashscope_conn_id,
            "dashscope_task_id": self.dashscope_task_id,
            "submitted_at": self.submitted_at,
            "request_id": self.request_id,
            "patience": self.patience,
            "cancel_on_kill": self.cancel_on_kill,
        }
        if self.expected_seconds is not None:
            arguments["expected_seconds"] = self.expected_seconds
        if self.quote:
            arguments["quote"] = self.quote
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # A triggerer begins thousands in one go, and would stand still for what each of them does first.
        await asyncio.sleep(random.uniform(0, _SPREAD_SECONDS))
        # The first imports in a triggerer take a fifth of a second, which the event loop must not stand still for.
        if not _IMPORTED:
            await asyncio.to_thread(_import)
        reached("in_trigger")
        yield TriggerEvent(await self._wait())

    async def on_kill(self) -> None:
        """Cancels the task if it is still queued, and if nobody else will come back for it."""
        if not self.cancel_on_kill:
            return
        last_act = asyncio.create_task(self._cancel())
        _LAST_ACTS.add(last_act)
        last_act.add_done_callback(_LAST_ACTS.discard)
        await asyncio.shield(last_act)

    async def _wait(self) -> dict[str, Any]:
        from airflow_provider_videoretalk.dashscope.errors import DashScopeError
        from airflow_provider_videoretalk.waiting.event import Awaited, event_of
        from airflow_provider_videoretalk.waiting.narrator import Narrator
        from airflow_provider_videoretalk.waiting.patience import Patience
        from airflow_provider_videoretalk.waiting.watcher import watching

        awaited = Awaited(
            task_id=self.dashscope_task_id,
            request_id=self.request_id,
            submitted_at=self.submitted_at,
            expected_seconds=self.expected_seconds,
            quote=self.quote,
        )
        outcome: Task | DashScopeError
        try:
            endpoint = (await self._client()).endpoint
            async with watching(endpoint) as watcher:
                outcome = await watcher.wait(
                    task_id=self.dashscope_task_id,
                    submitted_at=self.submitted_at,
                    patience=Patience(**self.patience),
                    news=Narrator(self.log),
                    expected_seconds=self.expected_seconds,
                )
        except DashScopeError as error:
            outcome = error
        return event_of(outcome, awaited)

    async def _client(self) -> AsyncClient:
        from airflow.providers.common.compat.sdk import AirflowNotFoundException

        from airflow_provider_videoretalk.dashscope.errors import DashScopeError
        from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

        hook = DashScopeHook(self.dashscope_conn_id)
        for pause in _LOOKUP_PAUSES:
            try:
                return await hook.get_async_client()
            except Exception as error:
                if isinstance(error, DashScopeError) and not isinstance(error.__cause__, AirflowNotFoundException):
                    raise
                # Airflow's own API may be away for a while, which it calls a connection that is not there; the paid
                # task runs on meanwhile.
                self.log.warning("The connection can't be looked up, trying again in %s s: %s", pause, error)
                await asyncio.sleep(pause)
        return await hook.get_async_client()

    async def _cancel(self) -> None:
        from airflow_provider_videoretalk.waiting.cancel import cancel_async

        state = await self._task_instance_state()
        if state not in OVER:
            # A triggerer that stalled is told to kill what another one waits for by now, and a clear brings a new try.
            self.log.info("DashScope task %s is left alone: the task instance is %s", self.dashscope_task_id, state)
            return
        async with await self._client() as client:
            cancellation = await cancel_async(client, self.dashscope_task_id, expected_seconds=self.expected_seconds)
        note_spend(self.log, "cancel", self.dashscope_task_id, cancellation.sentence)

    async def _task_instance_state(self) -> str | None:
        from asgiref.sync import sync_to_async

        return await sync_to_async(state_of)(self.task_instance) if self.task_instance else None


def _import() -> None:
    _IMPORTED[:] = [importlib.import_module(name) for name in _LATE_IMPORTS]
