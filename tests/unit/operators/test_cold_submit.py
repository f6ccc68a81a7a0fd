"""What a process loads and sends that does nothing but submit one render job. Counts, so that no clock is involved."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from media_files import video, wav
from pytest_httpserver import HTTPServer
from range_server import RangeServer

SUBMIT = "/api/v1/services/aigc/image2video/video-synthesis"
PROGRAM = """
import json, os, sys
from types import SimpleNamespace
from airflow.sdk import BaseOperator
before = set(sys.modules)
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
ti = SimpleNamespace(
    dag_id="dag", run_id="run", task_id="retalk", map_index=-1, max_tries=0, start_date=None, xcom_push=lambda **_: None
)
operator = VideoRetalkOperator(task_id="retalk", wait_for_completion=False, hold_back=False, **json.loads(sys.argv[1]))
operator.execute({"ti": ti, "dag_run": SimpleNamespace(clear_number=0)})
print(json.dumps(sorted(set(sys.modules) - before)))
"""
HEADERS = "airflow_provider_videoretalk.media.header"


@pytest.fixture
def media(tmp_path: Path) -> Any:
    with RangeServer() as server:
        server.add("/video.mp4", video(tmp_path / "video.mp4", seconds=4).read_bytes())
        server.add("/speech.wav", wav(seconds=3))
        yield server


def loaded_by_submit(service: HTTPServer, monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> set[str]:
    """The modules that a submit loads, over those of Airflow's operators."""
    body = {"request_id": "r", "output": {"task_id": "t1", "task_status": "PENDING"}}
    service.expect_request(SUBMIT, method="POST").respond_with_json(body)
    connection = {"conn_type": "dashscope", "password": "sk-1", "extra": {"allow_private": True}}
    connection["host"] = service.url_for("/api/v1")
    monkeypatch.setenv("AIRFLOW_CONN_DASHSCOPE_DEFAULT", json.dumps(connection))
    command = [sys.executable, "-c", PROGRAM, json.dumps(arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("preflight", ["strict", "off"])
def test_a_submit_loads_no_part_that_it_does_not_use(
    service: HTTPServer, media: RangeServer, monkeypatch: pytest.MonkeyPatch, preflight: str
) -> None:
    urls = {"video_url": media.url("/video.mp4"), "audio_url": media.url("/speech.wav")}
    loaded = loaded_by_submit(service, monkeypatch, preflight=preflight, **urls)
    assert "requests" in loaded
    unused = ("aiohttp", "airflow.providers.http", "airflow_provider_videoretalk.polling.poller", "av", "numpy")
    assert [name for name in loaded if name.startswith(unused)] == []
    readers = {name for name in ("mp4", "wav", "mp3", "aac", "avi", "png", "jpeg") if f"{HEADERS}.{name}" in loaded}
    # MP3 and AAC have no signature. Their frames are looked for in each file that has none.
    assert readers == ({"mp4", "wav", "mp3", "aac"} if preflight == "strict" else set())
    # The query shows that jobs can be queried here, before one is paid.
    assert [request.method for request, _ in service.log] == ["GET", "POST"]
    assert len(media.asked) == (3 if preflight == "strict" else 0)
