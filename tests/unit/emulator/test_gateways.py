"""The gateways that the emulator plays, by plain requests: the routes and replies of their documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_provider_videoretalk.emulator.server import Emulator

SUBMITS = [
    ("video-tasks", "/qwen/api/v1/services/aigc/video-generation/generation"),
    ("video-tasks", "/qwen/api/v1/services/aigc/image2video/video-synthesis/"),
    ("flat-tasks", "/wan/api/v1/services/aigc/video-generation/video-synthesis"),
    ("flat-tasks", "/wan/api/v1/services/aigc/image2video/video-synthesis"),
    ("video-generations", "/v1/video/generations"),
]
QUERIES = {
    "video-tasks": "/qwen/api/v1/tasks/video/",
    "flat-tasks": "/v1/tasks/",
    "video-generations": "/v1/video/generations/",
}
HEADERS = {"Authorization": "Bearer sk-1", "X-DashScope-Async": "enable"}


def call(emulator: Emulator, path: str, body: dict[str, Any] | None = None) -> requests.Response:
    method = "GET" if body is None else "POST"
    return requests.request(method, f"{emulator.url}{path}", json=body, headers=HEADERS, timeout=10)


@pytest.mark.parametrize(("gateway", "path"), SUBMITS)
def test_a_job(
    start: Callable[..., Emulator], until: Callable[[Callable[[], bool]], None], gateway: str, path: str
) -> None:
    emulator = start(gateway=gateway, render_factor=0)
    fields = {"input": {name: f"{emulator.url}/samples/{file}" for name, file in _FILES.items()}, "parameters": {}}
    body = {"metadata": fields} if gateway == "video-generations" else fields
    submitted = call(emulator, path, {"model": "videoretalk", **body}).json()
    task_id = submitted["output"]["task_id"] if gateway == "video-tasks" else submitted["task_id"]
    query = QUERIES[gateway] + task_id
    until(lambda: emulator.state.jobs[task_id].final)
    reply = call(emulator, query).json()
    url = {
        "video-tasks": lambda: reply["output"]["video_url"],
        "flat-tasks": lambda: reply["result_url"],
        "video-generations": lambda: reply["metadata"]["url"],
    }[gateway]()
    word = reply["output"]["task_status"] if gateway == "video-tasks" else reply["status"]
    assert word == ("SUCCEEDED" if gateway == "video-tasks" else "completed")
    assert requests.get(url, timeout=10).status_code == 200
    if gateway == "video-generations":
        assert (reply["id"], reply["task_id"]) == (task_id, task_id)
    else:
        assert task_id not in str({**reply, "output": {}, "result_url": ""})


_FILES = {"video_url": "presenter.mp4", "audio_url": "speech.wav"}


@pytest.mark.parametrize(
    ("gateway", "status", "reply"),
    [
        ("video-tasks", 200, {"output": {"task_status": "UNKNOWN"}}),
        ("flat-tasks", 404, {"error": {"code": "task_not_found", "message": "Task not found"}}),
        ("video-generations", 400, {"code": "task_not_exist", "message": "task_not_exist", "data": None}),
    ],
)
def test_an_unknown_id(start: Callable[..., Emulator], gateway: str, status: int, reply: dict[str, Any]) -> None:
    answer = call(start(gateway=gateway), QUERIES[gateway] + "t1")
    content = answer.json()
    content.pop("request_id", None)
    content.get("error", {}).pop("type", None)
    content.get("error", {}).pop("param", None)
    assert (answer.status_code, content) == (status, reply)


@pytest.mark.parametrize("gateway", list(QUERIES))
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/tasks",
        "/qwen/api/v1/tasks",
        "/api/v1/tasks/t1",
        "/qwen/api/v1/tasks/t1",
        "/wan/api/v1/tasks/t1",
        "/api/v1/tasks/video/t1",
        "/other/qwen/api/v1/tasks/video/t1",
        "/wan/v1/tasks/t1",
        "/qwen/api/v1/uploads",
    ],
)
def test_other_paths_do_not_exist(start: Callable[..., Emulator], gateway: str, path: str) -> None:
    assert call(start(gateway=gateway), path).status_code == 404


@pytest.mark.parametrize("gateway", list(QUERIES))
def test_a_key_is_needed(start: Callable[..., Emulator], gateway: str) -> None:
    emulator = start(gateway=gateway)
    assert requests.get(f"{emulator.url}{QUERIES[gateway]}t1", timeout=10).status_code == 401
