"""Before the first submit, an unknown render job is queried: which answers prove a route, and which refute it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    ConfigurationError,
    DashScopeError,
    RequestError,
    ServerError,
    ThrottledError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.rate_limiter import RateLimiter
from airflow_provider_videoretalk.dashscope.task_route import TaskRoute, check_task_route

PAGE = "<html><head><title>404 Not Found</title></head><body>nginx</body></html>"
UNKNOWN = '{"request_id": "r", "output": {"task_id": "%s", "task_status": "UNKNOWN"}}'
QUERIES = {
    "dashscope": r"/qwen/api/v1/tasks/[0-9a-f-]{36}",
    "video-tasks": r"/qwen/api/v1/tasks/video/[0-9a-f-]{36}",
    "flat-tasks": r"/v1/tasks/[0-9a-f-]{36}",
    "video-generations": r"/v1/video/generations/[0-9a-f-]{36}",
}


def answer(server: HTTPServer, dialect: str, body: str, *, status: int = 200) -> Client:
    """A client of an endpoint that answers its queries so; a ``%s`` in the body is the id, a ``%p`` the path."""

    def reply(request: Request) -> Response:
        text = body.replace("%p", request.path).replace("%s", request.path.rpartition("/")[2])
        return Response(text, status=status, content_type="text/html" if text.startswith("<") else "application/json")

    server.expect_request(re.compile(QUERIES[dialect]), method="GET").respond_with_handler(reply)
    endpoint = Endpoint(api_key="sk-1", base_url=server.url_for("/qwen/api/v1"), dialect=dialect)  # type: ignore[arg-type]
    return Client(endpoint)


@pytest.mark.parametrize(
    ("dialect", "status", "body"),
    [
        ("dashscope", 200, UNKNOWN),
        ("dashscope", 200, UNKNOWN.replace("UNKNOWN", "FAILED")),
        ("dashscope", 400, '{"code": "InvalidParameter", "message": "The task_id is invalid."}'),
        ("dashscope", 404, '{"code": "NotFound", "message": "The task does not exist or has expired."}'),
        ("dashscope", 200, '{"code": "TaskNotFound", "message": ""}'),
        ("video-tasks", 200, UNKNOWN),
        ("video-tasks", 200, '{"output": {"task_status": "UNKNOWN"}}'),
        ("video-tasks", 404, '{"code": "404", "message": "Unknown task / 任务不存在"}'),
        ("flat-tasks", 404, '{"error": {"code": "task_not_found", "message": "Task not found"}}'),
        ("flat-tasks", 200, '{"status": "failed", "error": {"code": "task_not_found", "message": "no such task: %s"}}'),
        ("flat-tasks", 403, '{"error": {"message": "task %s cannot be found for this key"}}'),
        # As the software of these gateways answers.
        ("video-generations", 400, '{"code": "task_not_exist", "message": "task_not_exist", "data": null}'),
        ("video-generations", 500, '{"code": "get_task_failed", "message": "record not found", "data": null}'),
    ],
)
def test_the_route_exists(httpserver: HTTPServer, dialect: str, status: int, body: str) -> None:
    with answer(httpserver, dialect, body, status=status) as client:
        check_task_route(client)
    assert [request.method for request, _ in httpserver.log] == ["GET"]


@pytest.mark.parametrize("dialect", list(QUERIES))
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, PAGE),
        (404, ""),
        (404, "404 page not found"),
        (404, '{"code": "NotFound", "message": "The requested resource does not exist.", "request_id": "r"}'),
        (
            404,
            '{"error": {"message": "Invalid URL (GET %p)", "type": "invalid_request_error", "param": "", "code": ""}}',
        ),
        (404, '{"message": "Cannot GET %p: task route not found"}'),
        (404, '{"detail": "Not Found"}'),
        (404, '{"message": "no Route matched with those values"}'),
        (404, '{"message": "The requested URL https://h%p was not found. The task is unknown."}'),
        (405, '{"detail": "Method Not Allowed"}'),
        (405, PAGE),
        (410, ""),
        (501, '{"code": "not_implemented", "message": "not_implemented"}'),
        # The vendor's answer to a path that is wrong for a model.
        (400, '{"code": "InvalidParameter", "message": "url error, please check url!", "request_id": "r"}'),
        # A web application that answers every path with its page, or with its greeting.
        (200, PAGE),
        (200, ""),
        (200, "{}"),
        (200, "[]"),
        (200, '{"status": "ok"}'),
        (200, '{"status": "error", "message": "no such page"}'),
        (200, '{"data": null, "code": "success"}'),
        (200, '{"code": "error", "message": "unknown path"}'),
        (200, '{"output": {"task_id": "%s", "task_status": "hello"}, "id": "%s", "status": "hello"}'),
    ],
)
def test_the_route_does_not_exist(httpserver: HTTPServer, dialect: str, status: int, body: str) -> None:
    with answer(httpserver, dialect, body, status=status) as client, pytest.raises(ConfigurationError) as refused:
        check_task_route(client)
    assert not refused.value.retryable
    path = {
        "dashscope": "/qwen/api/v1/tasks/{id}",
        "video-tasks": "/qwen/api/v1/tasks/video/{id}",
        "flat-tasks": "/v1/tasks/{id}",
        "video-generations": "/v1/video/generations/{id}",
    }[dialect]
    text = str(refused.value)
    assert f"could not be queried at {httpserver.url_for(path)}: " in text
    assert "Nothing was submitted." in text
    assert "as in https://gateway.example/qwen/api/v1" in text
    assert 'its extra dialect, as in {"dialect": "video-tasks"}' in text
    assert f"The dialect is {dialect}; others are " in text


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("dashscope", '{"status": "in_progress", "task_id": "%s"}'),
        ("dashscope", '{"code": "success", "data": {"task_id": "%s", "status": "QUEUED"}}'),
        ("video-tasks", '{"status": "in_progress", "task_id": "%s"}'),
        ("flat-tasks", UNKNOWN),
        ("video-generations", UNKNOWN),
    ],
)
def test_a_reply_in_another_dialect_proves_nothing(httpserver: HTTPServer, dialect: str, body: str) -> None:
    with answer(httpserver, dialect, body) as client, pytest.raises(ConfigurationError, match="unexpected shape"):
        check_task_route(client)


@pytest.mark.parametrize("dialect", list(QUERIES))
@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (500, '{"code": "InternalError", "message": "m"}', ServerError, True),
        (200, '{"code": "InternalError", "message": "algorithm process error."}', ServerError, True),
        (503, '{"code": "ServiceUnavailable", "message": "m"}', ServerError, True),
        (502, "<html>502 Bad Gateway</html>", TransportError, True),
        (504, "", TransportError, True),
        (408, "", TransportError, True),
        (429, '{"code": "Throttling.RateQuota", "message": "m"}', ThrottledError, True),
        (429, "<html>slow down</html>", ThrottledError, True),
        (401, '{"code": "InvalidApiKey", "message": "m"}', AccessError, False),
        (403, "<html>forbidden</html>", AccessError, False),
        (404, '{"code": "WorkSpaceNotFound", "message": "m"}', AccessError, False),
        (301, "", RequestError, False),
    ],
)
def test_an_answer_that_says_nothing_of_the_route_is_raised(
    httpserver: HTTPServer, dialect: str, status: int, body: str, kind: type[DashScopeError], retryable: bool
) -> None:
    with answer(httpserver, dialect, body, status=status) as client, pytest.raises(kind) as raised:
        check_task_route(client)
    assert type(raised.value) is kind
    assert raised.value.retryable is retryable


def test_an_answer_about_another_job_is_no_proof(httpserver: HTTPServer) -> None:
    body = '{"output": {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "https://h/v.mp4"}}'
    with answer(httpserver, "dashscope", body) as client, pytest.raises(TransportError, match="about render job 't1'"):
        check_task_route(client)


def test_an_endpoint_that_cannot_be_reached() -> None:
    endpoint = Endpoint(api_key="sk-1", base_url="http://127.0.0.1:9")
    with Client(endpoint) as client, pytest.raises(TransportError) as raised:
        check_task_route(client)
    assert raised.value.retryable


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_route_is_tried_once_an_hour(httpserver: HTTPServer) -> None:
    clock = Clock()
    route = TaskRoute(clock=clock)
    with answer(httpserver, "dashscope", UNKNOWN) as client:
        for moment in (0.0, 1.0, 3599.0):
            clock.now = moment
            route.check(client)
        assert len(httpserver.log) == 1
        clock.now = 3600.0
        route.check(client)
        route.check(client)
    assert len(httpserver.log) == 2
    ids = {request.path for request, _ in httpserver.log}
    assert len(ids) == 2


def test_a_failure_is_not_remembered(httpserver: HTTPServer) -> None:
    route = TaskRoute()
    replies = [Response(PAGE, status=404), Response(PAGE, status=502), None]

    def reply(request: Request) -> Response:
        response = replies.pop(0)
        return response or Response(json.dumps(json.loads(UNKNOWN % request.path.rpartition("/")[2])))

    httpserver.expect_request(re.compile(QUERIES["dashscope"])).respond_with_handler(reply)
    with Client(Endpoint(api_key="sk-1", base_url=httpserver.url_for("/qwen/api/v1"))) as client:
        with pytest.raises(ConfigurationError):
            route.check(client)
        with pytest.raises(TransportError):
            route.check(client)
        route.check(client)
        route.check(client)
    assert len(httpserver.log) == 3


def test_threads_that_check_at_once_send_one_query(httpserver: HTTPServer) -> None:
    arrived, released = threading.Event(), threading.Event()

    def reply(request: Request) -> Response:
        arrived.set()
        released.wait(10)
        return Response(UNKNOWN % request.path.rpartition("/")[2])

    httpserver.expect_request(re.compile(QUERIES["dashscope"])).respond_with_handler(reply)
    endpoint = Endpoint(api_key="sk-1", base_url=httpserver.url_for("/qwen/api/v1"))
    route = TaskRoute()

    def check() -> None:
        with Client(endpoint) as client:
            route.check(client)

    with ThreadPoolExecutor(4) as threads:
        checks = [threads.submit(check) for _ in range(4)]
        assert arrived.wait(10)
        released.set()
        for done in checks:
            done.result(timeout=10)
    assert len(httpserver.log) == 1


def test_the_query_takes_its_turn_in_the_accounts_rate(httpserver: HTTPServer) -> None:
    turns: list[float] = []
    limiter = RateLimiter(1000)
    reserve: Callable[[], float] = limiter.reserve
    limiter.reserve = lambda: turns.append(reserve()) or 0.0  # type: ignore[method-assign,func-returns-value]
    with answer(httpserver, "dashscope", UNKNOWN) as plain, Client(plain.endpoint, rate_limiter=limiter) as client:
        check_task_route(client)
    assert len(turns) == 1
