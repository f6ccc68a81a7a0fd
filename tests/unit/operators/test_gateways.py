"""Each gateway that the emulator plays, from the operator to the published object."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from connections import connect
from pytest_httpserver import HTTPServer
from small_mp4 import mp4

from airflow_provider_videoretalk.dashscope.errors import (
    ConfigurationError,
    QueueTimeoutError,
    ServerError,
    TaskFailedError,
)
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings, Gateway
from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor
from airflow_provider_videoretalk.submission.resume import ResumePolicy
from airflow_provider_videoretalk.triggers import client as trigger_client
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger

GATEWAYS = get_args(Gateway)
every_gateway = pytest.mark.parametrize("gateway", GATEWAYS, indirect=True)


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    """One of each gateway, and the service itself."""
    running: dict[str, Emulator] = {}
    try:
        for name in (*GATEWAYS, "dashscope"):
            settings = EmulatorSettings(
                port=0,
                gateway=None if name == "dashscope" else name,
                time_scale=100,
                submits_per_second=1000,
                queries_per_second=1000,
                running=20,
            )
            running[name] = Emulator(settings, engine=FakeEngine())
            running[name].start()
        yield running
    finally:
        for emulator in running.values():
            emulator.stop()


@pytest.fixture
def gateway(
    request: pytest.FixtureRequest, emulators: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch
) -> Emulator:
    """A gateway without jobs; the default connection has its dialect, and a key that no other test has."""
    emulator = emulators[request.param]
    emulator.faults.clear()
    emulator.state.requests.clear()
    emulator.state.jobs.clear()
    use(monkeypatch, emulator, dialect=request.param, key=f"sk-{request.node.name}")
    monkeypatch.setattr(trigger_client, "_START_JITTER_SECONDS", 0.0)
    return emulator


def use(monkeypatch: pytest.MonkeyPatch, emulator: Emulator, *, dialect: str, key: str) -> None:
    given = {} if dialect == "dashscope" else {"dialect": dialect}
    connect(monkeypatch, host=emulator.base_url, password=key, allow_private=True, queries_per_second=1000, **given)


def operator(emulator: Emulator, **arguments: Any) -> VideoRetalkOperator:
    given = {"video_url": f"{emulator.url}/samples/presenter.mp4", "audio_url": f"{emulator.url}/samples/speech.wav"}
    return VideoRetalkOperator(task_id="retalk", **given | {"poll_interval": 0.1, "preflight": "off"} | arguments)


def seen(emulator: Emulator) -> list[str]:
    return [f"{entry['method']} {entry['path']} {entry['status']}" for entry in emulator.state.requests]


def operations(emulator: Emulator) -> list[str]:
    """The requests before the first result was fetched."""
    return [str(entry["operation"]) for entry in emulator.state.requests if entry["operation"] != "result"]


async def event_of(trigger: DashScopeTaskTrigger) -> dict[str, Any]:
    (event,) = [event.payload async for event in trigger.run()]
    return dict(event)


@every_gateway
def test_waiting_on_a_worker(
    gateway: Emulator, context: dict[str, Any], tmp_path: Path, httpserver: HTTPServer
) -> None:
    # The engine returns every video unchanged.
    content = mp4(bytes(5000), seconds=3)
    httpserver.expect_request("/in.mp4").respond_with_data(content, content_type="video/mp4")
    result = operator(gateway, deferrable=False, video_url=httpserver.url_for("/in.mp4")).execute(context)
    (job,) = gateway.state.job_reports()
    assert (result["task_id"], result["status"]) == (job["task_id"], "SUCCEEDED")
    assert str(result["video_url"]).startswith(f"{gateway.url}/results/")
    # The documentation names no billed seconds: they are unknown, and not nothing.
    assert result["billed_seconds"] is None
    assert operations(gateway)[:2] == ["query", "submit"]
    assert set(operations(gateway)[2:]) == {"query"}
    destination = (tmp_path / "v.mp4").as_uri()
    PublishMediaOperator(task_id="publish", source=result, destination=destination).execute(context)
    assert (tmp_path / "v.mp4").read_bytes() == content


@every_gateway
def test_waiting_on_the_triggerer(gateway: Emulator, context: dict[str, Any]) -> None:
    task = operator(gateway, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    (job,) = gateway.state.job_reports()
    event = asyncio.run(event_of(deferred.value.trigger))
    # What is stored in Airflow's database has DashScope's own shape, and no key.
    output = json.loads(json.dumps(event))["reply"]["output"]
    assert (output["task_id"], output["task_status"]) == (job["task_id"], "SUCCEEDED")
    assert "sk-" not in json.dumps([event, deferred.value.trigger.serialize()])
    assert task.execute_complete(context, event)["video_url"] == output["video_url"]
    assert len(gateway.state.job_reports()) == 1


@every_gateway
def test_many_jobs_without_a_list(gateway: Emulator) -> None:
    """The poller queries each job by itself, and tries no list."""
    triggers = []
    for number in range(12):
        submitted = operator(gateway, wait_for_completion=False, durable=False, hold_back=False).execute(
            {"ti": _TaskInstance(number), "dag_run": None}
        )
        triggers.append(
            DashScopeTaskTrigger(
                dashscope_conn_id="dashscope_default",
                dashscope_task_id=submitted["task_id"],
                submitted_at=gateway.state.clock(),
                poll_policy={"poll_interval": 0.1},
            )
        )

    async def run() -> list[dict[str, Any]]:
        return list(await asyncio.gather(*map(event_of, triggers)))

    replies = [event["reply"]["output"] for event in asyncio.run(run())]
    assert {reply["task_id"] for reply in replies} == {job["task_id"] for job in gateway.state.job_reports()}
    assert {reply["task_status"] for reply in replies} == {"SUCCEEDED"}
    assert set(operations(gateway)) == {"query", "submit"}


class _TaskInstance:
    dag_id, task_id, run_id, max_tries, start_date = "dag", "retalk", "run", 0, None

    def __init__(self, map_index: int) -> None:
        self.map_index = map_index

    def xcom_push(self, key: str, value: Any) -> None: ...


@every_gateway
def test_a_sensor(gateway: Emulator, context: dict[str, Any]) -> None:
    submission = operator(gateway, wait_for_completion=False).execute(context)
    sensor = DashScopeTaskSensor(task_id="wait", dashscope_task_id=submission, poke_interval=0.1, timeout=60)
    assert sensor.execute(context)["task_id"] == submission["task_id"]


@every_gateway
def test_a_job_that_fails(gateway: Emulator, context: dict[str, Any]) -> None:
    gateway.faults.arm(FaultRule(operation="submit", effect="fail_task", code="InvalidFile.FPS", message="15 to 60"))
    with pytest.raises(TaskFailedError, match=r"InvalidFile\.FPS: render job .* ended FAILED: 15 to 60"):
        operator(gateway, deferrable=False).execute(context)


@every_gateway
def test_a_job_that_cannot_be_cancelled_is_reported(gateway: Emulator, context: dict[str, Any]) -> None:
    said: list[str] = []
    task = operator(gateway, deferrable=False, queue_timeout=0)
    task.record_spend = lambda event, task_id, reason: said.append(f"{event}: {reason}")  # type: ignore[method-assign]
    gateway.faults.arm(
        FaultRule(
            operation="query",
            effect="replace",
            field=_STATUS[gateway.settings.gateway],
            value='"PENDING"',
            times=1000,
            after=1,
        )
    )
    with pytest.raises(QueueTimeoutError):
        task.execute(context)
    (job,) = gateway.state.job_reports()
    cancelled = [sentence for sentence in said if sentence.startswith("cancel: ")]
    assert len(cancelled) == 1
    assert f"Render job {job['task_id']} could not be cancelled, and may run and be billed" in cancelled[0]
    assert f"a gateway of the dialect '{gateway.settings.gateway}' has no route for cancelling" in cancelled[0]
    assert set(operations(gateway)) == {"query", "submit"}


_STATUS = {"video-tasks": "output.task_status", "flat-tasks": "status", "video-generations": "status", None: ""}


@pytest.mark.parametrize(
    ("gateway", "path"),
    [
        ("video-tasks", "services/aigc/video-generation/generation"),
        ("flat-tasks", "services/aigc/video-generation/video-synthesis"),
        ("video-generations", "services/aigc/video-generation/video-synthesis"),
    ],
    indirect=["gateway"],
)
def test_the_documented_path_of_a_submit(gateway: Emulator, context: dict[str, Any], path: str) -> None:
    task = DashScopeTaskOperator(
        task_id="other",
        path=path,
        model="videoretalk",
        input={
            "video_url": f"{gateway.url}/samples/presenter.mp4",
            "audio_url": f"{gateway.url}/samples/speech.wav",
        },
        poll_interval=0.1,
        deferrable=False,
    )
    assert task.execute(context)["status"] == "SUCCEEDED"
    submitted = {
        "video-tasks": f"POST /qwen/api/v1/{path} 200",
        "flat-tasks": f"POST /wan/api/v1/{path} 200",
        "video-generations": "POST /v1/video/generations 200",
    }
    assert submitted[str(gateway.settings.gateway)] in seen(gateway)


@pytest.mark.parametrize("wait", [{"deferrable": True}, {"deferrable": False}, {"wait_for_completion": False}])
@pytest.mark.parametrize("dialect", ["dashscope", *GATEWAYS])
@every_gateway
def test_nothing_is_submitted_where_jobs_cannot_be_queried(
    gateway: Emulator,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    dialect: str,
    wait: dict[str, Any],
) -> None:
    if dialect == gateway.settings.gateway:
        dialect = "dashscope"
    use(monkeypatch, gateway, dialect=dialect, key=f"sk-{request.node.name}")
    with pytest.raises(ConfigurationError, match=r"could not be queried at .*Nothing was submitted.*extra dialect"):
        operator(gateway, **wait).execute(context)
    assert gateway.state.job_reports() == []
    assert context["task_state_store"] == {}
    assert not any(line.startswith("POST") for line in seen(gateway))


@pytest.mark.parametrize("prefix", ["/api/v1", "/alibailian/api/v1", ""])
@pytest.mark.parametrize("gateway", ["video-tasks"], indirect=True)
def test_nothing_is_submitted_below_a_wrong_prefix(
    gateway: Emulator, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    connect(monkeypatch, host=f"{gateway.url}{prefix}", allow_private=True, dialect="video-tasks")
    with pytest.raises(ConfigurationError, match="base URL with the gateway's path prefix"):
        operator(gateway, deferrable=False).execute(context)
    assert gateway.state.job_reports() == []


@pytest.mark.parametrize("gateway", ["dashscope", "flat-tasks"], indirect=True)
def test_a_service_that_fails_now_gets_no_submit_either(gateway: Emulator, context: dict[str, Any]) -> None:
    gateway.faults.arm(FaultRule(operation="query", effect="error_before", status=503, code="ServiceUnavailable"))
    with pytest.raises(ServerError) as failed:
        operator(gateway, deferrable=False).execute(context)
    assert failed.value.retryable
    assert gateway.state.job_reports() == []
    assert operator(gateway, deferrable=False).execute(context)["status"] == "SUCCEEDED"


@pytest.mark.parametrize("gateway", ["dashscope"], indirect=True)
def test_a_throttled_query_defers_as_a_throttled_submit_does(gateway: Emulator, context: dict[str, Any]) -> None:
    gateway.faults.arm(FaultRule(operation="query", effect="throttle", retry_after=60))
    with pytest.raises(TaskDeferred) as deferred:
        operator(gateway, deferrable=True).execute(context)
    assert deferred.value.method_name == "execute_again"
    assert gateway.state.job_reports() == []


@every_gateway
def test_the_route_is_tried_once_by_a_process(gateway: Emulator, context: dict[str, Any]) -> None:
    for _ in range(3):
        operator(gateway, wait_for_completion=False, durable=False, hold_back=False).execute(context)
    assert operations(gateway) == ["query", "submit", "submit", "submit"]


@pytest.mark.parametrize("gateway", ["dashscope"], indirect=True)
def test_a_paid_job_is_resumed_without_a_try(
    gateway: Emulator, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TaskDeferred):
        operator(gateway, deferrable=True).execute(context)
    (job,) = gateway.state.job_reports()
    # Another process: it has tried no route yet.
    monkeypatch.setattr("airflow_provider_videoretalk.polling.account._ACCOUNTS", {})
    gateway.state.requests.clear()
    result = operator(gateway, deferrable=False).execute(context)
    assert result["task_id"] == job["task_id"]
    queried = {line.split()[1] for line in seen(gateway) if line.startswith("GET /api/v1/tasks/")}
    assert queried == {f"/api/v1/tasks/{job['task_id']}"}


@every_gateway
def test_a_lost_submit_is_not_looked_for_without_a_list(gateway: Emulator, context: dict[str, Any]) -> None:
    gateway.faults.arm(FaultRule(operation="submit", effect="drop_after"))
    policy = ResumePolicy(on_unknown_submit="reconcile", reconcile_after=0)
    with pytest.raises(AirflowFailException, match="no route for the list of render jobs"):
        operator(gateway, deferrable=True, resume=policy).execute(context)
    assert len(gateway.state.job_reports()) == 1
    assert "list" not in operations(gateway)
