from __future__ import annotations

import asyncio
import inspect
import json
import threading
import time
from collections.abc import Callable
from pkgutil import resolve_name
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.triggers.base import BaseTrigger, TriggerEvent
from connections import connect
from pytest_httpserver import HTTPServer
from unit.polling.virtual import VirtualLoop, run
from werkzeug import Request, Response

from airflow_provider_videoretalk.airflow_adapters.metric_buffer import MetricBuffer
from airflow_provider_videoretalk.dashscope.async_client import AsyncClient
from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    ConfigurationError,
    QueueTimeoutError,
    StateReadError,
    error_from_json,
)
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.polling import account, schedule
from airflow_provider_videoretalk.polling.poller import Poller
from airflow_provider_videoretalk.polling.trigger_event import awaited_of, task_of
from airflow_provider_videoretalk.triggers import client as trigger_client
from airflow_provider_videoretalk.triggers import dashscope
from airflow_provider_videoretalk.triggers.admission import AdmissionTrigger
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger
from airflow_provider_videoretalk.triggers.retry_later import RetryLaterTrigger

CANCEL = "/api/v1/tasks/t1/cancel"


@pytest.fixture(autouse=True)
def jitter(monkeypatch: pytest.MonkeyPatch) -> float:
    """The seconds over which triggers spread their start; 0 in these tests."""
    seconds = trigger_client._START_JITTER_SECONDS
    monkeypatch.setattr(trigger_client, "_START_JITTER_SECONDS", 0.0)
    return seconds


def waiting(**arguments: Any) -> DashScopeTaskTrigger:
    given = {"dashscope_conn_id": "dashscope_default", "dashscope_task_id": "t1", "submitted_at": time.time()}
    poll_policy = {"poll_interval": 0.05} | arguments.pop("poll_policy", {})
    return DashScopeTaskTrigger(**given | {"poll_policy": poll_policy} | arguments)


def pollers() -> list[Poller]:
    """The pollers that are in use."""
    return [poller for known in account._ACCOUNTS.values() for poller in known._pollers.values()]


async def fires(trigger: BaseTrigger) -> list[dict[str, Any]]:
    return [event.payload async for event in trigger.run()]


EVERY_ARGUMENT: dict[type[BaseTrigger], dict[str, Any]] = {
    DashScopeTaskTrigger: {
        "dashscope_conn_id": "mine",
        "dashscope_task_id": "t2",
        "submitted_at": 1.5,
        "request_id": "r",
        "poll_policy": {"poll_interval": 15.0, "deadline": None},
        "cancel_on_kill": False,
        "expected_seconds": 12.5,
        "cost_estimate": {"currency": "CNY"},
        "version": 1,
    },
    AdmissionTrigger: {
        "dashscope_conn_id": "mine",
        "model": "another",
        "held_since": 1.5,
        "limit": 60.0,
        "expected_seconds": 12.5,
        "deadline": 1.0,
        "version": 1,
    },
    RetryLaterTrigger: {"moment": 1.5, "note": {"refusals": 2, "since": 1.0}, "version": 1},
}


def stored(trigger: BaseTrigger) -> tuple[str, dict[str, Any]]:
    """Path and arguments as Airflow's database returns them."""
    path, arguments = trigger.serialize()
    return path, Trigger._decrypt_kwargs(Trigger.encrypt_kwargs(arguments))


@pytest.mark.parametrize("kind", EVERY_ARGUMENT)
def test_every_argument_survives_airflows_serialisation(kind: type[BaseTrigger]) -> None:
    given = EVERY_ARGUMENT[kind]
    parameters = set(inspect.signature(kind.__init__).parameters) - {"self", "_"}
    assert set(given) == parameters
    path, arguments = stored(kind(**given))
    again = resolve_name(path)(**arguments)
    assert type(again) is kind
    assert {name: getattr(again, name) for name in given} == given


