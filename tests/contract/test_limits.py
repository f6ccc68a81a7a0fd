"""Inputs over the documented limits, as real files, through the whole emulator: each gets the service's own code."""

from __future__ import annotations

import io
import time
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import requests
from PIL import Image
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.emulator.server import Emulator

HEADERS = {"Authorization": "Bearer sk-limits"}
ENDS_WITHIN = 60.0


def sound(*, seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(int(seconds * 8_000) * 2))
    return buffer.getvalue()


def picture(*, width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def video(folder: Path, *, side: int = 640, fps: int = 15, seconds: float = 2.0, codec: str = "libx264") -> bytes:
    path = folder / "video.mp4"
    frame = av.VideoFrame.from_ndarray(np.zeros((side, side, 3), np.uint8), format="rgb24")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for index in range(int(seconds * fps)):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"video": {"side": 638}}, "InvalidFile.Resolution"),
        ({"video": {"fps": 14}}, "InvalidFile.FPS"),
        ({"video": {"fps": 61}}, "InvalidFile.FPS"),
        ({"video": {"seconds": 1.5}}, "InvalidFile.Duration"),
        ({"video": {"codec": "mpeg4"}}, "InvalidFile.Format"),
        ({"video": b"no video at all"}, "InvalidFile.Openerror"),
        ({"audio": sound(seconds=1.5)}, "InvalidFile.Duration"),
        ({"audio": sound(seconds=120.5)}, "InvalidFile.Duration"),
        ({"audio": bytes(30 * 1024 * 1024 + 1)}, "InvalidFile.Size"),
        ({"image": picture(width=410, height=200)}, "InvalidFile.ImageSize"),
        ({"image": picture(width=4097, height=2100)}, "InvalidFile.ImageSize"),
        ({"image": bytes(10 * 1024 * 1024 + 1)}, "InvalidFile.Size"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_over_the_limit(
    emulator: Emulator, httpserver: HTTPServer, tmp_path: Path, wrong: dict[str, Any], code: str
) -> None:
    given = {"video": {}, "audio": sound(seconds=2)} | wrong
    given["video"] = given["video"] if isinstance(given["video"], bytes) else video(tmp_path, **given["video"])
    for name, content in given.items():
        httpserver.expect_request(f"/{name}").respond_with_data(content)
    inputs = {f"{name}_url": httpserver.url_for(f"/{name}") for name in ("video", "audio")}
    inputs |= {"ref_image_url": httpserver.url_for("/image")} if "image" in given else {}
    submitted = requests.post(
        f"{emulator.base_url}/services/aigc/image2video/video-synthesis/",
        json={"model": "videoretalk", "input": inputs, "parameters": {}},
        headers=HEADERS | {"X-DashScope-Async": "enable"},
        timeout=30,
    ).json()
    output = ended(emulator, submitted["output"]["task_id"])
    assert (output["task_status"], output["code"]) == ("FAILED", code)
    assert output["message"]


def ended(emulator: Emulator, task_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + ENDS_WITHIN
    while True:
        output = requests.get(f"{emulator.base_url}/tasks/{task_id}", headers=HEADERS, timeout=30).json()["output"]
        if output["task_status"] in ("SUCCEEDED", "FAILED", "CANCELED"):
            return output
        assert time.monotonic() < deadline, output
        time.sleep(0.05)
