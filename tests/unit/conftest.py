"""A scripted service, for replies that the emulator never gives, and a task's context without Airflow's database."""

from __future__ import annotations

import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from connections import connect
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore
from unknown_jobs import know_no_job

from airflow_provider_videoretalk.airflow_adapters import url_masking, variable_store
from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.outbound.read_budget import OutOfReachError


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


class OutletEvents:
    """By name: on Airflow 3.1 an alias has no hash."""

    def __init__(self) -> None:
        self._events: dict[str, OutletEvent] = defaultdict(OutletEvent)

    def __getitem__(self, outlet: Any) -> OutletEvent:
        return self._events[outlet.name]


_REFUSALS = (errors.InputError, errors.ConfigurationError, errors.TransportError, errors.ChangedInputError)
_ROOMS = re.compile(r"airflow_provider_videoretalk\.(operators|publishing|sensors|submission|triggers)\.")


@pytest.fixture(autouse=True)
def every_refusal_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test does: an error that is made where jobs are submitted and published has a remedy."""
    bare: list[str] = []
    init = errors.DashScopeError.__init__

    def noted(error: errors.DashScopeError, message: str, **fields: Any) -> None:
        init(error, message, **fields)
        maker = sys._getframe(1).f_globals.get("__name__", "")
        # Nobody reads that bytes are out of reach: it is caught.
        is_refusal = isinstance(error, _REFUSALS) and not isinstance(error, OutOfReachError)
        if is_refusal and not error.remedy and _ROOMS.match(maker):
            bare.append(f"{maker}: {message}")

    monkeypatch.setattr(errors.DashScopeError, "__init__", noted)
    yield
    assert bare == []


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
    """An HTTP server that ``dashscope_default`` points at, under ``/api/v1``. It knows no job whose id is a UUID."""
    know_no_job(httpserver)
    connect(monkeypatch, host=httpserver.url_for("/api/v1"), queries_per_second=1000)
    return httpserver


@pytest.fixture
def in_shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's time zone is not UTC."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The secrets of URLs that Airflow was asked to mask."""
    secrets: list[str] = []
    monkeypatch.setattr(url_masking, "mask_secret", secrets.extend)
    return secrets
