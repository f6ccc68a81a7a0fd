"""Both loops against the emulator, whose tasks never end by themselves here: the test moves them on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.client import AsyncClient, Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import AccessError, DashScopeError, QueueTimeoutError
from airflow_provider_videoretalk.dashscope.task import Submission, Task
from airflow_provider_videoretalk.waiting.cancel import Cancellation, cancel, cancel_async
from airflow_provider_videoretalk.waiting.event import event_of, submission_of, task_of
from airflow_provider_videoretalk.waiting.schedule import Patience, Schedule
from airflow_provider_videoretalk.waiting.watcher import Narrator, watch, watch_async

Watch = Callable[..., Task]


class Clock:
    """Time that passes by sleeping."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


class Lines:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str, /, *args: Any) -> None:
        self.lines.append(message % args)

    warning = info


def watch_sync(endpoint: Endpoint, schedule: Schedule, clock: Clock, log: Lines) -> Task:
    with Client(endpoint) as client:
        return watch(client, "t1", schedule, news=Narrator(log), clock=clock, sleep=clock.sleep)


def watch_on_a_loop(endpoint: Endpoint, schedule: Schedule, clock: Clock, log: Lines) -> Task:
    async def run() -> Task:
        async with AsyncClient(endpoint) as client:
            return await watch_async(client, "t1", schedule, news=Narrator(log), clock=clock, sleep=clock.sleep_async)

    return asyncio.run(run())


@pytest.fixture(params=[watch_sync, watch_on_a_loop], ids=["sync", "async"])
def watching(request: pytest.FixtureRequest) -> Watch:
    return request.param


@pytest.fixture
def endpoint(httpserver: HTTPServer) -> Endpoint:
    return Endpoint(api_key="sk-1", base_url=httpserver.url_for("/api/v1"), queries_per_second=1000)


def reply(httpserver: HTTPServer, *answers: tuple[int, dict[str, Any]]) -> None:
    for status, body in answers:
        httpserver.expect_ordered_request("/api/v1/tasks/t1").respond_with_json(body, status=status)


def told(status: str, **output: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"request_id": "r", "output": {"task_id": "t1", "task_status": status, **output}}


def test_waits_through_stages_and_passing_errors(httpserver: HTTPServer, endpoint: Endpoint, watching: Watch) -> None:
    reply(
        httpserver,
        told("PENDING"),
        (429, {"code": "Throttling.RateQuota", "message": "slow down"}),
        (500, {"code": "InternalError", "message": "oops"}),
        told("PRE-PROCESSING"),
        told("RUNNING"),
        told("SUCCEEDED", video_url="http://r/1.mp4"),
    )
    clock, log = Clock(), Lines()
    schedule = Schedule(task_id="t1", patience=Patience(), submitted_at=clock())
    assert watching(endpoint, schedule, clock, log).result_url == "http://r/1.mp4"
    assert clock.slept == [1, 2, 4, 1, 1]
    assert [line.partition(":")[0] for line in log.lines] == [
        "Task t1 is PENDING",
        "The query failed, the task is asked for again",
        "The query failed, the task is asked for again",
        "Task t1 is PRE-PROCESSING",
        "Task t1 is RUNNING",
        "Task t1 is SUCCEEDED",
    ]


def test_gives_up_at_the_limit(httpserver: HTTPServer, endpoint: Endpoint, watching: Watch) -> None:
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(told("PENDING")[1])
    clock, log = Clock(), Lines()
    schedule = Schedule(task_id="t1", patience=Patience(queue_timeout=100), submitted_at=clock())
    with pytest.raises(QueueTimeoutError):
        watching(endpoint, schedule, clock, log)
    assert clock.now == 1_100
    assert log.lines == ["Task t1 is PENDING"]


def test_raises_what_stays(httpserver: HTTPServer, endpoint: Endpoint, watching: Watch) -> None:
    reply(httpserver, (401, {"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "e3"}))
    clock = Clock()
    with pytest.raises(AccessError, match="InvalidApiKey"):
        watching(endpoint, Schedule(task_id="t1", patience=Patience(), submitted_at=clock()), clock, Lines())


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, {"request_id": "c1"}, "still queued and is cancelled; it bills nothing"),
        (400, {"code": "UnsupportedOperation", "message": "m"}, "no longer queued and can't be stopped"),
        (503, {"code": "ServiceUnavailable", "message": "m"}, "could not be cancelled, and may run and bill"),
    ],
)
def test_cancel_says_what_became_of_it(
    httpserver: HTTPServer, endpoint: Endpoint, status: int, body: dict[str, Any], sentence: str
) -> None:
    httpserver.expect_request("/api/v1/tasks/t1/cancel", method="POST").respond_with_json(body, status=status)

    async def run() -> Cancellation:
        async with AsyncClient(endpoint) as client:
            return await cancel_async(client, "t1")

    with Client(endpoint) as client:
        cancellation = cancel(client, "t1")
    assert sentence in cancellation.sentence
    assert cancellation.done is (status == 200)
    assert cancellation == asyncio.run(run())


@pytest.mark.parametrize("outcome", [Task.parse(told("SUCCEEDED")[1]), QueueTimeoutError("late", remedy="hurry")])
def test_events_survive_json(outcome: Task | DashScopeError) -> None:
    submission = Submission(task_id="t1", request_id="r-submit")
    event = json.loads(json.dumps(event_of(outcome, submission=submission, submitted_at=1.5)))
    assert submission_of(event) == submission
    assert event["submitted_at"] == 1.5
    if isinstance(outcome, Task):
        assert task_of(event) == outcome
    else:
        with pytest.raises(QueueTimeoutError, match=r"late\. hurry"):
            task_of(event)
