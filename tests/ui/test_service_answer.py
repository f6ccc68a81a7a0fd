"""Every way in which the service cannot be asked, and what a page says of it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from connections import API_KEY, connect
from fastapi.testclient import TestClient
from system.waiting import until
from video_rows import Row

from airflow_provider_videoretalk.ui import service_status

DAG = "videoretalk_quickstart"
STATUS = f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1/status"

Runs = Callable[..., None]
Login = Callable[..., TestClient]


@pytest.fixture
def page(runs: Runs, login: Login) -> Callable[[], str]:
    runs(DAG, one=[Row(task_id="retalk", state="deferred", xcoms={"dashscope_task_id": "job-1"})])
    return lambda: str(login(DAG).get(STATUS).text)


@pytest.mark.parametrize(
    ("status", "reply", "sentence"),
    [
        (
            401,
            {"code": "InvalidApiKey", "message": "No such key."},
            "The service refuses the key of the connection &#39;dashscope_default&#39;: No such key.",
        ),
        (403, {"code": "AccessDenied", "message": "No."}, "The service refuses the key of the connection"),
        (429, {"code": "Throttling", "message": "Slower."}, "The service refuses further requests for now"),
        (500, {"code": "InternalError", "message": "Oops."}, "The service failed: Oops."),
        (502, "<html>Bad gateway</html>", "The service failed: the endpoint answered"),
        (404, {"code": "NotFound", "message": "No route."}, "The service refuses the query: No route."),
        (200, "<html>Log in to the network</html>", "is not one of the service"),
        (200, {"output": {"task_status": "RUNNING"}}, "is not one of the service"),
        (200, {"output": {"task_id": "job-2", "task_status": "RUNNING"}}, "is not one of the service"),
    ],
)
def test_what_the_service_answers(
    status: int, reply: Any, sentence: str, page: Callable[[], str], service: Any
) -> None:
    handler = service.expect_request("/api/v1/tasks/job-1")
    if isinstance(reply, str):
        handler.respond_with_data(reply, status=status, content_type="text/html")
    else:
        handler.respond_with_json(reply, status=status)
    text = page()
    assert "The status cannot be read from the service." in text
    assert sentence in text
    assert API_KEY not in text
    # It is shown to the second reader as well, who may not ask anew.
    assert sentence in page()


def test_no_connection(page: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_DASHSCOPE_DEFAULT", raising=False)
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    text = page()
    assert "There is no connection &#39;dashscope_default&#39; that the API server can read." in text
    assert "Add it with type" in text


@pytest.mark.parametrize(
    ("host", "password", "sentence"),
    [
        ("https://dashscope.aliyuncs.com", None, "has no API key"),
        ("ftp://person:secret@gateway.example.com/", API_KEY, "is not an http(s) URL"),
        ("https://person:secret@gateway.example.com/", API_KEY, "contains a user name"),
    ],
)
def test_a_connection_that_is_not_usable(
    host: str, password: str | None, sentence: str, page: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, host=host, password=password)
    text = page()
    assert "The connection &#39;dashscope_default&#39; is not usable: " in text
    assert sentence in text
    assert "secret" not in text


def test_a_host_that_refuses(page: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        connect(monkeypatch, host=f"http://127.0.0.1:{closed.getsockname()[1]}/api/v1")
        text = page()
    assert "The service cannot be reached from the API server: the connection was refused." in text
    assert "127.0.0.1" not in text


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connect(monkeypatch, host=f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1")
        monkeypatch.setattr(service_status._QUESTIONS, "seconds", 0.2)
        yield
    # The question fails now, which the next test must not hear of.
    until(lambda: not service_status._QUESTIONS._running, what="the question ends", within=60)


@pytest.mark.usefixtures("silent")
def test_a_service_that_does_not_answer(page: Callable[[], str]) -> None:
    assert "The service does not answer within some seconds." in page()


def test_the_queue_names_the_cause_too(page: Callable[[], str], login: Login, service: Any) -> None:
    service.expect_request("/api/v1/tasks").respond_with_json({"code": "InvalidApiKey", "message": "No."}, status=401)
    text = login(DAG).get("/videoretalk/queue").text
    assert "The account's queue cannot be read." in text
    assert "The service refuses the key" in text