@pytest.mark.parametrize("kind", EVERY_ARGUMENT)
def test_arguments_of_a_newer_release_are_ignored(kind: type[BaseTrigger], service: HTTPServer) -> None:
    arguments = EVERY_ARGUMENT[kind] | {"a_newer_argument": {"a": 1}, "dashscope_conn_id": "dashscope_default"}
    arguments["poll_policy"] = {"poll_interval": 0.05, "a_newer_limit": 5.0}
    service.expect_request("/api/v1/tasks/t2").respond_with_json(
        {"output": {"task_id": "t2", "task_status": "SUCCEEDED", "video_url": "https://h/v.mp4"}}
    )
    (event,) = asyncio.run(fires(kind(**arguments)))
    assert "error" not in event


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_arguments_of_another_version_fail_the_task(version: Any, service: HTTPServer) -> None:
    """The triggerer would not survive an exception in ``__init__``, and the task would wait until its timeout."""
    (event,) = asyncio.run(fires(waiting(version=version)))
    with pytest.raises(StateReadError, match=f"version {version!r}, allowed is 1 in this release"):
        task_of(event)
    (event,) = asyncio.run(fires(RetryLaterTrigger(moment=time.time() + 60, note={"refusals": 1}, version=version)))
    with pytest.raises(StateReadError, match=f"version {version!r}, allowed is 1 in this release"):
        raise error_from_json(event["error"])
    assert not service.log


def test_a_damaged_poll_policy_fails_the_task(service: HTTPServer) -> None:
    (event,) = asyncio.run(fires(waiting(poll_policy={"queue_timeout": "long"})))
    with pytest.raises(StateReadError, match="poll_policy cannot be read: queue_timeout is of type str"):
        task_of(event)
    assert not service.log


def test_fires_once_when_the_task_ended(service: HTTPServer) -> None:
    body = {"request_id": "r", "output": {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "http://r/1.mp4"}}
    service.expect_request("/api/v1/tasks/t1").respond_with_json(body)
    (event,) = asyncio.run(fires(waiting(request_id="r-submit", cost_estimate={"currency": "CNY"})))
    assert (awaited_of(event).request_id, awaited_of(event).cost_estimate) == ("r-submit", {"currency": "CNY"})
    assert task_of(event).result_url == "http://r/1.mp4"


@pytest.mark.trap(7)
@pytest.mark.trap(9)
def test_its_event_does_not_end_the_task_and_is_the_last_thing(service: HTTPServer) -> None:
    """A task ended by its trigger emits no asset events; a trigger that lingers is killed after the success."""
    service.expect_request("/api/v1/tasks/t1").respond_with_json(
        {"output": {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "https://h/v.mp4"}}
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
        {"output": {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "https://h/v.mp4"}}
    )
    trigger = waiting()
    trigger.task_instance = SimpleNamespace(task_id="retalk")  # type: ignore[assignment]
    asyncio.run(fires(trigger))
    assert [request.path for request, _ in service.log] == ["/api/v1/tasks/t1"]


def test_all_on_a_loop_share_one_poller(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = 0
    enter = AsyncClient.__aenter__

    async def counted(client: AsyncClient) -> AsyncClient:
        nonlocal sessions
        sessions += 1
        return await enter(client)

    monkeypatch.setattr(AsyncClient, "__aenter__", counted)
    for number in range(20):
        output = {"task_id": f"t{number}", "task_status": "SUCCEEDED", "video_url": "https://h/v.mp4"}
        service.expect_request(f"/api/v1/tasks/t{number}").respond_with_json({"output": output})
    triggers = [waiting(dashscope_task_id=f"t{number}", submitted_at=0.0) for number in range(20)]

    async def run() -> list[list[dict[str, Any]]]:
        events = await asyncio.gather(*(fires(trigger) for trigger in triggers))
        assert len(asyncio.all_tasks()) == 1
        return events

    events = asyncio.run(run())
    assert [task_of(event).task_id for (event,) in events] == [f"t{number}" for number in range(20)]
    assert sessions == 1
    assert not pollers()


@pytest.mark.parametrize(
    "make",
    [
        lambda: waiting(dashscope_conn_id="none"),
        lambda: AdmissionTrigger(dashscope_conn_id="none", model="videoretalk", held_since=1.0, limit=60.0),
    ],
)
def test_triggers_that_start_together_act_one_after_another(
    jitter: float, monkeypatch: pytest.MonkeyPatch, make: Callable[[], BaseTrigger]
) -> None:
    monkeypatch.setattr(trigger_client, "_START_JITTER_SECONDS", jitter)

    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        begun = [asyncio.create_task(fires(make())) for _ in range(100)]
        await asyncio.sleep(0)
        pauses = [handle.when() - loop.time() for handle in loop._scheduled]  # type: ignore[attr-defined]
        for one in begun:
            one.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        return pauses

    pauses = asyncio.run(run())
    assert len(pauses) == 100
    # Within half a second, and not all in its first half.
    assert max(pauses) <= 0.5
    assert sum(pause > 0.25 for pause in pauses) > 20


def test_what_loads_slowly_is_loaded_once_and_not_on_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    threads: list[threading.Thread] = []

    def load(name: str) -> ModuleType:
        loaded.append(name)
        threads.append(threading.current_thread())
        return ModuleType(name)

    monkeypatch.setattr(trigger_client, "_LOADED", [])
    monkeypatch.setattr(trigger_client, "importlib", SimpleNamespace(import_module=load))
    for _ in range(2):
        asyncio.run(trigger_client.prepare())
    assert len(loaded) == len(set(loaded)) > 0
    assert threading.main_thread() not in threads


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
        assert not pollers()

    asyncio.run(run())


def test_expected_seconds_reach_the_poller(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"output": {"task_id": "t1", "task_status": "FAILED"}})
    passed_on = []
    wait = Poller.wait

    async def spied(self: Poller, **arguments: Any) -> Any:
        passed_on.append(arguments["expected_seconds"])
        return await wait(self, **arguments)

    monkeypatch.setattr(Poller, "wait", spied)
    asyncio.run(fires(waiting(expected_seconds=12.5)))
    assert passed_on == [12.5]


