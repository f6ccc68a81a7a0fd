from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.module_loading import import_string
from airflow.triggers.base import BaseTrigger, TriggerEvent
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_provider_videoretalk.dashscope.client import AsyncClient
from airflow_provider_videoretalk.dashscope.errors import AccessError, ConfigurationError, QueueTimeoutError
from airflow_provider_videoretalk.hooks import dashscope as hook
from airflow_provider_videoretalk.triggers import dashscope
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger
from airflow_provider_videoretalk.triggers.delay import DelayTrigger
from airflow_provider_videoretalk.waiting import watcher
from airflow_provider_videoretalk.waiting.event import awaited_of, task_of

CANCEL = "/api/v1/tasks/t1/cancel"


@pytest.fixture(autouse=True)
def spread(monkeypatch: pytest.MonkeyPatch) -> float:
    """By how many seconds triggers begin apart; none of it in these tests."""
    seconds = dashscope._SPREAD_SECONDS
    monkeypatch.setattr(dashscope, "_SPREAD_SECONDS", 0.0)
    return seconds


def waiting(**arguments: Any) -> DashScopeTaskTrigger:
    given = {"dashscope_conn_id": "dashscope_default", "dashscope_task_id": "t1", "submitted_at": time.time()}
    patience = {"poll_interval": 0.05} | arguments.pop("patience", {})
    return DashScopeTaskTrigger(**given | {"patience": patience} | arguments)


async def fires(trigger: BaseTrigger) -> list[dict[str, Any]]:
    return [event.payload async for event in trigger.run()]


@pytest.mark.parametrize(
    "trigger",
    [
        waiting(submitted_at=1.5, request_id="r", patience={"poll_interval": 15.0, "deadline": None}),
        waiting(expected_seconds=12.5),
        DelayTrigger(moment=1.5, note={"refusals": 2, "since": 1.0}),
    ],
)
def test_survives_airflows_serialisation(trigger: BaseTrigger) -> None:
    path, arguments = trigger.serialize()
    again = import_string(path)(**Trigger._decrypt_kwargs(Trigger.encrypt_kwargs(arguments)))
    assert type(again) is type(trigger)
    assert again.serialize() == trigger.serialize()


def test_fires_once_when_the_task_ended(service: HTTPServer) -> None:
    body = {"request_id": "r", "output": {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "http://r/1.mp4"}}
    service.expect_request("/api/v1/tasks/t1").respond_with_json(body)
    (event,) = asyncio.run(fires(waiting(request_id="r-submit", quote={"currency": "CNY"})))
    assert (awaited_of(event).request_id, awaited_of(event).quote) == ("r-submit", {"currency": "CNY"})
    assert task_of(event).result_url == "http://r/1.mp4"


@pytest.mark.trap(7)
@pytest.mark.trap(9)
def test_its_event_does_not_end_the_task_and_nothing_follows_it(service: HTTPServer) -> None:
    """A task ended by its trigger emits no asset events; a trigger that lingers is killed after the success."""
    service.expect_request("/api/v1/tasks/t1").respond_with_json(
        {"output": {"task_id": "t1", "task_status": "SUCCEEDED"}}
    )

    async def run() -> None:
        events = waiting().run()
        assert type(await anext(events)) is TriggerEvent
        requests, others = len(service.log), asyncio.all_tasks()
        with pytest.raises(StopAsyncIteration):
            await anext(events)
        assert len(service.log) == requests
        assert asyncio.all_tasks() == others

    asyncio.run(run())


def test_keeps_its_task_when_airflow_hands_it_its_own(service: HTTPServer) -> None:
    """Airflow sets ``trigger.task_id`` to the Airflow task's id."""
    service.expect_request("/api/v1/tasks/t1").respond_with_json(
        {"output": {"task_id": "t1", "task_status": "SUCCEEDED"}}
    )
    trigger = waiting()
    trigger.task_instance = SimpleNamespace(task_id="retalk")  # type: ignore[assignment]
    asyncio.run(fires(trigger))
    assert [request.path for request, _ in service.log] == ["/api/v1/tasks/t1"]


