"""Cancelling a render job that nobody waits for any more, and the outcome in words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.async_client import AsyncClient
from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.submission.cancel import Cancellation, cancel, cancel_async

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
        (
            {"task_status": "RUNNING"},
            False,
            "is RUNNING and cannot be cancelled. If it succeeds, about 7.5 seconds will be b",
        ),
        ({"task_status": "POST-PROCESSING"}, False, "is POST-PROCESSING and cannot be cancelled"),
        ({"task_status": "SUCCEEDED"}, False, "had already ended SUCCEEDED, and 7.5 seconds were billed."),
        ({"task_status": "FAILED"}, False, "had already ended FAILED."),
        ({"task_status": "CANCELED"}, True, "had already ended CANCELED."),
        (None, False, "is no longer queued and cannot be cancelled. If it succeeds, about 7.5 seconds will be billed."),
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
    assert cancellation.needless is ("had already ended" in sentence)
    assert f"Render job t1 {sentence}" in cancellation.sentence


def accept(service: HTTPServer, *statuses: str) -> None:
    """A service that accepts each cancel, and then shows these statuses, one after another."""
    service.expect_request("/api/v1/tasks/t1/cancel", method="POST").respond_with_json({"request_id": "c"})
    for status in statuses:
        reply = {"output": {"task_id": "t1", "task_status": status}, "usage": {"video_duration": 7.5}}
        service.expect_oneshot_request("/api/v1/tasks/t1", method="GET").respond_with_json(reply)


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("status", ["CANCELED", "UNKNOWN"])
def test_what_still_queues_bills_nothing(httpserver: HTTPServer, how: str, status: str) -> None:
    accept(httpserver, status)
    sentence = "Render job t1 was still queued and is cancelled. It is not billed."
    assert ask(httpserver, how) == (True, False, sentence, False)


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("RUNNING", "is RUNNING and cannot be cancelled. If it succeeds, about 7.5 seconds will be billed."),
        ("SUCCEEDED", "had already ended SUCCEEDED, and 7.5 seconds were billed."),
    ],
)
def test_a_cancel_that_did_not_happen_is_not_believed(
    httpserver: HTTPServer, how: str, status: str, sentence: str
) -> None:
    accept(httpserver, status)
    needless = status == "SUCCEEDED"
    assert ask(httpserver, how, expected_seconds=7.5) == (False, True, f"Render job t1 {sentence}", needless)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_job_that_still_queues_is_cancelled_again(httpserver: HTTPServer, how: str) -> None:
    accept(httpserver, "PENDING", "PENDING", "CANCELED")
    slept: list[float] = []
    assert ask(httpserver, how, slept=slept).done
    assert slept == [1.0, 3.0]


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(
    ("statuses", "reason"), [(["PENDING"] * 4, "it is still PENDING"), ([], "its status cannot be queried")]
)
def test_a_cancel_without_effect_is_not_confirmed(
    httpserver: HTTPServer, how: str, statuses: list[str], reason: str
) -> None:
    accept(httpserver, *statuses)
    slept: list[float] = []
    cancellation = ask(httpserver, how, slept=slept)
    assert (cancellation.done, cancellation.begun, slept) == (False, False, [1.0, 3.0, 6.0])
    assert f"The cancel of render job t1 is not confirmed, and it may run and be billed: {reason}" in (
        cancellation.sentence
    )


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_cancel_that_fails_says_so(httpserver: HTTPServer, how: str) -> None:
    httpserver.expect_request("/api/v1/tasks/t1/cancel").respond_with_data("no", status=502)
    slept: list[float] = []
    cancellation = ask(httpserver, how, slept=slept)
    assert not cancellation.done
    assert not cancellation.begun
    assert slept == [1.0, 3.0, 6.0]
    assert "could not be cancelled, and may run and be billed" in cancellation.sentence


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(("retry_after", "pause"), [("2", 2.0), ("600", 10.0), ("0", 1.0)])
def test_what_passes_is_tried_again(httpserver: HTTPServer, how: str, retry_after: str, pause: float) -> None:
    throttled = {"code": "Throttling", "message": "m", "request_id": "c"}
    httpserver.expect_ordered_request("/api/v1/tasks/t1/cancel").respond_with_json(
        throttled, status=429, headers={"Retry-After": retry_after}
    )
    httpserver.expect_ordered_request("/api/v1/tasks/t1/cancel").respond_with_json({"request_id": "c"})
    canceled = {"output": {"task_id": "t1", "task_status": "CANCELED"}}
    httpserver.expect_ordered_request("/api/v1/tasks/t1").respond_with_json(canceled)
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
