"""What is said of a connection and its key, by a service that answers in many ways."""

from __future__ import annotations

import re
from typing import Any

import pytest
from connections import connect
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.health.endpoint_health import endpoint_findings
from airflow_provider_videoretalk.health.report import Finding
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook


def found(conn_id: str = "dashscope_default") -> tuple[Finding, Finding]:
    connection, key = endpoint_findings(DashScopeHook(conn_id))
    assert (connection.part, key.part, connection.subject, key.subject) == ("connection", "key", conn_id, conn_id)
    return connection, key


def test_a_service_that_accepts_the_key(service: HTTPServer) -> None:
    body = {"request_id": "r", "total": 7, "data": [], "page_no": 1, "page_size": 1, "total_page": 7}
    service.expect_request("/api/v1/tasks/").respond_with_json(body)
    service.expect_request("/api/v1/tasks").respond_with_json(body)
    connection, key = found()
    assert (connection.state, key.state) == ("well", "well")
    assert key.sentence.startswith("The service accepts the key of 'dashscope_default'.")
    assert not [request for request, _ in service.log if "video-synthesis" in request.path], "nothing is submitted"


@pytest.mark.parametrize(
    ("status", "code", "state", "words"),
    [
        (401, "InvalidApiKey", "unwell", "The service refuses the key of 'mine': Invalid API-key provided."),
        (429, "Throttling.RateQuota", "well", "The service throttles the account of 'mine', and so knows its key."),
        (500, "InternalError", "unwell", "The service does not answer 'mine': Invalid API-key provided."),
    ],
)
def test_how_the_service_answers(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, status: int, code: str, state: str, words: str
) -> None:
    connect(monkeypatch, name="mine", host=httpserver.url_for("/api/v1"), queries_per_second=1000)
    body: dict[str, Any] = {"code": code, "message": "Invalid API-key provided.", "request_id": "r"}
    httpserver.expect_request(re.compile(".*")).respond_with_json(body, status=status)
    connection, key = found("mine")
    assert (connection.state, key.state, key.sentence) == ("well", state, words)


def test_a_connection_that_is_not_there() -> None:
    connection, key = found("none_such")
    assert (connection.state, key.state) == ("unwell", "unknown")
    assert "there is no connection 'none_such' that Airflow can read" in connection.sentence
    assert connection.remedy.startswith("Add it with type 'dashscope'")


def test_a_connection_with_a_setting_that_cannot_be_used(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, host=service.url_for("/api/v1"), poll_interval="soon")
    connection, key = found()
    assert (connection.state, key.state) == ("unwell", "unknown")
    assert "poll_interval" in connection.sentence
    assert service.log == []


@pytest.mark.parametrize("host", ["ftp://user:hunter22pass@h/api", "http://user:hunter22pass@h:port/api"])
def test_a_login_in_the_host_is_not_shown(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    connect(monkeypatch, host=host)
    connection, _ = found()
    assert connection.state == "unwell"
    assert "hunter22pass" not in connection.sentence


def test_an_error_of_airflow_itself_is_named_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("postgresql://airflow:secret@db/airflow")

    monkeypatch.setattr(DashScopeHook, "get_connection", fail)
    connection, _ = found()
    assert connection.state == "unwell"
    assert "RuntimeError" in connection.sentence
    assert "secret" not in connection.sentence
