"""Waits on this thread for one task: asks, sleeps as the schedule says, and returns the task once it ended."""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.task import Task, get_task
from airflow_provider_videoretalk.waiting.narrator import News
from airflow_provider_videoretalk.waiting.schedule import Schedule


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
            now = clock()
            pause = schedule.after_news(task, now=now)
            news(schedule.progress(task.stage, now=now))
            if pause is None:
                return task
            delay = pause
        sleep(delay)