def test_errors_that_are_not_retryable_become_the_event(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "REFUSAL_SECONDS", 0)
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"code": "InvalidApiKey", "message": "m"}, status=401)
    (event,) = asyncio.run(fires(waiting()))
    with pytest.raises(AccessError, match="InvalidApiKey"):
        task_of(event)
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    monkeypatch.setattr(trigger_client, "_CONNECTION_PAUSES", (0, 0))
    (event,) = asyncio.run(fires(waiting(dashscope_conn_id="none")))
    with pytest.raises(ConfigurationError, match="there is no connection 'none'"):
        task_of(event)


def test_waits_from_the_submit_on(service: HTTPServer) -> None:
    """After a restart, too: the queue's limit counts from the submit, not from the trigger's start."""
    service.expect_oneshot_request("/api/v1/tasks/t1").respond_with_json(
        {"output": {"task_id": "t1", "task_status": "PENDING"}}
    )
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"output": {"task_id": "t1", "task_status": "FAILED"}})
    (event,) = asyncio.run(fires(waiting(submitted_at=time.time() - 50, poll_policy={"queue_timeout": 100.0})))
    assert task_of(event).status == "FAILED"
    (event,) = asyncio.run(fires(waiting(submitted_at=time.time() - 101, poll_policy={"queue_timeout": 100.0})))
    assert task_of(event).status == "FAILED"


def test_a_connection_that_cannot_be_read_is_read_again(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"output": {"task_id": "t1", "task_status": "FAILED"}})
    look_up = DashScopeHook.get_async_client
    # Airflow's supervisor reports every failure to read a connection as a missing one.
    failures = [RuntimeError("the API server is away"), AirflowNotFoundException("The conn_id isn't defined")]

    async def sometimes(hook: DashScopeHook) -> AsyncClient:
        if failures:
            raise failures.pop()
        return await look_up(hook)

    monkeypatch.setattr(DashScopeHook, "get_async_client", sometimes)
    monkeypatch.setattr(trigger_client, "_CONNECTION_PAUSES", (0, 0))
    (event,) = asyncio.run(fires(waiting()))
    assert task_of(event).status == "FAILED"


@pytest.mark.parametrize(("age", "seconds"), [(0.0, 103.0), (40.0, 63.0), (150.0, 3.0)])
def test_a_connection_is_not_read_again_beyond_a_limit(
    monkeypatch: pytest.MonkeyPatch, age: float, seconds: float
) -> None:
    """The queue's limit of 100 s ends the wait, as where the service does not answer until three seconds after it."""
    monkeypatch.setattr(trigger_client, "_LOADED", [trigger_client])

    async def away(hook: DashScopeHook) -> AsyncClient:
        raise RuntimeError("the API server is away")

    monkeypatch.setattr(DashScopeHook, "get_async_client", away)

    async def main(loop: VirtualLoop) -> tuple[float, dict[str, Any]]:
        monkeypatch.setattr(dashscope, "time", SimpleNamespace(time=loop.clock))
        begun = loop.time()
        (event,) = await fires(waiting(submitted_at=loop.clock() - age, poll_policy={"queue_timeout": 100.0}))
        return loop.time() - begun, event

    took, event = run(main)
    assert took == pytest.approx(seconds)
    with pytest.raises(QueueTimeoutError, match="as far as is known: no query of its status was answered"):
        task_of(event)