def test_all_on_a_loop_share_one_watcher(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = 0
    enter = AsyncClient.__aenter__

    async def counted(client: AsyncClient) -> AsyncClient:
        nonlocal sessions
        sessions += 1
        return await enter(client)

    monkeypatch.setattr(AsyncClient, "__aenter__", counted)
    for number in range(20):
        output = {"task_id": f"t{number}", "task_status": "SUCCEEDED"}
        service.expect_request(f"/api/v1/tasks/t{number}").respond_with_json({"output": output})
    triggers = [waiting(dashscope_task_id=f"t{number}", submitted_at=0.0) for number in range(20)]

    async def run() -> list[list[dict[str, Any]]]:
        events = await asyncio.gather(*(fires(trigger) for trigger in triggers))
        assert len(asyncio.all_tasks()) == 1
        return events

    events = asyncio.run(run())
    assert [task_of(event).task_id for (event,) in events] == [f"t{number}" for number in range(20)]
    assert sessions == 1
    assert not watcher._WATCHERS


def test_those_that_begin_at_once_do_not_act_at_once(spread: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashscope, "_SPREAD_SECONDS", spread)

    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        begun = [asyncio.create_task(fires(waiting(dashscope_conn_id="none"))) for _ in range(100)]
        await asyncio.sleep(0)
        pauses = [handle.when() - loop.time() for handle in loop._scheduled]  # type: ignore[attr-defined]
        for one in begun:
            one.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        return pauses

    pauses = asyncio.run(run())
    assert len(pauses) == 100
    assert sum(pause > spread / 2 for pause in pauses) > 20


def test_a_trigger_that_is_cancelled_leaves_nothing(service: HTTPServer) -> None:
    async def run() -> None:
        loop, asked = asyncio.get_running_loop(), asyncio.Event()

        def pending(request: Request) -> Response:
            loop.call_soon_threadsafe(asked.set)
            return Response(json.dumps({"output": {"task_id": "t1", "task_status": "PENDING"}}))

        service.expect_request("/api/v1/tasks/t1").respond_with_handler(pending)
        running = asyncio.create_task(fires(waiting(submitted_at=0.0)))
        await asked.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert len(asyncio.all_tasks()) == 1
        assert not watcher._WATCHERS

    asyncio.run(run())


def test_what_is_expected_reaches_the_forecast(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"output": {"task_id": "t1", "task_status": "FAILED"}})
    asked = []
    wait = watcher.Watcher.wait

    async def spied(self: watcher.Watcher, **arguments: Any) -> Any:
        asked.append(arguments["expected_seconds"])
        return await wait(self, **arguments)

    monkeypatch.setattr(watcher.Watcher, "wait", spied)
    asyncio.run(fires(waiting(expected_seconds=12.5)))
    assert asked == [12.5]


def test_errors_that_stay_become_the_event(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"code": "InvalidApiKey", "message": "m"}, status=401)
    (event,) = asyncio.run(fires(waiting()))
    with pytest.raises(AccessError, match="InvalidApiKey"):
        task_of(event)
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    monkeypatch.setattr(dashscope, "_LOOKUP_PAUSES", (0, 0))
    (event,) = asyncio.run(fires(waiting(dashscope_conn_id="none")))
    with pytest.raises(ConfigurationError, match="there is no connection 'none'"):
        task_of(event)


def test_waits_from_the_submit_on(service: HTTPServer) -> None:
    """After a restart, too: the queue's limit counts from the submit, not from the trigger's start."""
    service.expect_oneshot_request("/api/v1/tasks/t1").respond_with_json(
        {"output": {"task_id": "t1", "task_status": "PENDING"}}
    )
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"output": {"task_id": "t1", "task_status": "FAILED"}})
    (event,) = asyncio.run(fires(waiting(submitted_at=time.time() - 50, patience={"queue_timeout": 100.0})))
    assert task_of(event).status == "FAILED"
    (event,) = asyncio.run(fires(waiting(submitted_at=time.time() - 101, patience={"queue_timeout": 100.0})))
    assert task_of(event).status == "FAILED"


