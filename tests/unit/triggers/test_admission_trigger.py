"""The trigger that waits until a submit is admitted. What it waits for is tested in ``test_admission_queue.py``."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore
from werkzeug import Request, Response

from airflow_provider_videoretalk.airflow_adapters.metric_buffer import MetricBuffer
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, StateReadError, error_from_json
from airflow_provider_videoretalk.submission import admission_queue
from airflow_provider_videoretalk.triggers import client as trigger_client
from airflow_provider_videoretalk.triggers.admission import AdmissionTrigger
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real servers take real time, so the pauses are short."""
    monkeypatch.setattr(trigger_client, "_START_JITTER_SECONDS", 0.0)
    monkeypatch.setattr(trigger_client, "_CONNECTION_PAUSES", ())
    monkeypatch.setattr(admission_queue, "_GATHERING_SECONDS", 0.0)
    monkeypatch.setattr(admission_queue, "_SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(admission_queue, "_SECONDS_AN_ADMISSION", 0.0)


def held(**arguments: Any) -> AdmissionTrigger:
    given = {"dashscope_conn_id": "dashscope_default", "model": "videoretalk", "held_since": 1.5, "limit": 10_800.0}
    return AdmissionTrigger(**given | arguments)


async def fires(trigger: BaseTrigger) -> dict[str, Any]:
    (event,) = [event.payload async for event in trigger.run()]
    return dict(event)


class Queue:
    """A list by which jobs queue, and renders take 100 s."""

    def __init__(self, service: HTTPServer, *, queued: int) -> None:
        self.queued = queued
        service.expect_request("/api/v1/tasks").respond_with_handler(self._list)

    def _list(self, request: Request) -> Response:
        status = request.args["status"]
        times = {"start_time": 1_790_000_000_000, "end_time": 1_790_000_100_000}
        total = self.queued if status == "PENDING" else 1
        rows = [{"task_id": "t0", "status": status, **times}]
        return Response(json.dumps({"total": total, "total_page": total, "data": rows}))


def test_an_admitted_submit(service: HTTPServer, variables: TaskStateStore) -> None:
    Queue(service, queued=50)
    before = time.time()
    event = asyncio.run(fires(held()))
    assert event.keys() == {"refusals", "since", "held_since", "admitted_at"}
    assert (event["refusals"], event["held_since"]) == (0, 1.5)
    # No request was refused yet: throttle_timeout counts from the first submit.
    assert before <= event["admitted_at"] == event["since"] <= time.time()
    assert dict(variables) == {}


def test_the_end_of_a_job_of_the_account_admits(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one event loop, a trigger that waits for a job wakes the triggers that wait for their admission."""
    queue = Queue(service, queued=200)

    async def run() -> None:
        ended, asked, informed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def status(request: Request) -> Response:
            loop.call_soon_threadsafe(asked.set)
            output = {"task_id": "t1", "task_status": "FAILED" if ended.is_set() else "RUNNING"}
            return Response(json.dumps({"output": output}))

        service.expect_request("/api/v1/tasks/t1").respond_with_handler(status)
        waiting = DashScopeTaskTrigger(
            dashscope_conn_id="dashscope_default",
            dashscope_task_id="t1",
            submitted_at=time.time(),
            poll_policy={"poll_interval": 0.05},
        )
        lines: list[str] = []

        def info(text: str, *values: object) -> None:
            lines.append(text % values)
            informed.set()

        monkeypatch.setattr(AdmissionTrigger, "log", SimpleNamespace(info=info))
        rendering, admission = asyncio.create_task(fires(waiting)), asyncio.create_task(fires(held()))
        await asked.wait()
        await informed.wait()
        assert not admission.done()
        queue.queued = 50
        ended.set()
        await rendering
        # Without the end, the next look would be minutes later.
        assert "admitted_at" in await asyncio.wait_for(admission, timeout=60)
        assert len(lines) == 1
        assert lines[0].startswith("Held back, nothing is submitted: 201 render jobs are in the account's queue and 0 ")

    asyncio.run(run())


def test_a_deadline_ends_the_wait_without_an_admission(service: HTTPServer) -> None:
    Queue(service, queued=200)
    event = asyncio.run(fires(held(deadline=time.time() + 0.5)))
    assert event.keys() == {"refusals", "since", "held_since"}


def test_nothing_is_admitted_after_the_deadline(service: HTTPServer) -> None:
    Queue(service, queued=0)
    event = asyncio.run(fires(held(deadline=time.time() - 1)))
    assert event.keys() == {"refusals", "since", "held_since"}
    assert not service.log


def test_a_submit_that_is_held_back_is_counted_while_it_waits(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch, buffer: MetricBuffer, gauges: list[tuple[str, float, str]]
) -> None:
    Queue(service, queued=200)

    async def run() -> None:
        informed = asyncio.Event()
        monkeypatch.setattr(AdmissionTrigger, "log", SimpleNamespace(info=lambda *_: informed.set()))
        waiting = asyncio.create_task(fires(held()))
        await informed.wait()
        buffer.send()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(run())
    buffer.send()
    assert gauges == [
        ("waiting_for_admission", 1, "dashscope_default"),
        ("waiting_for_admission", 0, "dashscope_default"),
    ]


def test_a_long_job_is_held_back_behind_a_shorter_queue(service: HTTPServer) -> None:
    """Its own render has to end in time, too."""
    Queue(service, queued=50)
    event = asyncio.run(fires(held(expected_seconds=1_200.0, deadline=time.time() + 0.5)))
    assert "admitted_at" not in event


@pytest.mark.parametrize(
    ("damaged", "kind", "message"),
    [
        # Another version may store its arguments otherwise.
        ({"version": 2, "held_since": None}, StateReadError, "have version 2, allowed is 1"),
        ({"held_since": None}, StateReadError, "trigger's arguments cannot be read: held_since is of type NoneType"),
        ({"limit": "long"}, StateReadError, "limit is of type str"),
        ({"dashscope_conn_id": "none"}, ConfigurationError, "there is no connection 'none'"),
    ],
    ids=str,
)
def test_what_cannot_be_waited_for_fails_its_own_task(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch, damaged: dict[str, Any], kind: type[Exception], message: str
) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    event = asyncio.run(fires(held(**damaged)))
    with pytest.raises(kind, match=message):
        raise error_from_json(event["error"])
    assert not service.log


def test_a_killed_trigger_leaves_nothing(
    service: HTTPServer, variables: TaskStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    Queue(service, queued=200)

    async def run() -> None:
        informed = asyncio.Event()
        monkeypatch.setattr(AdmissionTrigger, "log", SimpleNamespace(info=lambda *_: informed.set()))
        waiting = asyncio.create_task(fires(held()))
        await informed.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
    assert dict(variables) == {}
