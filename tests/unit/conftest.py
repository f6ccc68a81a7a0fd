"""A scripted service, for replies that the emulator never gives, and a task's context without Airflow's database."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from connections import connect
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore

from airflow_provider_videoretalk import variable_store


class TaskInstance:
    """The part of a running task instance that the operators use."""

    dag_id, task_id, run_id, map_index, max_tries = "dag", "retalk", "run", -1, 0

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


class OutletEvent:
    def __init__(self) -> None:
        self.extra: dict[str, Any] = {}
        self.added: list[tuple[str, dict[str, Any]]] = []

    def add(self, asset: Any, *, extra: dict[str, Any]) -> None:
        self.added.append((asset.uri, extra))


class OutletEvents(dict[Any, OutletEvent]):
    def __missing__(self, outlet: Any) -> OutletEvent:
        return self.setdefault(outlet, OutletEvent())


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> TaskStateStore:
    """Airflow's Variables, without Airflow."""
    store = TaskStateStore()
    monkeypatch.setattr(variable_store, "VariableStore", lambda: store)
    return store


@pytest.fixture
def context() -> dict[str, Any]:
    return {
        "ti": TaskInstance(),
        "dag_run": SimpleNamespace(clear_number=0),
        "outlet_events": OutletEvents(),
        "task_state_store": TaskStateStore(),
    }


@pytest.fixture
def service(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """An HTTP server that ``dashscope_default`` points at, under ``/api/v1``."""
    connect(monkeypatch, host=httpserver.url_for("/api/v1"), queries_per_second=1000)
    return httpserver
