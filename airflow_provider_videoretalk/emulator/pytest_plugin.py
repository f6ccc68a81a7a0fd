"""A pytest plugin for authors of DAGs: the emulator in place of the service, its faults, and what a test has paid.

In ``conftest.py``: ``pytest_plugins = ["airflow_provider_videoretalk.emulator.pytest_plugin"]``. Nothing loads it by
itself. It needs pytest and the extra ``emulator``.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_videoretalk.emulator.execution.media_engine import SAMPLES
from airflow_provider_videoretalk.emulator.faults import Effect, FaultRule, Operation
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.optional_dependencies import require_extra

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.server import Emulator

__all__ = ["EmulatedAccount", "Paid", "dashscope", "dashscope_server", "dashscope_settings"]


@dataclass(frozen=True, kw_only=True)
class Paid:
    """What an account would have to pay for.

    :param jobs: render jobs that succeeded
    :param seconds: of output, which they billed
    :param speeches: speech requests that the service has executed, also where the reply was lost
    :param characters: of their scripts, as the service counts
    """

    jobs: int
    seconds: float
    speeches: int
    characters: int


class EmulatedAccount:
    """An account of one test's own at the emulator.

    :param server: the running emulator
    :param monkeypatch: sets the connections, for as long as the test runs
    """

    def __init__(self, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        self.api_key = f"sk-test-{uuid.uuid4().hex}"
        self._monkeypatch = monkeypatch

    def connect(self, conn_id: str, **extra: Any) -> None:
        """Makes an Airflow connection to the account, as an environment variable.

        :param extra: further extras of the connection, such as ``queries_per_second``
        """
        value = {
            "conn_type": "dashscope",
            "host": self.server.base_url,
            "password": self.api_key,
            "extra": {"allow_private": True, **extra},
        }
        self._monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(value))

    def add_fault(self, operation: Operation, effect: Effect, **rule: Any) -> None:
        """Lets a request of this test fail, the next one by default.

        :param rule: other fields of :class:`~airflow_provider_videoretalk.emulator.faults.FaultRule`, such as ``times``
        :raises ValueError: there is no such fault
        """
        self.server.faults.arm(FaultRule(operation=operation, effect=effect, **rule))

    def sample_url(self, name: str = "presenter.mp4") -> str:
        """The URL of one of the emulator's samples.

        :raises ValueError: there is no such sample
        """
        if name not in SAMPLES:
            raise ValueError(f"there is no sample {name!r}, but {', '.join(SAMPLES)}")
        return f"{self.server.url}/samples/{name}"

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """The render jobs that the account has submitted, oldest first: ``task_id``, ``status``, ``code``, inputs."""
        return [report for report in self.server.state.job_reports() if report["account"] == self._name]

    def requests(self, operation: Operation) -> list[dict[str, Any]]:
        """The account's requests of a kind, oldest first: ``status``, ``fault``, ``billed``."""
        logged = list(self.server.state.requests)
        return [entry for entry in logged if (entry["account"], entry["operation"]) == (self._name, operation)]

    @property
    def paid(self) -> Paid:
        """What the account would have to pay for until now."""
        ended = [job for job in self.jobs if job["status"] == "SUCCEEDED"]
        spoken = [entry["billed"] for entry in self.requests("speech") if entry["billed"]]
        return Paid(
            jobs=len(ended),
            seconds=sum(job["billed_seconds"] for job in ended),
            speeches=len(spoken),
            characters=sum(billed["characters"] for billed in spoken),
        )

    @property
    def _name(self) -> str:
        return self.server.state.account_name(self.api_key)


@pytest.fixture(scope="session")
def dashscope_settings() -> EmulatorSettings:
    """How the emulator behaves; redefine this fixture for another behaviour. Minutes are seconds by default."""
    return EmulatorSettings(port=0, submits_per_second=1000, queries_per_second=1000, time_scale=50, render_factor=1)


@pytest.fixture(scope="session")
def dashscope_server(dashscope_settings: EmulatorSettings) -> Iterator[Emulator]:
    """The emulator, which all tests share.

    :raises ConfigurationError: the extra ``emulator`` is not installed
    """
    require_extra("emulator", part="the pytest plugin")
    # Imported late, because it needs the libraries of the extra.
    from airflow_provider_videoretalk.emulator.server import Emulator

    with Emulator(dashscope_settings) as running:
        yield running


@pytest.fixture
def dashscope(dashscope_server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedAccount]:
    """An account of this test's own, behind ``dashscope_default``. The faults that the test adds end with it."""
    monkeypatch.setenv("NO_PROXY", ",".join(filter(None, ["127.0.0.1,localhost", os.environ.get("NO_PROXY")])))
    account = EmulatedAccount(dashscope_server, monkeypatch)
    account.connect("dashscope_default")
    yield account
    dashscope_server.faults.clear()
