"""What DashScope says now. Each answer is kept for some seconds, so that any number of open pages cost one query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cachetools import TTLCache, cached

from airflow_provider_videoretalk.dashscope.task import Task, TaskStatus, get_task, list_tasks
from airflow_provider_videoretalk.limits import TASK_SECONDS

if TYPE_CHECKING:
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

_KEPT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Account:
    """How many tasks of an account queue and render, whoever submitted them."""

    waiting: int
    rendering: int

    @property
    def rounds(self) -> float:
        """How many renders, one after the other, do all of them, as many side by side as now."""
        return (self.waiting + self.rendering) / max(self.rendering, 1)


@cached(TTLCache(maxsize=512, ttl=_KEPT_SECONDS), lock=Lock())
def task_now(conn_id: str, task_id: str) -> Task | None:
    """How a task stands; ``None`` where the service, or the way to it, does not say. Blocks."""
    try:
        return _hook(conn_id).client.send(get_task(task_id))
    except Exception:
        # Also where this process has no such connection: the page then tells what Airflow knows.
        return None


@cached(TTLCache(maxsize=16, ttl=_KEPT_SECONDS), lock=Lock())
def account_now(conn_id: str) -> Account | None:
    """How full an account's queue is; ``None`` where there is no list. Blocks."""
    try:
        hook = _hook(conn_id)
        return Account(waiting=_count(hook, "PENDING"), rendering=_count(hook, "RUNNING"))
    except Exception:
        return None


@cached(TTLCache(maxsize=16, ttl=60.0), lock=Lock())
def host_of(conn_id: str) -> str | None:
    """Host and port of a connection's endpoint, ``None`` where there is no such connection."""
    try:
        return urlsplit(_hook(conn_id).endpoint.base_url).netloc
    except Exception:
        return None


def _hook(conn_id: str) -> DashScopeHook:
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

    return DashScopeHook(conn_id)


def _count(hook: DashScopeHook, status: TaskStatus) -> int:
    since = datetime.now(timezone.utc) - timedelta(seconds=TASK_SECONDS)
    return hook.client.send(list_tasks(status=status, since=since, page_size=1)).total
