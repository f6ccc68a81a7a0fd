"""Our own clients against the emulator: every request the protocol has, by both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.dashscope.client import AsyncClient, Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.speech import synthesize_speech
from airflow_provider_videoretalk.dashscope.task import cancel_task, get_task, list_tasks
from airflow_provider_videoretalk.dashscope.upload import upload, upload_async
from airflow_provider_videoretalk.dashscope.videoretalk import MODEL, submit_videoretalk
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.emulator.work.stand_in import StandInEngine

SAMPLES = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717"
URLS = {"video_url": f"{SAMPLES}/pvegot/input_video_01.mp4", "audio_url": f"{SAMPLES}/aumwir/stella2-有声书7.wav"}

Send = Callable[[Endpoint, Request[Any]], Any]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """One that renders one task at a time, and for ever."""
    settings = EmulatorSettings(port=0, submits_per_second=1000, render_factor=1e6)
    with Emulator(settings, engine=StandInEngine()) as running:
        yield running


@pytest.fixture
def endpoint(emulator: Emulator) -> Endpoint:
    return Endpoint(api_key="sk-client", base_url=emulator.base_url, queries_per_second=1000)


def send_sync(endpoint: Endpoint, request: Request[Any]) -> Any:
    with Client(endpoint) as client:
        return client.send(request)


def send_async(endpoint: Endpoint, request: Request[Any]) -> Any:
    async def run() -> Any:
        async with AsyncClient(endpoint) as client:
            return await client.send(request)

    return asyncio.run(run())


@pytest.fixture(params=[send_sync, send_async], ids=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    return request.param


def test_tasks(emulator: Emulator, endpoint: Endpoint, send: Send) -> None:
    first, second = (send(endpoint, submit_videoretalk(**URLS)) for _ in range(2))
    assert send(endpoint, get_task(second.task_id)).status == "PENDING"
    page = send(endpoint, list_tasks(model=MODEL, page_size=1, page=2))
    assert (page.total, page.total_pages) == (2, 2)
    rows = [row for number in (1, 2) for row in send(endpoint, list_tasks(page_size=1, page=number)).rows]
    assert {(row.task_id, row.request_id) for row in rows} == {
        (task.task_id, task.request_id) for task in (first, second)
    }
    assert send(endpoint, list_tasks(since=rows[0].created_at, model="other")).rows == ()
    assert send(endpoint, cancel_task(second.task_id)) is None
    assert send(endpoint, get_task(second.task_id)).status == "CANCELED"
    with pytest.raises(errors.RequestError, match="UnsupportedOperation"):
        send(endpoint, cancel_task(first.task_id))
    stranger = Endpoint(api_key="sk-stranger", base_url=emulator.base_url)
    assert send(stranger, get_task(first.task_id)).status == "UNKNOWN"


def test_speech(endpoint: Endpoint, send: Send) -> None:
    for model in ("cosyvoice-v3-flash", "qwen3-tts-flash"):
        speech = send(endpoint, synthesize_speech(text="Hello, 你好.", model=model))
        assert speech.characters == 12
        assert speech.expires_at is not None


@pytest.mark.parametrize("asynchronous", [False, True])
def test_upload(emulator: Emulator, endpoint: Endpoint, send: Send, tmp_path: Path, asynchronous: bool) -> None:
    path = tmp_path / "anchor.mp4"
    path.write_bytes(b"presenter" * 1000)

    async def run() -> str:
        async with AsyncClient(endpoint) as client:
            return await upload_async(client, path, model=MODEL)

    if asynchronous:
        url = asyncio.run(run())
    else:
        with Client(endpoint) as client:
            url = upload(client, path, model=MODEL)
    assert url.startswith("oss://")
    submission = send(endpoint, submit_videoretalk(video_url=url, audio_url=URLS["audio_url"]))
    (task,) = emulator.state.books()
    assert (task["task_id"], task["inputs"]["video_url"]) == (submission.task_id, url)
