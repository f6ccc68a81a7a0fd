"""Waits on the triggerer for a DashScope task to end."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.client import AsyncClient
    from airflow_provider_videoretalk.dashscope.errors import DashScopeError
    from airflow_provider_videoretalk.dashscope.task import Task

# States of a task instance in which nobody will come back for the DashScope task.
_OVER = frozenset({"failed", "success", "skipped", "removed", "upstream_failed"})

# Airflow cancels on_kill after about a second; work that must go on is held here and shielded.
_LAST_ACTS: set[asyncio.Task[None]] = set()


class DashScopeTaskTrigger(BaseTrigger):
    """Fires once, when a DashScope task ended, timed out, or can't be asked for any more.

    Its arguments, which Airflow stores in clear text, name a connection and a task; nothing in them is secret. The
    event's payload is read by :func:`airflow_provider_videoretalk.waiting.event.task_of`.

    :param dashscope_conn_id: the connection
    :param dashscope_task_id: DashScope's id of the task (Airflow itself sets a trigger's ``task_id``)
    :param submitted_at: when the task was submitted, in seconds since the epoch; 0 where that is not known
    :param request_id: the submit's request id, handed through to the event
    :param patience: the fields of :class:`~airflow_provider_videoretalk.waiting.schedule.Patience`
    """

    def __init__(
        self,
        *,
        dashscope_conn_id: str,
        dashscope_task_id: str,
        submitted_at: float = 0.0,
        request_id: str | None = None,
        patience: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.dashscope_conn_id = dashscope_conn_id
        self.dashscope_task_id = dashscope_task_id
        self.submitted_at = submitted_at
        self.request_id = request_id
        self.patience = patience or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "dashscope_conn_id": self.dashscope_conn_id,
            "dashscope_task_id": self.dashscope_task_id,
            "submitted_at": self.submitted_at,
            "request_id": self.request_id,
            "patience": self.patience,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # The first import in a triggerer takes a fifth of a second, which the event loop must not stand still for.
        await asyncio.to_thread(importlib.import_module, "airflow_provider_videoretalk.hooks.dashscope")
        yield TriggerEvent(await self._wait())

    async def on_kill(self) -> None:
        """Cancels the task if it is still queued, and if nobody else will come back for it."""
        last_act = asyncio.create_task(self._cancel())
        _LAST_ACTS.add(last_act)
        last_act.add_done_callback(_LAST_ACTS.discard)
        await asyncio.shield(last_act)

    async def _wait(self) -> dict[str, Any]:
        from airflow_provider_videoretalk.dashscope.errors import DashScopeError
        from airflow_provider_videoretalk.waiting.event import event_of
        from airflow_provider_videoretalk.waiting.schedule import Patience, Schedule
        from airflow_provider_videoretalk.waiting.watcher import Narrator, watch_async

        task_id = self.dashscope_task_id
        schedule = Schedule(task_id=task_id, patience=Patience(**self.patience), submitted_at=self.submitted_at)
        outcome: Task | DashScopeError
        try:
            async with await self._client() as client:
                outcome = await watch_async(client, task_id, schedule, news=Narrator(self.log))
        except DashScopeError as error:
            outcome = error
        return event_of(outcome, task_id=task_id, request_id=self.request_id)

    async def _client(self) -> AsyncClient:
        from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

        return await DashScopeHook(self.dashscope_conn_id).get_async_client()

    async def _cancel(self) -> None:
        from airflow_provider_videoretalk.waiting.cancel import cancel_async

        state = await self._task_instance_state()
        if state not in _OVER:
            # A triggerer that stalled is told to kill what another one waits for by now, and a clear brings a new try.
            self.log.info("DashScope task %s is left alone: the task instance is %s", self.dashscope_task_id, state)
            return
        async with await self._client() as client:
            self.log.warning(await cancel_async(client, self.dashscope_task_id))

    async def _task_instance_state(self) -> str | None:
        """The task instance's state in the metadata database; ``removed`` where its run is gone."""
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
        from asgiref.sync import sync_to_async

        ti = self.task_instance
        if ti is None:
            return None
        states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
            dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
        )
        # Mapped task instances come under their own key, all others under the task's id.
        found = list(states.get(ti.run_id, {}).values())
        return found[0] if found else "removed"
