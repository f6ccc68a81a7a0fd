"""Our own clients against the emulator: every request the protocol has, by both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import Send, send_sync

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.task import cancel_task, get_task
from airflow_provider_videoretalk.dashscope.task_list import list_tasks
from airflow_provider_videoretalk.dashscope.temporary_storage import get_upload_policy, store_file
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.model_catalog.speech import synthesize_speech
from airflow_provider_videoretalk.model_catalog.videoretalk import MODEL, VIDEORETALK

SAMPLES = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717"
URLS = {"video_url": f"{SAMPLES}/pvegot/input_video_01.mp4", "audio_url": f"{SAMPLES}/aumwir/stella2-有声书7.wav"}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """One that renders one task at a time, and for ever."""
    settings = EmulatorSettings(port=0, submits_per_second=1000, render_factor=1e6)
    with Emulator(settings, engine=FakeEngine()) as running:
        yield running


@pytest.fixture
def endpoint(emulator: Emulator) -> Endpoint:
    return Endpoint(api_key="sk-client", base_url=emulator.base_url, queries_per_second=1000)


def test_tasks(emulator: Emulator, endpoint: Endpoint, send: Send) -> None:
    first, second = (send(endpoint, VIDEORETALK.submit_request(urls=URLS, parameters={})) for _ in range(2))
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


def test_upload(emulator: Emulator, endpoint: Endpoint, tmp_path: Path) -> None:
    path = tmp_path / "anchor.mp4"
    path.write_bytes(b"presenter" * 1000)
    url = send_sync(endpoint, store_file(send_sync(endpoint, get_upload_policy(model=MODEL)), path))
    assert url.startswith("oss://")
    submission = send_sync(endpoint, VIDEORETALK.submit_request(urls=URLS | {"video_url": url}, parameters={}))
    (task,) = emulator.state.job_reports()
    assert (task["task_id"], task["inputs"]["video_url"]) == (submission.task_id, url)
