"""One look-up of a connection a minute, for all that need it on an event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from connections import API_KEY, connect
from unit.polling.virtual import VirtualLoop, run

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.hooks.shared_look_up import shared_endpoint


class Connections:
    """The connections of an Airflow, which takes 0.2 s for each look-up."""

    def __init__(self) -> None:
        self.looked_up: list[str] = []
        self.key = "sk-first"
        self.failures: list[Exception] = []

    async def endpoint(self, name: str) -> Endpoint:
        async def look_up() -> Endpoint:
            self.looked_up.append(name)
            await asyncio.sleep(0.2)
            if self.failures:
                raise self.failures.pop()
            return Endpoint(api_key=self.key)

        return await shared_endpoint(name, look_up)


def with_connections(scenario: Callable[[Connections], Coroutine[Any, Any, None]]) -> Connections:
    async def main(loop: VirtualLoop) -> Connections:
        connections = Connections()
        await scenario(connections)
        return connections

    return run(main)


def test_a_thousand_need_one_look_up_a_minute() -> None:
    async def scenario(connections: Connections) -> None:
        async def start(number: int) -> None:
            await asyncio.sleep(number * 0.12)
            await connections.endpoint("c")

        await asyncio.gather(*(start(number) for number in range(1_000)))

    # They start over two minutes.
    assert len(with_connections(scenario).looked_up) == 2


def test_each_connection_is_looked_up() -> None:
    async def scenario(connections: Connections) -> None:
        await asyncio.gather(connections.endpoint("one"), connections.endpoint("two"), connections.endpoint("one"))

    assert with_connections(scenario).looked_up == ["one", "two"]


def test_a_changed_connection_is_taken_up_after_a_minute() -> None:
    async def scenario(connections: Connections) -> None:
        await connections.endpoint("c")
        connections.key = "sk-second"
        assert (await connections.endpoint("c")).api_key == "sk-first"
        await asyncio.sleep(60)
        assert (await connections.endpoint("c")).api_key == "sk-second"

    with_connections(scenario)


def test_a_failure_reaches_all_that_wait_and_is_not_kept() -> None:
    async def scenario(connections: Connections) -> None:
        connections.failures = [ConfigurationError("no key")]
        outcomes = await asyncio.gather(*(connections.endpoint("c") for _ in range(5)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ConfigurationError] * 5
        assert (await connections.endpoint("c")).api_key == "sk-first"

    assert len(with_connections(scenario).looked_up) == 2


def test_a_trigger_that_is_cancelled_does_not_take_the_look_up_from_others() -> None:
    async def scenario(connections: Connections) -> None:
        first, second = (asyncio.create_task(connections.endpoint("c")) for _ in range(2))
        await asyncio.sleep(0.1)
        first.cancel()
        assert (await second).api_key == "sk-first"
        assert first.cancelled()

    assert len(with_connections(scenario).looked_up) == 1


def test_the_hook_shares_look_ups_and_logs_no_secret(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    connect(monkeypatch, host=None)
    looked_up = 0
    look_up = DashScopeHook._look_up_endpoint

    async def counted(hook: DashScopeHook) -> Endpoint:
        nonlocal looked_up
        looked_up += 1
        return await look_up(hook)

    monkeypatch.setattr(DashScopeHook, "_look_up_endpoint", counted)

    async def main() -> None:
        clients = await asyncio.gather(*(DashScopeHook().get_async_client() for _ in range(50)))
        assert {client.endpoint.api_key for client in clients} == {API_KEY}
        assert len({id(client) for client in clients}) == 50
        none = [DashScopeHook("none").get_async_client() for _ in range(3)]
        failed = await asyncio.gather(*none, return_exceptions=True)
        # By its cause, a trigger knows that it may look again.
        assert [type(error.__cause__) for error in failed if isinstance(error, Exception)] == [
            AirflowNotFoundException
        ] * 3

    asyncio.run(main())
    assert looked_up == 2
    assert API_KEY not in caplog.text
