from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook, Connection
from connections import API_KEY, connect
from pytest_httpserver import HTTPServer
from werkzeug import Response

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.endpoint_probe import region_of
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

BEIJING = "https://dashscope.aliyuncs.com/api/v1"


@pytest.fixture(params=["sync", "async", "async before Airflow 3.3.2"])
def endpoint_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """The endpoint that the hook makes of the connection, by each of its ways to read the connection."""
    if request.param == "async before Airflow 3.3.2":
        monkeypatch.delattr(Connection, "aextra_dejson", raising=False)
        monkeypatch.delattr(BaseHook, "aget_connection")

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


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            {"queries_per_second": "many"},
            "the extra 'queries_per_second' of the connection 'dashscope_default' is 'many'",
        ),
        ({"verify": "/no/such/bundle.pem"}, "'/no/such/bundle.pem'"),
        ({"dialect": "wan"}, "the dialect is 'wan', allowed is dashscope, video-tasks, flat-tasks, video-generations"),
    ],
)
def test_unusable_extras(monkeypatch: pytest.MonkeyPatch, endpoint_of, extra: dict[str, object], message: str) -> None:
    connect(monkeypatch, host=None, **extra)
    with pytest.raises(ConfigurationError, match=message):
        endpoint_of(DashScopeHook())


@pytest.mark.parametrize("extra", ["{", "[1]"])
def test_extra_must_be_a_json_object(monkeypatch: pytest.MonkeyPatch, endpoint_of, extra: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "dashscope", "password": "sk-1", "extra": extra}))
    # Airflow 3.1 fails to read such a connection, and says that it is not defined.
    message = "the extra of the connection 'mine' is not a JSON object|no connection 'mine' that Airflow can read"
    with pytest.raises(ConfigurationError, match=message):
        endpoint_of(DashScopeHook("mine"))


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
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_videoretalk.hooks.dashscope.mask_secret", masked.append)
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-env")
    assert endpoint_of(DashScopeHook()) == Endpoint(api_key="sk-env")
    assert masked == ["sk-env"], "Airflow masks only what is in a connection"
    with pytest.raises(ConfigurationError, match="there is no connection 'named'"):
        endpoint_of(DashScopeHook("named"))


def test_no_connection_at_all(monkeypatch: pytest.MonkeyPatch, endpoint_of) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    message = r"no connection 'dashscope_default' that Airflow can read\. Add it .*DASHSCOPE_API_KEY"
    with pytest.raises(ConfigurationError, match=message):
        endpoint_of(DashScopeHook())


def test_a_half_filled_connection_is_refused(monkeypatch: pytest.MonkeyPatch, endpoint_of) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-env")
    connect(monkeypatch, host="https://gateway.example", password=None)
    with pytest.raises(ConfigurationError, match=r"'dashscope_default' has no API key\. Put the DashScope API key"):
        endpoint_of(DashScopeHook())


def test_connection_test_names_capabilities(connection: str) -> None:
    works, message = DashScopeHook(connection).test_connection()
    assert works
    assert (
        "accepts the key. Dialect: dashscope. Region: a gateway, or another endpoint. Workspace: the account" in message
    )
    assert re.search(r"list: yes, cancel: yes, upload: yes; \d+ render jobs in the account's queue\.$", message)


