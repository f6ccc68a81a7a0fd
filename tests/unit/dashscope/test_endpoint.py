from __future__ import annotations

import pytest

from airflow_provider_videoretalk.dashscope.endpoint import BEIJING, Endpoint
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.dashscope.pace import Pace, pace_of


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
        ({"api_key": "sk-1\nX: y"}, "characters that an HTTP header can't carry"),
        ({"api_key": "sk-1", "base_url": "dashscope.aliyuncs.com"}, "is not an http"),
        ({"api_key": "sk-1", "base_url": "ftp://host"}, "is not an http"),
        ({"api_key": "sk-1", "base_url": "https://host:port"}, "is not an http"),
        ({"api_key": "sk-1", "base_url": "https://user:hunter2@host"}, "of host holds a user name"),
        ({"api_key": "sk-1", "verify": "/no/such/file"}, "is not a file"),
        ({"api_key": "sk-1", "workspace": "ws\n"}, "is not a workspace's id"),
        ({"api_key": "sk-1", "queries_per_second": 0}, "queries_per_second is 0"),
        ({"api_key": "sk-1", "queries_per_second": "many"}, "queries_per_second is 'many'"),
    ],
)
def test_unusable(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Endpoint(**arguments)  # type: ignore[arg-type]


def test_the_key_is_not_in_the_repr() -> None:
    assert "sk-1" not in repr(Endpoint(api_key="sk-1", proxy="http://user:sk-1@proxy"))


def test_pace_lets_a_second_through_and_then_spreads() -> None:
    now = 100.0
    pace = Pace(4, clock=lambda: now)
    assert [pace.reserve() for _ in range(7)] == pytest.approx([0, 0, 0, 0, 0.25, 0.5, 0.75])
    now += 1.75
    assert [pace.reserve() for _ in range(5)] == pytest.approx([0, 0, 0, 0, 0.25])


def test_pace_is_shared_by_equal_endpoints() -> None:
    assert pace_of(Endpoint(api_key="sk-a")) is pace_of(Endpoint(api_key="sk-a"))
    assert pace_of(Endpoint(api_key="sk-a")) is not pace_of(Endpoint(api_key="sk-b"))
