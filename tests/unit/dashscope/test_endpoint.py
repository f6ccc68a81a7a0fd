from __future__ import annotations

import pytest

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError

BEIJING = "https://dashscope.aliyuncs.com/api/v1"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://dashscope.aliyuncs.com", BEIJING),
        ("https://dashscope.aliyuncs.com/", BEIJING),
        ("https://gateway.example/qwen/api/v1/", "https://gateway.example/qwen/api/v1"),
        ("http://127.0.0.1:8098", "http://127.0.0.1:8098/api/v1"),
    ],
)
def test_base_url(given: str, used: str) -> None:
    endpoint = Endpoint(api_key="sk-1", base_url=given)
    assert endpoint.url("tasks") == f"{used}/tasks"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"api_key": " "}, "API key is empty"),
        ({"api_key": "sk-1\nX: y"}, "characters that an HTTP header cannot carry"),
        ({"api_key": "sk-1", "base_url": "dashscope.aliyuncs.com"}, "is not an http"),
        ({"api_key": "sk-1", "base_url": "ftp://host"}, "is not an http"),
        ({"api_key": "sk-1", "base_url": "https://host:port"}, "is not an http"),
        ({"api_key": "sk-1", "base_url": "https://user:hunter2@host"}, "of host contains a user name"),
        ({"api_key": "sk-1", "verify": "/no/such/file"}, "does not exist"),
        ({"api_key": "sk-1", "workspace": "ws\n"}, "is not a workspace id"),
        ({"api_key": "sk-1", "queries_per_second": 0}, "queries_per_second is 0"),
        ({"api_key": "sk-1", "queries_per_second": "many"}, "queries_per_second is 'many'"),
    ],
)
def test_unusable(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Endpoint(**arguments)  # type: ignore[arg-type]


def test_the_key_is_not_in_the_repr() -> None:
    assert "sk-1" not in repr(Endpoint(api_key="sk-1", proxy="http://user:sk-1@proxy"))
