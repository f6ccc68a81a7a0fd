from __future__ import annotations

import asyncio
import re

import pytest
from connections import API_KEY, connect
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.endpoint import BEIJING, Endpoint
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook


@pytest.fixture(params=["sync", "async"])
def endpoint_of(request: pytest.FixtureRequest):
    """How the hook understands the connection, by both of its ways to look it up."""

    async def of_async_client(hook: DashScopeHook) -> Endpoint:
        return (await hook.get_async_client()).endpoint

    if request.param == "sync":
        return lambda hook: hook.client.endpoint
    return lambda hook: asyncio.run(of_async_client(hook))


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        (None, BEIJING),
        ("https://gateway.example/qwen/api/v1", "https://gateway.example/qwen/api/v1"),
        ("dashscope.aliyuncs.com", BEIJING),
        ("gateway.example/qwen/api/v1", "https://gateway.example/qwen/api/v1"),
    ],
)
def test_host(monkeypatch: pytest.MonkeyPatch, endpoint_of, host: str | None, base_url: str) -> None:
    connect(monkeypatch, host=host)
    assert endpoint_of(DashScopeHook()) == Endpoint(api_key=API_KEY, base_url=base_url)


def test_uri_connection(monkeypatch: pytest.MonkeyPatch, endpoint_of) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", "dashscope://:sk-uri@127.0.0.1:8098/http?workspace=ws-1")
    expected = Endpoint(api_key="sk-uri", base_url="http://127.0.0.1:8098", workspace="ws-1")
    assert endpoint_of(DashScopeHook("mine")) == expected


def test_uri_connection_of_a_gateway(monkeypatch: pytest.MonkeyPatch, endpoint_of) -> None:
    uri = "dashscope://:sk-uri@gateway.example/qwen/api/v1?queries_per_second=10&verify=false"
    monkeypatch.setenv("AIRFLOW_CONN_MINE", uri)
    assert endpoint_of(DashScopeHook("mine")) == Endpoint(
        api_key="sk-uri", base_url="https://gateway.example/qwen/api/v1", queries_per_second=10, verify=False
    )


@pytest.mark.parametrize("extra", [{"queries_per_second": "many"}, {"verify": "/no/such/bundle.pem"}])
def test_unusable_extras(monkeypatch: pytest.MonkeyPatch, endpoint_of, extra: dict[str, object]) -> None:
    connect(monkeypatch, host=None, **extra)
    with pytest.raises(ConfigurationError):
        endpoint_of(DashScopeHook())


def test_what_it_inherits_but_must_not_do() -> None:
    with pytest.raises(NotImplementedError, match=r"hook\.client\.send"):
        DashScopeHook().run("tasks")


def test_extras_are_allow_listed_and_null_is_missing(monkeypatch: pytest.MonkeyPatch, endpoint_of) -> None:
    connect(
        monkeypatch,
        host=None,
        workspace="ws-1",
        queries_per_second=5,
        verify=None,
        proxy="",
        secret_thing="hunter2",
    )
    hook = DashScopeHook()
    assert endpoint_of(hook) == Endpoint(api_key=API_KEY, workspace="ws-1", queries_per_second=5)
    assert "hunter2" not in str(hook.get_conn().headers)


def test_no_default_connection_falls_back_to_the_environment(monkeypatch: pytest.MonkeyPatch, endpoint_of) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-env")
    assert endpoint_of(DashScopeHook()) == Endpoint(api_key="sk-env")
    with pytest.raises(ConfigurationError, match="there is no connection 'named'"):
        endpoint_of(DashScopeHook("named"))


def test_no_connection_at_all(monkeypatch: pytest.MonkeyPatch, endpoint_of) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=r"no connection 'dashscope_default'\. Add it .*DASHSCOPE_API_KEY"):
        endpoint_of(DashScopeHook())


def test_a_half_filled_connection_is_refused(monkeypatch: pytest.MonkeyPatch, endpoint_of) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-env")
    connect(monkeypatch, host="https://gateway.example", password=None)
    with pytest.raises(ConfigurationError, match=r"'dashscope_default' has no API key\. Put the DashScope API key"):
        endpoint_of(DashScopeHook())


def test_connection_test_tells_what_the_endpoint_has(connection: str) -> None:
    works, message = DashScopeHook(connection).test_connection()
    assert works
    assert "accepts the key. Region: a gateway, or another endpoint. Workspace: the account's own." in message
    assert re.search(r"list: yes, cancel: yes, upload: yes; \d+ tasks wait in the account's queue\.$", message)


def test_connection_test_on_a_gateway_without_list(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/v1/tasks").respond_with_data("404 page not found", status=404)
    httpserver.expect_request(re.compile("/api/v1/tasks/[^/]+$")).respond_with_json(
        {"request_id": "r", "output": {"task_id": "x", "task_status": "UNKNOWN"}}
    )
    httpserver.expect_request(re.compile("/api/v1/.+")).respond_with_data("404 page not found", status=404)
    connect(monkeypatch, host=httpserver.url_for("/api/v1"), workspace="ws-1")
    works, message = DashScopeHook().test_connection()
    assert works
    assert message.endswith("Workspace: ws-1. list: no, cancel: no, upload: no.")


@pytest.mark.parametrize(("status", "code"), [(401, "InvalidApiKey"), (429, "Throttling.RateQuota")])
def test_connection_test_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer, status: int, code: str
) -> None:
    httpserver.expect_request("/api/v1/tasks").respond_with_json({"code": code, "message": "m"}, status=status)
    connect(monkeypatch, host=httpserver.url_for("/api/v1"))
    works, message = DashScopeHook().test_connection()
    assert not works
    assert code in message


def test_connection_test_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    works, message = DashScopeHook("none").test_connection()
    assert not works
    assert "there is no connection 'none'" in message
