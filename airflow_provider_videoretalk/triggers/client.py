"""How triggers get the client of their connection, without a stop of the triggerer's event loop."""

from __future__ import annotations

import asyncio
import importlib
import random
from types import ModuleType
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_videoretalk.airflow_adapters.job_history_writer import task_instance_name
from airflow_provider_videoretalk.dashscope.errors import DashScopeError

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_videoretalk.dashscope.async_client import AsyncClient
    from airflow_provider_videoretalk.polling.progress_log import Log

# Seconds between attempts to read the connection. Their sum is longer than an API server takes to restart.
_CONNECTION_PAUSES = (1, 2, 4, 8, 16, 32, 64)

_START_JITTER_SECONDS = 0.5

# These load requests and aiohttp, which takes about 0.2 s. They are loaded on a thread, not on the event loop.
_HEAVY_MODULES = (
    "airflow_provider_videoretalk.dashscope.async_client",
    "airflow_provider_videoretalk.hooks.dashscope",
    "airflow_provider_videoretalk.polling.poller",
    "airflow_provider_videoretalk.submission.admission_queue",
)

_LOADED: list[ModuleType] = []


async def prepare() -> None:
    """Spreads the first steps of triggers that start together, and loads what they need.

    A triggerer starts thousands of triggers at once, and their first steps would block its event loop together.
    """
    await asyncio.sleep(random.uniform(0, _START_JITTER_SECONDS))
    if not _LOADED:
        await asyncio.to_thread(_load_heavy_modules)


async def client_of(dashscope_conn_id: str, *, log: Log) -> AsyncClient:
    """A client for the connection, which is read again for about two minutes if Airflow does not return it.

    :raises ConfigurationError: the connection is not usable
    """
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

    hook = DashScopeHook(dashscope_conn_id)
    for pause in _CONNECTION_PAUSES:
        try:
            return await hook.get_async_client()
        except Exception as error:
            if isinstance(error, DashScopeError) and not isinstance(error.__cause__, AirflowNotFoundException):
                raise
            # While its API server restarts, Airflow reports every connection as missing. The paid job goes on.
            log.warning("The connection %r cannot be read. Trying again in %s s: %s", dashscope_conn_id, pause, error)
            await asyncio.sleep(pause)
    return await hook.get_async_client()


def task_instance_of(trigger: BaseTrigger) -> str:
    """``dag_id/run_id/task_id/map_index`` of the task instance that Airflow gives to a trigger; empty without one."""
    try:
        return task_instance_name(trigger.task_instance)
    except AttributeError:
        # dag.test() gives none.
        return ""


def _load_heavy_modules() -> None:
    _LOADED[:] = [importlib.import_module(name) for name in _HEAVY_MODULES]
