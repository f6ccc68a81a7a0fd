"""Both clients tell an observer once how each request has ended."""

from __future__ import annotations

import asyncio

import pytest
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.async_client import AsyncClient
from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import cancel_task, get_task, submit_task
from airflow_provider_videoretalk.dashscope.task_list import list_tasks
from airflow_provider_videoretalk.dashscope.temporary_storage import get_upload_policy

PATH = "/api/v1/tasks/t"
ANSWER = {"output": {"task_id": "t", "task_status": "RUNNING"}}


def told(endpoint: Endpoint, request: Request[object], *, synchronous: bool) -> list[tuple[str, str]]:
    notes: list[tuple[str, str]] = []

    def note(route: str, outcome: str) -> None:
        notes.append((route, outcome))

    async def send() -> None:
        async with AsyncClient(endpoint, note_request=note) as client:
            await client.send(request)

    try:
        if synchronous:
            with Client(endpoint, note_request=note) as client:
                client.send(request)
        else:
            asyncio.run(send())
    except DashScopeError:
        pass
    return notes


@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, ANSWER, "answered"),
        (429, {"code": "Throttling.RateQuota", "message": "m"}, "throttled"),
        (400, {"code": "InvalidParameter", "message": "m"}, "refused"),
        (401, {"code": "InvalidApiKey", "message": "m"}, "refused"),
        (500, {"code": "InternalError", "message": "m"}, "failed"),
    ],
)
def test_how_it_ended(httpserver: HTTPServer, synchronous: bool, status: int, body: object, outcome: str) -> None:
    httpserver.expect_request(PATH).respond_with_json(body, status=status)
    endpoint = Endpoint(api_key="sk-x", base_url=httpserver.url_for("/api/v1"))
    assert told(endpoint, get_task("t"), synchronous=synchronous) == [("query", outcome)]


@pytest.mark.parametrize("synchronous", [True, False])
def test_no_reply(synchronous: bool) -> None:
    endpoint = Endpoint(api_key="sk-x", base_url="http://127.0.0.1:9/api/v1")
    assert told(endpoint, get_task("t"), synchronous=synchronous) == [("query", "no_reply")]


@pytest.mark.parametrize(
    ("request_", "route"),
    [
        (submit_task(path="services/x", model="m", inputs={}, parameters={}), "submit"),
        (list_tasks(), "list"),
        (cancel_task("t"), "cancel"),
        (get_upload_policy(model="m"), "upload"),
        (Request(method="GET", path="other", parse=dict), "other"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_routes(request_: Request[object], route: str) -> None:
    endpoint = Endpoint(api_key="sk-x", base_url="http://127.0.0.1:9/api/v1")
    assert told(endpoint, request_, synchronous=True) == [(route, "no_reply")]
