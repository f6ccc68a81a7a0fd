"""The service's time, by the ``Date`` of its replies."""

from __future__ import annotations

import time

import pytest
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.dashscope.service_clock import ServiceClock, TimeSpan
from airflow_provider_videoretalk.dashscope.task import get_task

NOON = 1_767_268_800.0
DATE = {"date": "Thu, 01 Jan 2026 12:00:00 GMT"}


def test_a_time_is_known_within_the_exchange_and_the_seconds_of_the_date() -> None:
    clock = ServiceClock()
    assert clock.at(NOON) is None
    # This machine is 60 s behind.
    clock.observe(DATE, sent_at=NOON - 61, received_at=NOON - 58)
    assert clock.at(NOON - 58) == TimeSpan(earliest=NOON, latest=NOON + 5)
    assert clock.at(NOON - 58 + 601) is None, "clocks are set, and drift"


@pytest.mark.parametrize("date", ["", "soon", "Thu, 99 Jan 2026 12:00:00 GMT", "Thu, 01 Jan 99999 12:00:00 GMT"])
def test_without_a_usable_date_the_last_one_counts(date: str) -> None:
    clock = ServiceClock()
    clock.observe(DATE, sent_at=NOON, received_at=NOON)
    clock.observe({"date": date}, sent_at=NOON + 9, received_at=NOON + 9)
    assert clock.at(NOON) == TimeSpan(earliest=NOON, latest=NOON + 2)


@pytest.mark.parametrize("status", [200, 404, 502])
def test_each_reply_of_the_endpoint_is_observed(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_data("no", status=status)
    with Client(Endpoint(api_key="sk-x", base_url=httpserver.url_for("/api/v1"))) as client:
        with pytest.raises(DashScopeError):
            client.send(get_task("t1"))
        span = client.service_clock.at(time.time())
    # The server of this test runs on this machine.
    assert span is not None
    assert span.earliest <= time.time() <= span.latest + 30


def test_an_account_is_told_by_key_and_host_and_its_key_is_not_in_it() -> None:
    def account_id(key: str = "sk-a", url: str = "https://service.example/api/v1", **settings: float) -> str:
        return Endpoint(api_key=key, base_url=url, **settings).account_id  # type: ignore[arg-type]

    assert account_id() == "56f7b0b915705474a46be82b4deae7ff"
    assert account_id() == account_id(" sk-a ", "https://SERVICE.example/other/path", queries_per_second=3)
    assert len({account_id(), account_id("sk-b"), account_id(url="https://other.example")}) == 3
