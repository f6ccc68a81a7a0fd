"""The fixtures that authors of DAGs use."""

from __future__ import annotations

import os
from typing import Any

import pytest
import requests
from project_files import PYPROJECT

from airflow_provider_videoretalk import optional_dependencies
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, ThrottledError
from airflow_provider_videoretalk.emulator import pytest_plugin
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.pytest_plugin import EmulatedAccount, Paid, dashscope
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.model_catalog.speech import synthesize_speech

__all__ = ["dashscope"]

SPEECH: dict[str, Any] = {"model": "cosyvoice-v3-flash", "voice": "longanyang", "audio_format": "wav", "language": None}
NOTHING = Paid(jobs=0, seconds=0, speeches=0, characters=0)


@pytest.fixture(scope="session")
def dashscope_server(emulator: Emulator) -> Emulator:
    return emulator


def speak(text: str, conn_id: str = "dashscope_default") -> None:
    request = synthesize_speech(text=text, sample_rate=24_000, options={}, **SPEECH)
    DashScopeHook(conn_id).client.send(request)


def test_it_tells_what_this_test_has_paid(dashscope: EmulatedAccount) -> None:
    assert dashscope.paid == NOTHING
    speak("Hello.")
    assert dashscope.paid == Paid(jobs=0, seconds=0, speeches=1, characters=6)
    assert [entry["status"] for entry in dashscope.requests("speech")] == [200]
    other = EmulatedAccount(dashscope.server, pytest.MonkeyPatch())
    assert other.paid == NOTHING


def test_a_fault_is_of_the_next_request(dashscope: EmulatedAccount) -> None:
    dashscope.add_fault("speech", "throttle")
    with pytest.raises(ThrottledError):
        speak("Hello.")
    assert dashscope.paid == NOTHING
    speak("Hello.")
    assert dashscope.paid.speeches == 1
    with pytest.raises(ValueError, match="truncate is for result only"):
        dashscope.add_fault("speech", "truncate", at_byte=3)


def test_jobs_are_those_of_the_test(dashscope: EmulatedAccount) -> None:
    key = {"Authorization": f"Bearer {dashscope.api_key}", "X-DashScope-Async": "enable"}
    inputs = {"video_url": dashscope.sample_url(), "audio_url": "https://h.example.com/a.wav"}
    body = {"model": "videoretalk", "input": inputs, "parameters": {"video_extension": False}}
    url = f"{dashscope.server.base_url}/services/aigc/image2video/video-synthesis"
    dashscope.add_fault("submit", "fail_task", code="InvalidURL")
    reply = requests.post(url, headers=key, json=body, timeout=30)
    assert reply.status_code == 200, reply.text
    (job,) = dashscope.jobs
    assert job["task_id"] == reply.json()["output"]["task_id"]
    assert EmulatedAccount(dashscope.server, pytest.MonkeyPatch()).jobs == []
    assert [entry["status"] for entry in dashscope.requests("submit")] == [200]
    assert dashscope.server.faults.pending() == []
    assert dashscope.paid == NOTHING


def test_the_connection_and_the_faults_end_with_the_test(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fixture = pytest_plugin.dashscope.__wrapped__(emulator, patch)  # type: ignore[attr-defined]
        account = next(fixture)
        account.add_fault("submit", "throttle", times=3)
        assert account.api_key in os.environ["AIRFLOW_CONN_DASHSCOPE_DEFAULT"]
        assert emulator.faults.pending() == [FaultRule(operation="submit", effect="throttle", times=3)]
        assert next(fixture, None) is None
    assert "AIRFLOW_CONN_DASHSCOPE_DEFAULT" not in os.environ
    assert emulator.faults.pending() == []


def test_another_connection_leads_to_the_same_account(dashscope: EmulatedAccount) -> None:
    dashscope.connect("studio", queries_per_second=5)
    speak("Hello.", "studio")
    assert dashscope.paid.speeches == 1


def test_an_unknown_sample(dashscope: EmulatedAccount) -> None:
    with pytest.raises(ValueError, match=r"there is no sample 'none\.mp4', but presenter\.mp4"):
        dashscope.sample_url("none.mp4")


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_dependencies, "_missing", lambda modules: ["uvicorn"])
    settings = pytest_plugin.dashscope_settings.__wrapped__()  # type: ignore[attr-defined]
    server = pytest_plugin.dashscope_server.__wrapped__(settings)  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match=r"the pytest plugin needs .*pip install '.*\[emulator\]'"):
        next(server)


def test_nothing_loads_it_by_itself() -> None:
    assert "pytest11" not in PYPROJECT["project"]["entry-points"]
