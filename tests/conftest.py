"""An Airflow home of this run's own, set before anything imports Airflow; and the emulator as a real server."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from connections import connect

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.server import Emulator

_HOME = tempfile.TemporaryDirectory(prefix="videoretalk-tests-")
for _name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[_name]
os.environ |= {
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "NO_PROXY": "127.0.0.1,localhost",
}


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """DashScope on this machine, with its minutes as seconds and no limit on submits."""
    from airflow_provider_videoretalk.emulator.server import Emulator
    from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

    # The service's three hours are three and a half minutes: a busy machine must not come to their end.
    settings = EmulatorSettings(
        port=0, submits_per_second=1000, queries_per_second=1000, time_scale=50, render_factor=1
    )
    with Emulator(settings) as running:
        yield running


@pytest.fixture
def connection(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an Airflow connection to the emulator."""
    connect(monkeypatch, host=emulator.base_url, allow_private=True)
    return "dashscope_default"