def test_a_connection_that_cannot_be_looked_up_now_is_looked_up_again(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"output": {"task_id": "t1", "task_status": "FAILED"}})
    look_up = hook.get_async_connection
    # What Airflow's supervisor makes of any failure to look one up.
    failures = [RuntimeError("the API server is away"), AirflowNotFoundException("The conn_id isn't defined")]

    async def sometimes(*arguments: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return await look_up(*arguments, **named)

    monkeypatch.setattr(hook, "get_async_connection", sometimes)
    monkeypatch.setattr(dashscope, "_LOOKUP_PAUSES", (0, 0))
    (event,) = asyncio.run(fires(waiting()))
    assert task_of(event).status == "FAILED"


def test_a_kill_that_is_none_of_its_business(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(monkeypatch, {"run": {"retalk": "success"}}, cancel_on_kill=False)
    assert not service.log


def test_its_own_deadline(service: HTTPServer) -> None:
    service.expect_request("/api/v1/tasks/t1").respond_with_json(
        {"output": {"task_id": "t1", "task_status": "PENDING"}}
    )
    (event,) = asyncio.run(fires(waiting(patience={"queue_timeout": 0.0})))
    with pytest.raises(QueueTimeoutError):
        task_of(event)


def test_delay_fires_at_its_moment() -> None:
    assert asyncio.run(fires(DelayTrigger(moment=time.time() - 5, note={"refusals": 1}))) == [{"refusals": 1}]


def killed(monkeypatch: pytest.MonkeyPatch, states: dict[str, Any], **arguments: Any) -> None:
    """Kills a waiting trigger whose task instance Airflow's database knows as ``states``."""

    def get_task_states(**asked: Any) -> dict[str, Any]:
        assert asked == {"dag_id": "d", "task_ids": ["retalk"], "run_ids": ["run"], "map_index": 3}
        return states

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(get_task_states))
    trigger = waiting(**arguments)
    trigger.task_instance = SimpleNamespace(  # type: ignore[assignment]
        task_id="retalk", dag_id="d", run_id="run", map_index=3
    )

    async def kill() -> None:
        await trigger.on_kill()

    asyncio.run(kill())


@pytest.mark.parametrize("state", ["failed", "success", "skipped", "removed", "upstream_failed"])
def test_a_kill_that_ends_the_task_instance_cancels(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    service.expect_request(CANCEL, method="POST").respond_with_json({"request_id": "c"})
    killed(monkeypatch, {"run": {"retalk": state}})
    assert [request.path for request, _ in service.log] == [CANCEL]


def test_a_deleted_run_cancels(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    service.expect_request(CANCEL, method="POST").respond_with_json({"request_id": "c"})
    killed(monkeypatch, {})
    assert [request.path for request, _ in service.log] == [CANCEL]


@pytest.mark.trap(2)
@pytest.mark.trap(3)
@pytest.mark.parametrize("state", ["deferred", "running", "queued", "scheduled", "restarting", "up_for_retry", None])
def test_a_kill_after_which_somebody_comes_back_cancels_nothing(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    killed(monkeypatch, {"run": {"retalk": state}})
    assert not service.log


@pytest.mark.trap(1)
def test_a_kill_outlives_its_own_cancellation(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow cancels ``on_kill`` itself about a second after it called it."""
    service.expect_request(CANCEL, method="POST").respond_with_json({"request_id": "c"})
    asked = asyncio.Event()
    go_on = asyncio.Event()
    trigger = waiting()

    async def state() -> str:
        asked.set()
        await go_on.wait()
        return "failed"

    monkeypatch.setattr(trigger, "_task_instance_state", state)

    async def kill() -> None:
        killing = asyncio.create_task(trigger.on_kill())
        await asked.wait()
        killing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killing
        go_on.set()
        await asyncio.gather(*dashscope._LAST_ACTS)

    asyncio.run(kill())
    assert [request.path for request, _ in service.log] == [CANCEL]
