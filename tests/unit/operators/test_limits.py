"""Each limit holds on a worker, whatever the service does: real sockets that hang, drip, or answer nonsense.

``pytest tests/unit/operators/test_limits.py tests/unit/polling/test_limits.py -v`` prints the table of the limits, the
service's misbehaviours, and the places where a task waits.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout
from connections import connect
from misbehaviour import MISBEHAVIOURS, misbehaving, whole

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor

NOT_PENDING = whole(b"400 Bad Request", b'{"code": "UnsupportedOperation", "message": "not PENDING"}')


def operator(**arguments: Any) -> VideoRetalkOperator:
    given = {"video_url": "https://h/a.mp4", "audio_url": "https://h/a.wav", "preflight": "off", "deferrable": False}
    return VideoRetalkOperator(task_id="retalk", **given | arguments)


def awaited() -> AwaitedJob:
    return AwaitedJob(task_id="t1", submitted_at=time.time())


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_queue_timeout_holds_on_a_worker(monkeypatch: pytest.MonkeyPatch, context: dict[str, Any], name: str) -> None:
    cancel = MISBEHAVIOURS[name if name in ("never answers", "drips") else "503, Retry-After 1e9"]
    with misbehaving(MISBEHAVIOURS[name], cancel=cancel) as port:
        connect(monkeypatch, host=f"http://127.0.0.1:{port}/api/v1", queries_per_second=1000)
        with pytest.raises(errors.QueueTimeoutError) as caught:
            operator(queue_timeout=1)._await(context, awaited())
    assert "no query of its status was answered" in str(caught.value)
    assert "may run and be billed" in str(caught.value)


@pytest.mark.parametrize("name", ["never answers", "503, Retry-After 1e9", "UNKNOWN"])
def test_a_broken_status_route_does_not_hold_a_worker_beyond_render_timeout(
    monkeypatch: pytest.MonkeyPatch, context: dict[str, Any], name: str
) -> None:
    """The cancel says that the render has begun, so it is waited for, but no longer than a render may take."""
    with misbehaving(MISBEHAVIOURS[name], cancel=NOT_PENDING) as port:
        connect(monkeypatch, host=f"http://127.0.0.1:{port}/api/v1", queries_per_second=1000)
        with pytest.raises(errors.RenderTimeoutError, match="no query of its status was answered"):
            operator(queue_timeout=1, render_timeout=2)._await(context, awaited())


class TaskInstance:
    def get_first_reschedule_date(self, context: Any) -> None:
        return None


@pytest.mark.parametrize(
    ("mode", "name"),
    [*(("poke", name) for name in MISBEHAVIOURS), ("reschedule", "never answers"), ("reschedule", "403")],
)
def test_timeout_of_a_sensor_holds_on_a_worker(monkeypatch: pytest.MonkeyPatch, mode: str, name: str) -> None:
    with misbehaving(MISBEHAVIOURS[name]) as port:
        connect(monkeypatch, host=f"http://127.0.0.1:{port}/api/v1", queries_per_second=1000)
        sensor = DashScopeTaskSensor(task_id="s", dashscope_task_id="t1", mode=mode, timeout=0, poke_interval=1)
        with pytest.raises(AirflowSensorTimeout, match="no query of its status was answered"):
            sensor.execute({"ti": TaskInstance()})


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
