"""Waits for one task: asks, sleeps as the schedule says, and returns the task once it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from airflow_provider_videoretalk.dashscope.client import AsyncClient, Client
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import Task, get_task
from airflow_provider_videoretalk.waiting.schedule import Schedule

News = Callable[[Task | DashScopeError], None]
"""Told whatever each query brought."""


def watch(
    client: Client,
    task_id: str,
    schedule: Schedule,
    *,
    news: News,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Task:
    """Blocks until the task ended.

    :raises TaskTimeoutError: the schedule's limits were reached
    :raises DashScopeError: asking again can't help
    """
    while True:
        try:
            task = client.send(get_task(task_id))
        except DashScopeError as error:
            news(error)
            delay = schedule.after_error(error, now=clock())
        else:
            news(task)
            pause = schedule.after_news(task, now=clock())
            if pause is None:
                return task
            delay = pause
        sleep(delay)


async def watch_async(
    client: AsyncClient,
    task_id: str,
    schedule: Schedule,
    *,
    news: News,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Task:
    """:func:`watch` on an event loop."""
    while True:
        try:
            task = await client.send(get_task(task_id))
        except DashScopeError as error:
            news(error)
            delay = schedule.after_error(error, now=clock())
        else:
            news(task)
            pause = schedule.after_news(task, now=clock())
            if pause is None:
                return task
            delay = pause
        await sleep(delay)


class Log(Protocol):
    """What a narrator needs of a logger; the standard library's and Airflow's both have it."""

    def info(self, message: str, /, *args: Any) -> Any: ...

    def warning(self, message: str, /, *args: Any) -> Any: ...


class Narrator:
    """Tells a log what changed: each stage once, each kind of error once in a row."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._last = ""

    def __call__(self, news: Task | DashScopeError) -> None:
        subject = type(news).__name__ if isinstance(news, DashScopeError) else news.stage
        if subject == self._last:
            return
        self._last = subject
        if isinstance(news, DashScopeError):
            self._log.warning("The query failed, the task is asked for again: %s", news)
        else:
            self._log.info("Task %s is %s", news.task_id, news.stage)