def test_connection_test_on_a_gateway_without_list(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/v1/tasks").respond_with_data("404 page not found", status=404)
    httpserver.expect_request(re.compile("/api/v1/tasks/[^/]+$")).respond_with_handler(
        lambda request: Response(
            json.dumps({"output": {"task_id": request.path.rpartition("/")[2], "task_status": "UNKNOWN"}})
        )
    )
    httpserver.expect_request(re.compile("/api/v1/.+")).respond_with_data("404 page not found", status=404)
    connect(monkeypatch, host=httpserver.url_for("/api/v1"), workspace="ws-1")
    works, message = DashScopeHook().test_connection()
    assert works
    assert message.endswith("Workspace: ws-1. list: no, cancel: no, upload: no.")


@pytest.mark.parametrize(("status", "code"), [(401, "InvalidApiKey"), (429, "Throttling.RateQuota")])
def test_connection_test_reports_errors(
    monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer, status: int, code: str
) -> None:
    tasks = re.compile("/api/v1/tasks(/.*)?$")
    httpserver.expect_request(tasks).respond_with_json({"code": code, "message": "m"}, status=status)
    connect(monkeypatch, host=httpserver.url_for("/api/v1"))
    works, message = DashScopeHook().test_connection()
    assert not works
    assert code in message


def test_connection_test_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    works, message = DashScopeHook("none").test_connection()
    assert not works
    assert "there is no connection 'none'" in message


@pytest.mark.parametrize("gateway", ["video-tasks", "flat-tasks", "video-generations"])
@pytest.mark.parametrize("given", ["dashscope", "video-tasks", "flat-tasks", "video-generations"])
def test_connection_test_finds_the_dialect(monkeypatch: pytest.MonkeyPatch, gateway: Any, given: str) -> None:
    with Emulator(EmulatorSettings(port=0, gateway=gateway), engine=FakeEngine()) as emulator:
        connect(monkeypatch, host=emulator.base_url, dialect=given)
        works, message = DashScopeHook().test_connection()
        assert works is (given == gateway)
        assert not any(entry["method"] == "POST" for entry in emulator.state.requests)
    if works:
        assert f"Dialect: {gateway}. " in message
        assert message.endswith("list: no, cancel: no, upload: no.")
    else:
        assert f'another dialect. Set the connection\'s extra {{"dialect": "{gateway}"}}.' in message


def test_connection_test_below_a_wrong_prefix(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    connect(monkeypatch, host=f"{emulator.url}/compatible-mode/v1")
    works, message = DashScopeHook().test_connection()
    assert not works
    assert f"could not be queried at {emulator.url}/compatible-mode/v1/tasks/{{id}}: HTTP 404" in message
    assert "as in https://gateway.example/qwen/api/v1" in message


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("https://dashscope-intl.aliyuncs.com/api/v1", "Singapore"),
        ("https://DASHSCOPE-INTL.aliyuncs.com.:443", "Singapore"),
        ("https://llm-1.ap-southeast-1.maas.aliyuncs.com/api/v1", "Singapore"),
        ("https://vpc-ap-southeast-1.dashscope.aliyuncs.com", "Singapore"),
        ("https://dashscope-us.aliyuncs.com", "Virginia"),
        ("https://llm-1.us-east-1.maas.aliyuncs.com", "Virginia"),
        ("https://cn-hongkong.dashscope.aliyuncs.com", "Hong Kong"),
        ("https://llm-1.eu-central-1.maas.aliyuncs.com", "Frankfurt"),
        ("https://llm-1.ap-northeast-1.maas.aliyuncs.com", "Tokyo"),
        ("https://llm-1.sa-east-1.maas.aliyuncs.com", "another region"),
        ("https://dashscope-finance.aliyuncs.com", "another region"),
    ],
)
def test_connection_test_fails_where_videoretalk_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, host: str, region: str
) -> None:
    # A request would fail too, but with another message: this process cannot reach the service.
    connect(monkeypatch, host=host, proxy="http://127.0.0.1:9")
    works, message = DashScopeHook().test_connection()
    assert not works
    assert f"is the vendor's endpoint in {region}, where VideoRetalk cannot be used" in message
    assert "VideoRetalk is in Beijing only: use https://dashscope.aliyuncs.com/api/v1" in message


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("https://dashscope.aliyuncs.com/api/v1", "Beijing"),
        ("https://llm-1.cn-beijing.maas.aliyuncs.com/api/v1", "Beijing"),
        ("https://vpc-cn-beijing.dashscope.aliyuncs.com", "Beijing"),
        ("https://gateway.example/qwen/api/v1", None),
        ("https://dashscope-intl.aliyuncs.com.gateway.example", None),
        ("https://my-dashscope.oss-cn-shanghai.aliyuncs.com", None),
    ],
)
def test_regions_that_are_not_refused(host: str, region: str | None) -> None:
    assert region_of(host) == region
