from __future__ import annotations

from collections.abc import Iterator

import pytest
from connections import connect
from unit.operators.world import World

from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.outbound.download import RetrySettings


@pytest.fixture
def sources_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing may read servers of this test, and retries without a pause."""
    monkeypatch.setattr(RetrySettings, "delay", lambda *_, **__: 0)
    connect(monkeypatch, host=None, allow_private=True)


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    settings = EmulatorSettings(port=0, submits_per_second=1000, queries_per_second=1000, render_factor=1e6)
    with Emulator(settings, engine=FakeEngine()) as emulator:
        yield emulator


@pytest.fixture
def world(running: Emulator, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> World:
    connect(
        monkeypatch,
        host=running.base_url,
        password=f"sk-{abs(hash(request.node.nodeid))}",
        queries_per_second=1000,
    )
    running.state.jobs.clear()
    running.faults.clear()
    return World(running, monkeypatch)
