"""The loop that blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    DashScopeError,
    QueueTimeoutError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.task import get_task
from airflow_provider_videoretalk.polling.blocking_wait import BoundedClient, query_once, wait_for_job
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.progress_log import Progress, ProgressLog
from airflow_provider_videoretalk.polling.schedule import REFUSAL_SECONDS, Schedule


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


class Lines:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str, /, *args: Any) -> None:
        self.lines.append(message % args)

    warning = info


@pytest.fixture
def client(httpserver: HTTPServer) -> Iterator[Client]:
    endpoint = Endpoint(api_key="sk-1", base_url=httpserver.url_for("/api/v1"), queries_per_second=1000)
    with Client(endpoint) as client:
        yield client


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timeouts(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How many seconds each request was given."""
    given: list[float] = []
    send = Client.send

    def noted(client: Client, request: Any) -> Any:
        given.append(request.total_timeout)
        return send(client, request)

    monkeypatch.setattr(Client, "send", noted)
    return given


def schedule(clock: Clock, **poll_policy: Any) -> Schedule:
    return Schedule(task_id="t1", poll_policy=PollPolicy(**poll_policy), submitted_at=clock(), chance=lambda: 0.0)


def told(status: str, **output: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"request_id": "r", "output": {"task_id": "t1", "task_status": status, **output}}


def test_waits_through_stages_and_passing_errors(httpserver: HTTPServer, client: Client, clock: Clock) -> None:
    answers = [
        told("PENDING"),
        (429, {"code": "Throttling.RateQuota", "message": "slow down"}),
        (500, {"code": "InternalError", "message": "oops"}),
        told("PRE-PROCESSING"),
        told("RUNNING"),
        told("SUCCEEDED", video_url="http://r/1.mp4"),
    ]
    for status, body in answers:
        httpserver.expect_ordered_request("/api/v1/tasks/t1").respond_with_json(body, status=status)
    log = Lines()
    task = wait_for_job(client, schedule(clock), on_progress=ProgressLog(log), clock=clock, sleep=clock.sleep)
    assert task.result_url == "http://r/1.mp4"
    assert clock.slept == [4, 4, 4, 4, 4]
    assert [line.partition(":")[0] for line in log.lines] == [
        "Render job t1 is PENDING",
        "The status query failed and is repeated",
        "The status query failed and is repeated",
        "Render job t1 is PRE-PROCESSING",
        "Render job t1 is RUNNING",
    ]


def test_gives_up_at_the_limit(httpserver: HTTPServer, client: Client, clock: Clock) -> None:
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(told("PENDING")[1])
    with pytest.raises(QueueTimeoutError):
        wait_for_job(client, schedule(clock, queue_timeout=100), on_progress=print, clock=clock, sleep=clock.sleep)
    assert clock.now == 1_100


def test_raises_what_stays(httpserver: HTTPServer, client: Client, clock: Clock) -> None:
    body = {"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "e3"}
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(body, status=401)
    told_of: list[Progress | DashScopeError] = []
    with pytest.raises(AccessError, match="InvalidApiKey"):
        wait_for_job(client, schedule(clock), on_progress=told_of.append, clock=clock, sleep=clock.sleep)
    assert clock.now >= 1_000 + REFUSAL_SECONDS
    assert len(told_of) == len(httpserver.log), "the last refusal, too"


def test_a_render_that_is_seen_for_the_first_time_is_as_old_as_the_service_says(
    httpserver: HTTPServer, client: Client, clock: Clock
) -> None:
    times = {"submit_time": "2026-11-20 20:00:00.000", "scheduled_time": "2026-11-20 20:00:50.000"}
    for status in ("RUNNING", "FAILED"):
        httpserver.expect_ordered_request("/api/v1/tasks/t1").respond_with_json(told(status, **times)[1])
    wait, log = schedule(clock), Lines()
    clock.now += 60
    wait_for_job(client, wait, on_progress=ProgressLog(log), clock=clock, sleep=clock.sleep)
    assert log.lines == ["Render job t1 is RUNNING: 10 s so far"]


def test_one_query_ends_in_its_time(httpserver: HTTPServer, client: Client, timeouts: list[float]) -> None:
    httpserver.expect_oneshot_request("/api/v1/tasks/t1").respond_with_json(told("RUNNING")[1])
    task = query_once(client, "t1", seconds=2.5)
    assert task is not None
    assert task.status == "RUNNING"
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_data("<html>", status=502)
    assert query_once(client, "t1", seconds=1.5) is None
    assert timeouts == [2.5, 1.5]


def test_requests_and_pauses_within_one_time(httpserver: HTTPServer, client: Client, clock: Clock) -> None:
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(told("PENDING")[1])
    bounded = BoundedClient(client, seconds=10.0, clock=clock, sleep=clock.sleep)
    assert bounded.send(get_task("t1")).status == "PENDING"
    for pause in (4.0, 7.0, 1.0):
        bounded.sleep(pause)
    assert clock.slept == [4.0, 6.0, 0.0]
    with pytest.raises(TransportError, match="did not answer in the time that was left") as caught:
        bounded.send(get_task("t1"))
    assert not caught.value.retryable
    assert len(httpserver.log) == 1
    clock.now += 5.0
    bounded.sleep(1.0)
    assert clock.slept[-1] == 0.0


def test_a_request_gets_the_time_that_is_left(
    httpserver: HTTPServer, client: Client, clock: Clock, timeouts: list[float]
) -> None:
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(told("PENDING")[1])
    bounded, own = BoundedClient(client, seconds=70.0, clock=clock), get_task("t1").total_timeout
    for now in (1_000.0, 1_030.0, 1_069.5):
        clock.now = now
        bounded.send(get_task("t1"))
    assert timeouts == [own, 40.0, 0.5]
