"""What became of a task that nobody waits for any longer, in words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.client import AsyncClient, Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.waiting.cancel import Cancellation, cancel, cancel_async

REFUSED = {"code": "UnsupportedOperation", "message": "not PENDING", "request_id": "c"}


def ask(service: HTTPServer, how: str, *, slept: list[float] | None = None, **arguments: Any) -> Cancellation:
    """
    :param slept: is told the pauses, which take no time
    """
    endpoint = Endpoint(base_url=service.url_for("/api/v1"), api_key="sk-x", queries_per_second=1000)
    slept = [] if slept is None else slept

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def run() -> Cancellation:
        async with AsyncClient(endpoint) as client:
            return await cancel_async(client, "t1", sleep=sleep, **arguments)

    if how == "async":
        return asyncio.run(run())
    with Client(endpoint) as client:
        return cancel(client, "t1", sleep=slept.append, **arguments)


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(
    ("stands", "done", "sentence"),
    [
        ({"task_status": "RUNNING"}, False, "is RUNNING and can't be stopped: it will bill about 7.5 seconds, if"),
        ({"task_status": "POST-PROCESSING"}, False, "is POST-PROCESSING and can't be stopped"),
        ({"task_status": "SUCCEEDED"}, False, "had ended SUCCEEDED and billed 7.5 seconds."),
        ({"task_status": "FAILED"}, False, "had ended FAILED."),
        ({"task_status": "CANCELED"}, True, "had ended CANCELED."),
        (None, False, "is no longer queued and can't be stopped: it will bill about 7.5 seconds"),
    ],
)
def test_what_can_not_be_cancelled_is_told_as_it_stands(
    httpserver: HTTPServer, how: str, stands: dict[str, str] | None, done: bool, sentence: str
) -> None:
    httpserver.expect_request("/api/v1/tasks/t1/cancel").respond_with_json(REFUSED, status=400)
    if stands is not None:
        usage = {"video_duration": 7.5} if stands["task_status"] == "SUCCEEDED" else {}
        reply = {"output": {"task_id": "t1", **stands}, "usage": usage}
        httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(reply)
    cancellation = ask(httpserver, how, expected_seconds=7.5)
    assert (cancellation.done, cancellation.begun) == (done, True)
    assert f"Task t1 {sentence}" in cancellation.sentence


@pytest.mark.parametrize("how", ["sync", "async"])
def test_what_still_queues_bills_nothing(httpserver: HTTPServer, how: str) -> None:
    httpserver.expect_request("/api/v1/tasks/t1/cancel", method="POST").respond_with_json({"request_id": "c"})
    assert ask(httpserver, how) == (True, False, "Task t1 was still queued and is cancelled; it bills nothing.")


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_cancel_that_fails_says_so(httpserver: HTTPServer, how: str) -> None:
    httpserver.expect_request("/api/v1/tasks/t1/cancel").respond_with_data("no", status=502)
    slept: list[float] = []
    cancellation = ask(httpserver, how, slept=slept)
    assert not cancellation.done
    assert not cancellation.begun
    assert slept == [1.0, 3.0, 6.0]
    assert "could not be cancelled, and may run and bill" in cancellation.sentence


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(("retry_after", "pause"), [("2", 2.0), ("600", 10.0), ("0", 1.0)])
def test_what_passes_is_tried_again(httpserver: HTTPServer, how: str, retry_after: str, pause: float) -> None:
    throttled = {"code": "Throttling", "message": "m", "request_id": "c"}
    httpserver.expect_ordered_request("/api/v1/tasks/t1/cancel").respond_with_json(
        throttled, status=429, headers={"Retry-After": retry_after}
    )
    httpserver.expect_ordered_request("/api/v1/tasks/t1/cancel").respond_with_json({"request_id": "c"})
    slept: list[float] = []
    assert ask(httpserver, how, slept=slept).done
    assert slept == [pause]


@pytest.mark.parametrize("how", ["sync", "async"])
def test_what_stays_is_not_tried_again(httpserver: HTTPServer, how: str) -> None:
    httpserver.expect_request("/api/v1/tasks/t1/cancel").respond_with_json(
        {"code": "NotFound", "message": "no cancelling here", "request_id": "c"}, status=404
    )
    assert not ask(httpserver, how).done
    assert len(httpserver.log) == 1