def test_a_wait_is_counted_while_it_lasts(
    service: HTTPServer, buffer: MetricBuffer, gauges: list[tuple[str, float, str]]
) -> None:

    def failed(_: Request) -> Response:
        buffer.send()
        return Response(json.dumps({"output": {"task_id": "t1", "task_status": "FAILED"}}))

    service.expect_request("/api/v1/tasks/t1").respond_with_handler(failed)
    asyncio.run(fires(waiting()))
    buffer.send()
    assert gauges == [("waiting", 1, "dashscope_default"), ("waiting", 0, "dashscope_default")]


def test_a_kill_cancels_nothing_without_cancel_on_kill(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(monkeypatch, {"run": {"retalk": "success"}}, cancel_on_kill=False)
    assert not service.log


def test_a_job_has_two_log_lines(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow adds its own. The end is logged by the task that resumes."""
    statuses = ["PENDING", "PENDING", "RUNNING", "RUNNING", "SUCCEEDED"]

    def status(_: Request) -> Response:
        output = {"task_id": "t1", "task_status": statuses[0], "video_url": "https://h/v.mp4"}
        if len(statuses) > 1:
            del statuses[0]
        return Response(json.dumps({"output": output}))

    lines: list[str] = []
    log = SimpleNamespace(info=lambda text, *values: lines.append(text % values), warning=pytest.fail)
    monkeypatch.setattr(DashScopeTaskTrigger, "log", log)
    service.expect_request("/api/v1/tasks/t1").respond_with_handler(status)
    (event,) = asyncio.run(fires(waiting(submitted_at=0.0)))
    assert task_of(event).status == "SUCCEEDED"
    assert [line.split()[4].strip(":") for line in lines] == ["PENDING", "RUNNING"]


def test_queue_timeout(service: HTTPServer) -> None:
    service.expect_request("/api/v1/tasks/t1").respond_with_json(
        {"output": {"task_id": "t1", "task_status": "PENDING"}}
    )
    (event,) = asyncio.run(fires(waiting(poll_policy={"queue_timeout": 0.0})))
    with pytest.raises(QueueTimeoutError):
        task_of(event)


def test_retry_later_fires_at_its_moment() -> None:
    assert asyncio.run(fires(RetryLaterTrigger(moment=time.time() - 5, note={"refusals": 1}))) == [{"refusals": 1}]


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


def expect_cancel(service: HTTPServer) -> None:
    """A job that is cancelled when it is asked to be."""
    service.expect_request(CANCEL, method="POST").respond_with_json({"request_id": "c"})
    canceled = {"output": {"task_id": "t1", "task_status": "CANCELED"}}
    service.expect_request(CANCEL.removesuffix("/cancel"), method="GET").respond_with_json(canceled)


@pytest.mark.parametrize("state", ["failed", "success", "skipped", "removed", "upstream_failed"])
def test_a_kill_that_ends_the_task_instance_cancels(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    expect_cancel(service)
    killed(monkeypatch, {"run": {"retalk": state}})
    assert [request.path for request, _ in service.log] == [CANCEL, CANCEL.removesuffix("/cancel")]


@pytest.mark.parametrize(("status", "noted"), [("CANCELED", ["t1"]), ("RUNNING", [])])
def test_the_history_gets_a_cancel_only_if_it_is_confirmed(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch, status: str, noted: list[str]
) -> None:
    told: list[str] = []
    monkeypatch.setattr(dashscope, "note_cancelled", told.append)
    service.expect_request(CANCEL, method="POST").respond_with_json({"request_id": "c"})
    reply = {"output": {"task_id": "t1", "task_status": status}}
    service.expect_request(CANCEL.removesuffix("/cancel"), method="GET").respond_with_json(reply)
    killed(monkeypatch, {"run": {"retalk": "failed"}})
    assert told == noted


def test_what_a_job_that_cannot_be_cancelled_will_bill_is_told(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(dashscope, "record_spend", lambda log, *said, tags: told.append((*said, tags)))
    service.expect_request(CANCEL, method="POST").respond_with_json({"request_id": "c"})
    reply = {"output": {"task_id": "t1", "task_status": "RUNNING"}}
    service.expect_request(CANCEL.removesuffix("/cancel"), method="GET").respond_with_json(reply)
    killed(monkeypatch, {"run": {"retalk": "failed"}}, expected_seconds=12.5)
    sentence = "Render job t1 is RUNNING and cannot be cancelled. If it succeeds, about 12.5 seconds will be billed."
    assert told == [("cancel", "t1", sentence, {"connection_id": "dashscope_default"})]


def test_what_a_cancel_saves_is_told(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(dashscope, "record_spend", lambda log, *said, tags: told.append((*said, tags)))
    expect_cancel(service)
    killed(monkeypatch, {"run": {"retalk": "failed"}})
    tags = {"connection_id": "dashscope_default"}
    assert told == [
        ("cancel", "t1", "Render job t1 was still queued and is cancelled. It is not billed.", tags),
        ("cancelled", "t1", "It is not billed.", tags),
    ]


@pytest.mark.parametrize("state", ["success", "failed"])
@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_a_triggerer_that_slept_through_the_end_notes_no_cancel(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: str, status: str
) -> None:
    """Another triggerer has seen the end, and the task instance has ended."""
    told: list[tuple[str, str, str]] = []
    monkeypatch.setattr(dashscope, "record_spend", lambda log, *said: told.append(said))
    refused = {"code": "UnsupportedOperation", "message": "not PENDING", "request_id": "c"}
    service.expect_request(CANCEL, method="POST").respond_with_json(refused, status=400)
    reply = {"output": {"task_id": "t1", "task_status": status}}
    service.expect_request(CANCEL.removesuffix("/cancel"), method="GET").respond_with_json(reply)
    killed(monkeypatch, {"run": {"retalk": state}})
    assert told == []
    assert f"Render job t1 had already ended {status}. There was nothing to cancel." in capsys.readouterr().out


def test_a_deleted_run_cancels(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    expect_cancel(service)
    killed(monkeypatch, {})
    assert [request.path for request, _ in service.log] == [CANCEL, CANCEL.removesuffix("/cancel")]


@pytest.mark.trap(2)
@pytest.mark.trap(3)
@pytest.mark.parametrize("state", ["deferred", "running", "queued", "scheduled", "restarting", "up_for_retry", None])
def test_a_kill_before_another_try_cancels_nothing(
    service: HTTPServer, monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    killed(monkeypatch, {"run": {"retalk": state}})
    assert not service.log


@pytest.mark.trap(1)
def test_a_kill_completes_although_airflow_cancels_it(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow cancels ``on_kill`` itself about a second after it called it."""
    expect_cancel(service)
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
        await asyncio.gather(*dashscope._RUNNING_CANCELS)
        assert not dashscope._RUNNING_CANCELS

    asyncio.run(kill())
    assert [request.path for request, _ in service.log] == [CANCEL, CANCEL.removesuffix("/cancel")]


@pytest.mark.parametrize(
    "damaged",
    [
        {"dashscope_task_id": 12345},
        {"submitted_at": None},
        {"submitted_at": "now"},
        {"expected_seconds": "long"},
        {"cost_estimate": "cheap"},
        {"request_id": 7},
        {"poll_policy": {"queue_timeout": 1e300}},
    ],
    ids=str,
)
@pytest.mark.usefixtures("service")
def test_damaged_arguments_end_their_own_wait_only(damaged: dict[str, Any]) -> None:
    """The constructor accepts anything: an exception there would end the triggerer's loop."""
    (event,) = asyncio.run(fires(waiting(**damaged)))
    with pytest.raises(StateReadError):
        task_of(event)
    assert pollers() == []


def test_a_connection_is_read_again_for_two_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than an API server takes to restart."""
    pauses: list[float] = []
    lines: list[str] = []

    async def fails(hook: DashScopeHook) -> AsyncClient:
        raise RuntimeError("away")

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(DashScopeHook, "get_async_client", fails)
    monkeypatch.setattr(trigger_client, "asyncio", SimpleNamespace(sleep=sleep))
    log: Any = SimpleNamespace(warning=lambda text, *values: lines.append(text % values))
    with pytest.raises(RuntimeError, match="away"):
        asyncio.run(trigger_client.client_of("mine", log=log))
    assert pauses == [1, 2, 4, 8, 16, 32, 64]
    assert lines[0] == "The connection 'mine' cannot be read. Trying again in 1 s: away"


def test_a_connection_that_is_not_usable_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host="https://h.example", queries_per_second="many")
    with pytest.raises(ConfigurationError, match="queries_per_second"):
        asyncio.run(trigger_client.client_of("dashscope_default", log=SimpleNamespace(warning=pytest.fail)))
