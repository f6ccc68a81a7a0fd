from __future__ import annotations

from typing import Any

from airflow_provider_videoretalk.emulator.service.account import key_id
from airflow_provider_videoretalk.emulator.service.rate_limiter import RateLimiter


def test_one_per_second(clock: Any) -> None:
    limiter = RateLimiter(per_second=1, clock=clock)
    assert limiter.allow()
    clock.advance(0.99)
    assert not limiter.allow()
    clock.advance(0.01)
    assert limiter.allow()


def test_twenty_in_any_second(clock: Any) -> None:
    limiter = RateLimiter(per_second=20, clock=clock)
    assert [limiter.allow() for _ in range(21)] == [True] * 20 + [False]
    clock.advance(0.5)
    assert not limiter.allow()
    clock.advance(0.5)
    assert limiter.allow()


def test_less_than_one_per_second(clock: Any) -> None:
    limiter = RateLimiter(per_second=0.5, clock=clock)
    assert limiter.allow()
    clock.advance(1.5)
    assert not limiter.allow()
    clock.advance(0.5)
    assert limiter.allow()


def test_fifty_nine_in_any_minute(clock: Any) -> None:
    limiter = RateLimiter(per_second=59 / 60, seconds=60, clock=clock)
    assert [limiter.allow() for _ in range(60)] == [True] * 59 + [False]
    clock.advance(59.9)
    assert not limiter.allow()
    clock.advance(0.1)
    assert limiter.allow()


def test_no_limit(clock: Any) -> None:
    limiter = RateLimiter(per_second=None, clock=clock)
    assert all(limiter.allow() for _ in range(1000))


def test_clock_set_back_does_not_lock_out(clock: Any) -> None:
    limiter = RateLimiter(per_second=1, clock=clock)
    assert limiter.allow()
    clock.advance(-3600)
    assert limiter.allow()


def test_key_id_does_not_show_the_key() -> None:
    assert key_id("sk-secret").isdigit()
    assert key_id("sk-secret") != key_id("sk-other")
