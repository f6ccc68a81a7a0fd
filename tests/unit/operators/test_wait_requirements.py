"""A process that cannot wait for a render job does not submit it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.operators import wait_requirements
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.operators.wait_requirements import check_can_wait, requires
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger

SUBMIT = "/api/v1/services/aigc/image2video/video-synthesis"
COMPAT = "apache-airflow-providers-common-compat"
WAITS = [
    pytest.param({"deferrable": True}, id="deferred"),
    pytest.param({"deferrable": False}, id="on a worker"),
    pytest.param({"wait_for_completion": False}, id="by a sensor"),
]
Break = Callable[[pytest.MonkeyPatch], None]


def operator(**arguments: Any) -> VideoRetalkOperator:
    inputs = {"video_url": "https://h/a.mp4", "audio_url": "https://h/a.wav", "preflight": "off"}
    return VideoRetalkOperator(task_id="retalk", **inputs, **arguments)


@pytest.fixture
def service(service: HTTPServer) -> HTTPServer:
    """A service that accepts every submit."""
    body = {"request_id": "r", "output": {"task_id": "t1", "task_status": "PENDING"}}
    service.expect_request(SUBMIT, method="POST").respond_with_json(body)
    return service


def submits(service: HTTPServer) -> int:
    return sum(request.path == SUBMIT for request, _ in service.log)


def has(monkeypatch: pytest.MonkeyPatch, name: str, installed: str | None) -> None:
    """Sets the installed version of one distribution, and requires 1.12 of it."""
    requirements = [f"{name}>=1.12,<9", "av>=99; extra == 'media'", "aiohttp>=99; extra == 'media'"]
    known = {"airflow-provider-videoretalk": requirements}
    monkeypatch.setattr(wait_requirements, "requires", known.__getitem__)
    monkeypatch.setattr(wait_requirements, "_version", lambda _: installed)


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("installed", ["1.11.0", None])
def test_a_distribution_is_too_old(
    service: HTTPServer,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    wait: dict[str, Any],
    installed: str | None,
) -> None:
    has(monkeypatch, COMPAT, installed)
    with pytest.raises(ConfigurationError) as refused:
        operator(**wait).execute(context)
    assert "nothing was submitted" in str(refused.value)
    assert f"{COMPAT} {f'{installed} is installed' if installed else 'is not installed'}" in str(refused.value)
    assert f"pip install '{COMPAT}>=1.12'" in refused.value.remedy
    assert submits(service) == 0


@pytest.mark.parametrize("name", ["aiohttp", "apache-airflow", COMPAT, "asgiref", "requests"])
def test_each_distribution_that_waiting_needs_is_checked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    has(monkeypatch, name, None)
    with pytest.raises(ConfigurationError, match=f"{name} is not installed, and .* needs >=1.12"):
        check_can_wait(None)


def test_the_requirements_are_those_of_the_metadata() -> None:
    assert requires("pytest") == importlib.metadata.requires("pytest") != []
    assert requires("not-a-distribution") == []


@pytest.mark.parametrize("installed", ["1.12", "1.13.0rc1", "10"])
def test_a_distribution_is_new_enough(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, installed: str
) -> None:
    has(monkeypatch, COMPAT, installed)
    with pytest.raises(TaskDeferred):
        operator(deferrable=True).execute(context)
    assert submits(service) == 1


def test_a_distribution_that_waiting_does_not_need_is_not_checked(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    has(monkeypatch, "jinja2", None)
    with pytest.raises(TaskDeferred):
        operator(deferrable=True).execute(context)
    assert submits(service) == 1


@pytest.mark.parametrize("wait", WAITS)
def test_a_module_can_not_be_loaded(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, wait: dict[str, Any]
) -> None:
    monkeypatch.setitem(sys.modules, "airflow_provider_videoretalk.polling.account", None)
    with pytest.raises(ConfigurationError, match=rf"polling\.account.*Installed: .*{COMPAT} \d"):
        operator(**wait).execute(context)
    assert submits(service) == 0


@pytest.mark.parametrize("module", ["aiohttp", "airflow_provider_videoretalk.polling.poller"])
def test_a_module_of_the_triggerer_is_missing(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=f"No module named '{module}'"):
        check_can_wait(None)


def test_a_name_is_missing(service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("airflow_provider_videoretalk.polling.account.shared_poller")
    with pytest.raises(ConfigurationError, match="no attribute 'shared_poller'"):
        operator(deferrable=False).execute(context)
    assert submits(service) == 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("DashScopeTaskTrigger", {"moment": {1, 2}}),
        ("Another", {}),
        # A class of that module, but not the trigger's.
        ("SingleEventTrigger", {}),
    ],
)
def test_the_trigger_can_not_be_stored(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str, arguments: Any
) -> None:
    path = f"{DashScopeTaskTrigger.__module__}.{name}"
    monkeypatch.setattr(DashScopeTaskTrigger, "serialize", lambda _: (path, arguments))
    with pytest.raises(ConfigurationError, match=r"TypeError|AttributeError"):
        operator(deferrable=True).execute(context)
    assert submits(service) == 0


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        (
            {"expected_seconds": float("inf")},
            "this process cannot wait .* cannot be read: expected_seconds is of type float, allowed is a number",
        ),
        (
            {"cost_estimate": {"price": {1, 2}}},
            "this process cannot wait .* Object of type set is not JSON serializable",
        ),
    ],
)
def test_what_was_estimated_can_not_be_stored_with_the_trigger(
    service: HTTPServer,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    estimate: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.setattr(VideoRetalkOperator, "prepare", lambda _, intent: replace(intent, **estimate))
    with pytest.raises(ConfigurationError, match=f"^(?:{message})"):
        operator(deferrable=True).execute(context)
    assert submits(service) == 0


def test_a_trigger_that_is_not_needed_is_not_checked(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DashScopeTaskTrigger, "serialize", lambda _: pytest.fail("nothing is deferred"))
    assert operator(deferrable=True, wait_for_completion=False).execute(context)["task_id"] == "t1"


# Prints the modules that are first imported after a submit.
PROGRAM = """
import json, sys
from types import SimpleNamespace
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.submission import submitter

before = []
submitter.fault_point = lambda step: before.extend(sys.modules) if step == "after_post" else None
ti = SimpleNamespace(
    dag_id="dag", run_id="run", task_id="retalk", map_index=-1, max_tries=0, start_date=None, xcom_push=lambda **_: None
)
operator = VideoRetalkOperator(
    task_id="retalk", video_url="https://h/a.mp4", audio_url="https://h/a.wav", preflight="off", hold_back=False,
    **json.loads(sys.argv[1]),
)
try:
    operator.execute({"ti": ti, "dag_run": SimpleNamespace(clear_number=0)})
except TaskDeferred as deferred:
    deferred.trigger.serialize()
late = set(sys.modules) - set(before)
print(json.dumps(sorted(name for name in late if name.startswith(("airflow", "aiohttp", "requests", "asgiref")))))
"""


@pytest.mark.parametrize("deferrable", [True, False])
def test_nothing_is_first_loaded_after_a_submit(service: HTTPServer, deferrable: bool) -> None:
    output = {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "https://h/result.mp4"}
    service.expect_request("/api/v1/tasks/t1").respond_with_json({"request_id": "q", "output": output})
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps({"deferrable": deferrable})],
        check=True,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert submits(service) == 1
