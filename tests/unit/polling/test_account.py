from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.polling import account as module
from airflow_provider_videoretalk.polling.account import account_of


def test_equal_endpoints_are_one_account() -> None:
    one, other = account_of(Endpoint(api_key="sk-a")), account_of(Endpoint(api_key="sk-b"))
    assert account_of(Endpoint(api_key="sk-a")) is one
    assert other is not one
    assert len({one.rate_limiter, one.list_rate_limiter, other.rate_limiter, other.list_rate_limiter}) == 4
    assert other.render_times is not one.render_times


def test_an_account_with_a_rotated_key_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    # Not the clock of all: an event loop of another thread would sleep until its old time comes again.
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(module, "_ACCOUNTS", {})
    account_of(Endpoint(api_key="sk-old"))
    now += 6 * 3600
    used = account_of(Endpoint(api_key="sk-used"))
    assert set(module._ACCOUNTS) == {Endpoint(api_key="sk-old"), Endpoint(api_key="sk-used")}
    now += 1
    assert account_of(Endpoint(api_key="sk-used")) is used
    assert set(module._ACCOUNTS) == {Endpoint(api_key="sk-used")}
