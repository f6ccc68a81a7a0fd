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


def ask(service: HTTPServer, how: str, **arguments: Any) -> Cancellation:
    endpoint = Endpoint(base_url=service.url_for("/api/v1"), api_key="sk-x", queries_per_second=1000)
    if how == "sync":
        with Client(endpoint) as client:
            return cancel(client, "t1", **arguments)

    async def run() -> Cancellation:
        async with AsyncClient(endpoint) as client:
            return await cancel_async(client, "t1", **arguments)

    return asyncio.run(run())


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
    assert cancellation.done is done
    assert f"Task t1 {sentence}" in cancellation.sentence


@pytest.mark.parametrize("how", ["sync", "async"])
def test_what_still_queues_bills_nothing(httpserver: HTTPServer, how: str) -> None:
    httpserver.expect_request("/api/v1/tasks/t1/cancel", method="POST").respond_with_json({"request_id": "c"})
    assert ask(httpserver, how) == (True, "Task t1 was still queued and is cancelled; it bills nothing.")


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_cancel_that_fails_says_so(httpserver: HTTPServer, how: str) -> None:
    httpserver.expect_request("/api/v1/tasks/t1/cancel").respond_with_data("no", status=502)
    cancellation = ask(httpserver, how)
    assert not cancellation.done
    assert "could not be cancelled, and may run and bill" in cancellation.sentence
