"""Gateways with other routes and replies, by what their documentation shows; the bodies are written out as JSON."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from clients import Send
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.dialect import DIALECTS, DialectName
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import (
    ConfigurationError,
    DashScopeError,
    OutcomeUnknownError,
    RequestError,
    TaskFailedError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.task import Task, cancel_task, get_task
from airflow_provider_videoretalk.dashscope.task_list import list_tasks
from airflow_provider_videoretalk.dashscope.temporary_storage import get_upload_policy
from airflow_provider_videoretalk.emulator.settings import Gateway
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob, event_of, task_of

KEY = "sk-gateway"
URL = "https://store.example/v.mp4?Expires=1795766811&Signature=s"
SUBMIT = VIDEORETALK.submit_request(
    urls={"video_url": "https://h/v.mp4", "audio_url": "https://h/a.wav"}, parameters={}
)
BASE = {"video-tasks": "/qwen/api/v1", "flat-tasks": "/wan/api/v1", "video-generations": "/api/v1"}
QUERY = {
    "video-tasks": "/qwen/api/v1/tasks/video/t1",
    "flat-tasks": "/v1/tasks/t1",
    "video-generations": "/v1/video/generations/t1",
}
SUBMITTED = {
    "video-tasks": "/qwen/api/v1/services/aigc/image2video/video-synthesis",
    "flat-tasks": "/wan/api/v1/services/aigc/image2video/video-synthesis",
    "video-generations": "/v1/video/generations",
}
every_gateway = pytest.mark.parametrize("dialect", list(QUERY))


def endpoint(server: HTTPServer, dialect: str) -> Endpoint:
    return Endpoint(api_key=KEY, base_url=server.url_for(BASE[dialect]), dialect=dialect)  # type: ignore[arg-type]


def query(server: HTTPServer, send: Send, dialect: str, reply: str, *, status: int = 200) -> Task:
    server.expect_request(QUERY[dialect], method="GET").respond_with_data(
        reply, status=status, content_type="application/json"
    )
    task: Task = send(endpoint(server, dialect), get_task("t1"))
    return task


def test_the_emulator_plays_every_dialect_but_the_services() -> None:
    assert tuple(DIALECTS) == get_args(DialectName) == ("dashscope", *get_args(Gateway))


@pytest.mark.parametrize(
    ("dialect", "reply", "status"),
    [
        ("video-tasks", '{"output": {"task_status": "PENDING"}}', "PENDING"),
        ("video-tasks", '{"output": {"task_status": "RUNNING"}, "request_id": "r"}', "RUNNING"),
        ("video-tasks", '{"output": {"task_id": "t1", "task_status": "CANCELED"}}', "CANCELED"),
        ("flat-tasks", '{"status": "submitted"}', "PENDING"),
        ("flat-tasks", '{"task_id": "t1", "status": "in_progress", "progress": 3}', "RUNNING"),
        ("flat-tasks", '{"id": "t1", "status": "in_progress"}', "RUNNING"),
        ("flat-tasks", '{"status": "upscaling"}', "RUNNING"),
        ("video-generations", '{"id": "t1", "task_id": "t1", "status": "queued", "progress": 0}', "PENDING"),
        ("video-generations", '{"task_id": "t1", "status": "processing", "error": null}', "RUNNING"),
        ("video-generations", '{"id": "t1", "status": "in_progress"}', "RUNNING"),
        # A status of the service that the gateway does not know.
        ("video-generations", '{"id": "t1", "status": "unknown"}', "RUNNING"),
        (
            "video-generations",
            '{"code": "success", "data": {"id": 7, "task_id": "t1", "status": "NOT_START"}}',
            "PENDING",
        ),
    ],
)
def test_a_job_that_has_not_ended(httpserver: HTTPServer, send: Send, dialect: str, reply: str, status: str) -> None:
    task = query(httpserver, send, dialect, reply)
    assert (task.task_id, task.status) == ("t1", status)
    (request, _), *more = httpserver.log
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert more == []


@pytest.mark.parametrize(
    ("dialect", "reply"),
    [
        ("video-tasks", {"output": {"task_status": "SUCCEEDED", "video_url": URL}}),
        ("flat-tasks", {"status": "completed", "result_url": URL}),
        ("video-generations", {"id": "t1", "task_id": "t1", "status": "completed", "metadata": {"url": URL}}),
        ("video-generations", {"task_id": "t1", "status": "succeeded", "url": URL, "metadata": None, "error": None}),
        (
            "video-generations",
            {
                "code": "success",
                "message": "",
                "data": {"id": 9, "task_id": "t1", "status": "SUCCESS", "result_url": URL},
            },
        ),
    ],
)
def test_a_result(httpserver: HTTPServer, send: Send, dialect: str, reply: dict[str, Any]) -> None:
    task = query(httpserver, send, dialect, json.dumps(reply))
    result = task.result(request_id="r-submit")
    assert (result["status"], result["video_url"], result["billed_seconds"]) == ("SUCCEEDED", URL, None)
    assert result["expires_at"] == "2026-11-27T08:06:51+00:00"
    # The trigger's event has DashScope's own shape: who reads it needs no dialect.
    event = json.loads(json.dumps(event_of(task, AwaitedJob(task_id="t1"))))
    assert event["reply"]["output"]["task_id"] == "t1"
    assert event["reply"]["output"]["task_status"] == "SUCCEEDED"
    assert task_of(event).result(request_id="r-submit") == result


@pytest.mark.parametrize(
    ("dialect", "reply"),
    [
        ("video-tasks", {"output": {"task_status": "FAILED", "code": "InvalidFile.FPS", "message": "15 to 60"}}),
        ("flat-tasks", {"status": "failed", "error": {"code": "InvalidFile.FPS", "message": "15 to 60"}}),
        (
            "video-generations",
            {"id": "t1", "status": "failed", "error": {"code": "InvalidFile.FPS", "message": "15 to 60"}},
        ),
    ],
)
def test_a_failure(httpserver: HTTPServer, send: Send, dialect: str, reply: dict[str, Any]) -> None:
    task = query(httpserver, send, dialect, json.dumps(reply))
    with pytest.raises(TaskFailedError, match=r"InvalidFile\.FPS: render job t1 ended FAILED: 15 to 60") as failed:
        task.raise_for_status()
    assert not failed.value.retryable


def test_a_failure_in_plain_words(httpserver: HTTPServer, send: Send) -> None:
    reply = {"code": "success", "data": {"task_id": "t1", "status": "FAILURE", "fail_reason": "no face"}}
    with pytest.raises(TaskFailedError, match="render job t1 ended FAILED: no face"):
        query(httpserver, send, "video-generations", json.dumps(reply)).raise_for_status()


def test_times_of_a_gateway_are_read(httpserver: HTTPServer, send: Send) -> None:
    reply = {"id": "t1", "status": "completed", "created_at": 1795176929, "completed_at": 1795176999}
    task = query(httpserver, send, "video-generations", json.dumps(reply | {"metadata": {"url": "https://h/v.mp4"}}))
    assert task.result()["submitted_at"] == "2026-11-20T12:15:29+00:00"
    assert task.result()["finished_at"] == "2026-11-20T12:16:39+00:00"


@pytest.mark.parametrize(
    ("dialect", "reply"),
    [
        # Another job's result.
        ("video-tasks", '{"output": {"task_id": "t2", "task_status": "SUCCEEDED", "video_url": "https://h/v.mp4"}}'),
        ("flat-tasks", '{"task_id": "t2", "status": "completed", "result_url": "https://h/v.mp4"}'),
        ("flat-tasks", '{"id": "t2", "status": "completed", "result_url": "https://h/v.mp4"}'),
        ("flat-tasks", '{"id": "t1", "task_id": "t2", "status": "completed", "result_url": "https://h/v.mp4"}'),
        ("video-generations", '{"id": "t2", "status": "completed", "metadata": {"url": "https://h/v.mp4"}}'),
        (
            "video-generations",
            '{"code": "success", "data": {"task_id": "t2", "status": "SUCCESS", "url": "https://h/v"}}',
        ),
        # No id where the documentation promises one.
        ("video-generations", '{"status": "completed", "metadata": {"url": "https://h/v.mp4"}}'),
        # An id that is no plain text.
        *[
            (dialect, reply % value)
            for dialect, reply in (
                ("video-tasks", '{"output": {"task_id": %s, "task_status": "RUNNING"}}'),
                ("flat-tasks", '{"task_id": %s, "status": "in_progress"}'),
                ("flat-tasks", '{"id": %s, "status": "in_progress"}'),
                ("video-generations", '{"id": "t1", "task_id": %s, "status": "in_progress"}'),
            )
            for value in ("NaN", "null", "[]", "{}", "true", '"../t1"', '"t1\\u0000"', '""', "1e999")
        ],
        # No status.
        *[
            (dialect, reply % value)
            for dialect, reply in (
                ("video-tasks", '{"output": {"task_status": %s}}'),
                ("flat-tasks", '{"status": %s}'),
                ("video-generations", '{"id": "t1", "status": %s}'),
            )
            for value in ("NaN", "null", "[]", '{"a": 1}', "false", '""')
        ],
        ("video-tasks", '{"output": []}'),
        ("flat-tasks", '{"output": {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "https://h/v.mp4"}}'),
        ("video-generations", '{"code": "success", "data": null}'),
        ("video-generations", "[]"),
    ],
)
def test_a_reply_that_is_no_reply_about_the_job(httpserver: HTTPServer, send: Send, dialect: str, reply: str) -> None:
    with pytest.raises(TransportError):
        query(httpserver, send, dialect, reply)


@pytest.mark.parametrize(
    "url",
    [
        '"javascript:alert(1)"',
        '"file:///etc/passwd"',
        '"s3://c@b/k"',
        "NaN",
        "7",
        '["https://h/v"]',
        '"http://[bad"',
        '""',
    ],
)
@pytest.mark.parametrize(
    ("dialect", "reply"),
    [
        ("video-tasks", '{"output": {"task_status": "SUCCEEDED", "video_url": %s}}'),
        ("flat-tasks", '{"status": "completed", "result_url": %s, "progress": 100, "model": "videoretalk"}'),
        ("video-generations", '{"id": "t1", "status": "completed", "metadata": {"url": %s}, "format": "mp4"}'),
        ("video-generations", '{"task_id": "t1", "status": "completed", "url": %s}'),
    ],
)
def test_a_result_that_is_no_web_address(
    httpserver: HTTPServer, send: Send, dialect: str, reply: str, url: str
) -> None:
    task = query(httpserver, send, dialect, reply % url)
    with pytest.raises(TransportError, match="succeeded, but the reply has no result"):
        task.result()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_at", "NaN"),
        ("created_at", "-1"),
        ("created_at", "1e300"),
        ("completed_at", '"9999-12-31"'),
        ("error", "NaN"),
        ("error", "[[1]]"),
        ("error", '{"code": [1], "message": {"a": 1}}'),
        ("usage", "NaN"),
        ("usage", "7"),
        ("request_id", '"../x"'),
        ("metadata", '"https://h"'),
    ],
)
@pytest.mark.parametrize("dialect", ["flat-tasks", "video-generations"])
@pytest.mark.parametrize("word", ["in_progress", "failed"])
def test_odd_values_beside_the_status_stop_nothing(
    httpserver: HTTPServer, send: Send, dialect: str, word: str, field: str, value: str
) -> None:
    task = query(httpserver, send, dialect, f'{{"id": "t1", "status": "{word}", "{field}": {value}}}')
    assert task.status == {"in_progress": "RUNNING", "failed": "FAILED"}[word]
    assert (task.submitted_at, task.finished_at, task.billed_seconds, task.request_id) == (None, None, None, None)
    json.dumps(event_of(task, AwaitedJob(task_id="t1")), allow_nan=False)
    if word == "failed":
        with pytest.raises(TaskFailedError):
            task.raise_for_status()


@pytest.mark.parametrize(
    ("dialect", "reply"),
    [
        ("video-tasks", {"output": {"task_id": "t1", "task_status": "PENDING"}, "request_id": "r"}),
        ("flat-tasks", {"task_id": "t1", "status": "submitted", "request_id": "r"}),
        ("flat-tasks", {"id": "t1", "status": "submitted", "request_id": "r"}),
        ("flat-tasks", {"output": {"task_id": "t1", "task_status": "PENDING"}, "request_id": "r"}),
        ("video-generations", {"task_id": "t1", "status": "queued", "request_id": "r"}),
        ("video-generations", {"id": "t1", "object": "video", "status": "queued", "request_id": "r"}),
        ("video-generations", {"code": "success", "data": {"task_id": "t1", "status": "QUEUED"}, "request_id": "r"}),
    ],
)
def test_a_submit(httpserver: HTTPServer, send: Send, dialect: str, reply: dict[str, Any]) -> None:
    httpserver.expect_request(SUBMITTED[dialect], method="POST").respond_with_json(reply)
    submission = send(endpoint(httpserver, dialect), SUBMIT)
    assert (submission.task_id, submission.status, submission.request_id) == ("t1", "PENDING", "r")
    (request, _), *more = httpserver.log
    assert more == []
    body = json.loads(request.data)
    fields = body["metadata"] if dialect == "video-generations" else body
    assert body["model"] == "videoretalk"
    assert fields["input"] == {"video_url": "https://h/v.mp4", "audio_url": "https://h/a.wav"}
    assert "parameters" in fields


@every_gateway
@pytest.mark.parametrize(
    "reply",
    [
        '{"output": {"task_id": "../pwn", "task_status": "PENDING"}, "task_id": "../pwn", "status": "queued"}',
        '{"output": {"task_id": NaN}, "task_id": NaN, "status": "queued"}',
        '{"output": {}, "status": "queued"}',
        '{"error": {"message": "upstream failed"}}',
        "<html>ok</html>",
    ],
)
def test_the_outcome_of_a_submit_without_a_usable_id_is_unknown(
    httpserver: HTTPServer, send: Send, dialect: str, reply: str
) -> None:
    httpserver.expect_request(SUBMITTED[dialect], method="POST").respond_with_data(reply)
    with pytest.raises(OutcomeUnknownError):
        send(endpoint(httpserver, dialect), SUBMIT)


@every_gateway
def test_a_submit_that_is_refused_is_no_unknown_outcome(httpserver: HTTPServer, send: Send, dialect: str) -> None:
    body = {"error": {"code": "model_not_found", "message": "no channel for the model", "type": "new_api_error"}}
    httpserver.expect_request(SUBMITTED[dialect], method="POST").respond_with_json(body, status=404)
    with pytest.raises(RequestError, match="no channel for the model"):
        send(endpoint(httpserver, dialect), SUBMIT)


@every_gateway
@pytest.mark.parametrize(
    ("request_", "route"),
    [
        (list_tasks(), "the list of render jobs"),
        (cancel_task("t1"), "cancelling"),
        (get_upload_policy(model="videoretalk"), "uploads"),
    ],
    ids=["list", "cancel", "upload"],
)
def test_a_route_that_a_gateway_does_not_have_is_not_tried(
    httpserver: HTTPServer, send: Send, dialect: str, request_: Any, route: str
) -> None:
    with pytest.raises(RequestError, match=f"a gateway of the dialect '{dialect}' has no route for {route}") as refused:
        send(endpoint(httpserver, dialect), request_)
    # As if the gateway had answered so: callers that go on without the route go on.
    assert (refused.value.status, refused.value.retryable) == (404, False)
    assert httpserver.log == []


def test_an_id_is_one_part_of_the_path(httpserver: HTTPServer, send: Send) -> None:
    with pytest.raises(DashScopeError):
        send(endpoint(httpserver, "flat-tasks"), get_task("../../admin?x=1"))
    (request, _), *_ = httpserver.log
    assert request.environ["RAW_URI"].replace("%3D", "=") == "/v1/tasks/..%2F..%2Fadmin%3Fx=1"


@pytest.mark.parametrize("dialect", ["", "DashScope", "wan", 7, ["flat-tasks"], None])
def test_an_unknown_dialect_is_refused(dialect: object) -> None:
    allowed = "allowed is dashscope, video-tasks, flat-tasks, video-generations"
    with pytest.raises(ConfigurationError, match=allowed):
        Endpoint(api_key=KEY, dialect=dialect)  # type: ignore[arg-type]


def test_dashscopes_own_routes_are_the_default(httpserver: HTTPServer, send: Send) -> None:
    reply = {"output": {"task_id": "t1", "task_status": "PRE-PROCESSING"}}
    httpserver.expect_request("/qwen/api/v1/tasks/t1", method="GET").respond_with_json(reply)
    task = send(Endpoint(api_key=KEY, base_url=httpserver.url_for("/qwen/api/v1")), get_task("t1"))
    assert (task.status, task.stage, task.payload) == ("RUNNING", "PRE-PROCESSING", reply)
