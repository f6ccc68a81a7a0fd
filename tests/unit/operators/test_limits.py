"""Each limit holds on a worker, whatever the service does: real sockets that hang, drip, or answer nonsense.

``pytest tests/unit/operators/test_limits.py tests/unit/polling/test_limits.py -v`` prints the table of the limits, the
service's misbehaviours, and the places where a task waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_all
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout
from connections import connect
from misbehaviour import MISBEHAVIOURS, Serve, misbehaving, whole
from state_store import TaskStateStore

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor

NOT_PENDING = whole(b"400 Bad Request", b'{"code": "UnsupportedOperation", "message": "not PENDING"}')
"""The answer to a cancel that says that the render has begun."""

QUEUE, RENDER, POKE, RESCHEDULE = "queue_timeout", "render_timeout", "timeout, poke", "timeout, reschedule"

CASES = [
    *((QUEUE, name) for name in MISBEHAVIOURS),
    *((RENDER, name) for name in ("never answers", "503, Retry-After 1e9", "UNKNOWN")),
    *((POKE, name) for name in MISBEHAVIOURS),
    *((RESCHEDULE, name) for name in ("never answers", "403")),
]
"""Limits, and what the service does."""


Ends = dict[tuple[str, str], Future[None]]


class TaskInstance:
    def get_first_reschedule_date(self, context: Any) -> None:
        return None


def operator(**arguments: Any) -> VideoRetalkOperator:
    given = {"video_url": "https://h/a.mp4", "audio_url": "https://h/a.wav", "preflight": "off", "deferrable": False}
    return VideoRetalkOperator(task_id="retalk", **given | arguments)


def sensor(**arguments: Any) -> DashScopeTaskSensor:
    return DashScopeTaskSensor(task_id="s", dashscope_task_id="t1", timeout=0, poke_interval=1, **arguments)


def awaited() -> AwaitedJob:
    return AwaitedJob(task_id="t1", submitted_at=time.time())


def wait(limit: str, dashscope_conn_id: str, context: dict[str, Any]) -> None:
    """Waits until the limit ends it."""
    if limit == QUEUE:
        operator(queue_timeout=1, dashscope_conn_id=dashscope_conn_id)._await(context, awaited())
    elif limit == RENDER:
        waits = operator(queue_timeout=1, render_timeout=2, dashscope_conn_id=dashscope_conn_id)
        waits._await(context, awaited())
    else:
        mode = limit.partition(", ")[2]
        sensor(mode=mode, dashscope_conn_id=dashscope_conn_id).execute({"ti": TaskInstance()})


def cancels(limit: str, name: str) -> Serve:
    if limit == RENDER:
        return NOT_PENDING
    return MISBEHAVIOURS[name if name in ("never answers", "drips") else "503, Retry-After 1e9"]


@pytest.fixture(scope="module")
def ends() -> Iterator[Ends]:
    """The end of each wait. All wait at the same time, for they do little else."""
    context = {"dag_run": SimpleNamespace(clear_number=0), "task_state_store": TaskStateStore()}
    with ExitStack() as services, ThreadPoolExecutor(len(CASES)) as pool:
        patch = services.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(variable_store, "VariableStore", TaskStateStore)
        waits = {}
        for number, (limit, name) in enumerate(CASES):
            port = services.enter_context(misbehaving(MISBEHAVIOURS[name], cancel=cancels(limit, name)))
            connection = f"misbehaving_{number}"
            connect(patch, name=connection, host=f"http://127.0.0.1:{port}/api/v1", queries_per_second=1000)
            waits[limit, name] = pool.submit(wait, limit, connection, context | {"ti": TaskInstance()})
        wait_for_all(waits.values())
        yield waits


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_queue_timeout_holds_on_a_worker(ends: Ends, name: str) -> None:
    with pytest.raises(errors.QueueTimeoutError) as caught:
        ends[QUEUE, name].result()
    assert "no query of its status was answered" in str(caught.value)
    assert "may run and be billed" in str(caught.value)


@pytest.mark.parametrize("name", [name for limit, name in CASES if limit == RENDER])
def test_a_broken_status_route_does_not_hold_a_worker_beyond_render_timeout(ends: Ends, name: str) -> None:
    """The cancel says that the render has begun, so it is waited for, but no longer than a render may take."""
    with pytest.raises(errors.RenderTimeoutError, match="no query of its status was answered"):
        ends[RENDER, name].result()


@pytest.mark.parametrize(("mode", "name"), [case for case in CASES if case[0] in (POKE, RESCHEDULE)])
def test_timeout_of_a_sensor_holds_on_a_worker(ends: Ends, mode: str, name: str) -> None:
    with pytest.raises(AirflowSensorTimeout, match="no query of its status was answered"):
        ends[mode, name].result()


def test_a_name_that_is_not_resolved_does_not_hold_a_worker(
    monkeypatch: pytest.MonkeyPatch, context: dict[str, Any]
) -> None:
    """The system's resolver has no time-out of its own that a caller could set."""
    stop = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: stop.wait())
    connect(monkeypatch, host="http://service.example/api/v1", queries_per_second=1000)
    try:
        with pytest.raises(errors.QueueTimeoutError, match="no query of its status was answered"):
            operator(queue_timeout=1)._await(context, awaited())
    finally:
        stop.set()
