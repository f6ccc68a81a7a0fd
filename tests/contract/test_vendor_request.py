"""The curl request of the vendor's page against the emulator; with the real curl if it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBMIT = "/api/v1/services/aigc/image2video/video-synthesis"
FILES = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717"
SAMPLE: dict[str, Any] = {
    "model": "videoretalk",
    "input": {
        "video_url": f"{FILES}/pvegot/input_video_01.mp4",
        "audio_url": f"{FILES}/aumwir/stella2-%E6%9C%89%E5%A3%B0%E4%B9%A67.wav",
        "ref_image_url": "",
    },
    "parameters": {"video_extension": False},
}
HEADERS = {"X-DashScope-Async": "enable", "Authorization": "Bearer sk-vendor", "Content-Type": "application/json"}
DEADLINE = 240.0
CURL = shutil.which("curl")


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]


def call(url: str, *, data: str | None = None, headers: dict[str, str] | None = None, method: str = "POST") -> Answer:
    """Sends a request with curl, as the vendor's page does; with requests if curl is not installed."""
    headers = HEADERS if headers is None else headers
    if CURL is None:
        print("no curl on this machine: sending the request with requests instead")
        reply = requests.request(method, url, data=data, headers=headers, timeout=30)
        return Answer(reply.status_code, reply.json())
    command = [CURL, "--silent", "--noproxy", "*", "--max-time", "30", "--write-out", "\n%{http_code}"]
    command += ["--location", url, "--request", method]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    if data is not None:
        command += ["--data-binary", "@-"]
    done = subprocess.run(command, input=data or "", capture_output=True, text=True, check=True, timeout=60)
    body, _, status = done.stdout.rpartition("\n")
    return Answer(int(status), json.loads(body))


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in HEADERS.items() if key != name}


def sample(**changes: Any) -> str:
    return json.dumps({**SAMPLE, **changes})


def with_input(**changes: Any) -> str:
    given = {**SAMPLE["input"], **changes}
    return sample(input={name: value for name, value in given.items() if value is not ...})


def with_parameters(**changes: Any) -> str:
    return sample(parameters={**SAMPLE["parameters"], **changes})


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """The protocol alone: no media work."""
    settings = EmulatorSettings(port=0, time_scale=1000, submits_per_second=1000)
    with Emulator(settings, engine=FakeEngine()) as running:
        yield running


@pytest.mark.parametrize("path", [SUBMIT, f"{SUBMIT}/", f"/qwen{SUBMIT}", f"/qwen{SUBMIT}/"])
def test_documented_request_is_taken(emulator: Emulator, path: str) -> None:
    answer = call(f"{emulator.url}{path}", data=sample())
    assert answer.status == 200, answer
    assert set(answer.body) == {"output", "request_id"}
    assert set(answer.body["output"]) == {"task_id", "task_status"}
    assert answer.body["output"]["task_status"] == "PENDING"


@pytest.mark.parametrize(
    "data",
    [
        with_input(ref_image_url=None),
        with_input(ref_image_url=...),
        with_input(prompt=None, extend_prompt=True, function="video-synthesis"),
        with_parameters(query_face_threshold=120),
        with_parameters(query_face_threshold=200, video_extension=True),
        sample(parameters={}),
        sample(something="else"),
    ],
)
def test_variants_are_taken(emulator: Emulator, data: str) -> None:
    assert call(f"{emulator.url}{SUBMIT}", data=data).status == 200


ASYNC_MESSAGE = "current user api does not support synchronous calls."


@pytest.mark.parametrize(
    ("headers", "status", "code", "message"),
    [
        (without("X-DashScope-Async"), 403, "AccessDenied", ASYNC_MESSAGE),
        ({**HEADERS, "X-DashScope-Async": "disable"}, 403, "AccessDenied", ASYNC_MESSAGE),
        (without("Authorization"), 401, "InvalidApiKey", "No API-key provided."),
        ({**HEADERS, "Authorization": "Bearer wrong"}, 401, "InvalidApiKey", "Invalid API-key provided."),
        ({**HEADERS, "Content-Type": "text/plain"}, 400, "InvalidParameter", None),
    ],
)
def test_wrong_headers(
    emulator: Emulator, headers: dict[str, str], status: int, code: str, message: str | None
) -> None:
    answer = call(f"{emulator.url}{SUBMIT}", data=sample(), headers=headers)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert set(answer.body) == {"code", "message", "request_id"}
    assert message in (None, answer.body["message"])


@pytest.mark.parametrize(
    ("data", "status", "code", "message"),
    [
        ("{", 400, "InvalidParameter", "JSON"),
        ("[]", 400, "InvalidParameter", "JSON object"),
        ("", 400, "InvalidParameter", "JSON"),
        ('{"model": NaN}', 400, "InvalidParameter", "JSON"),
        ("[" * 100_000, 400, "InvalidParameter", "JSON"),
        (sample(model=None), 400, "BadRequest.EmptyModel", "model"),
        (sample(input=None), 400, "BadRequest.EmptyInput", "input"),
        (sample(parameters=None), 400, "BadRequest.EmptyParameters", "parameters"),
        (sample(model="emo-v1"), 404, "ModelNotFound", ""),
        (sample(input=[]), 400, "InvalidParameter", "input"),
        (with_input(video_url=...), 400, "InvalidParameter", "Field required: input.video_url"),
        (with_input(audio_url=...), 400, "InvalidParameter", "Field required: input.audio_url"),
        (with_input(audio_url=5), 400, "InvalidParameter", "input.audio_url"),
        (with_input(video_url=""), 400, "InvalidURL", "URL"),
        (with_input(video_url="/local/clip.mp4"), 400, "InvalidURL", "URL"),
        (with_input(video_url="ftp://x.example/clip.mp4"), 400, "InvalidURL", "URL"),
        (with_input(video_url="http://[::1"), 400, "InvalidURL", "URL"),
        (with_input(ref_image_url="face.png"), 400, "InvalidURL", "URL"),
        (
            with_input(video_url="oss://dashscope-instant/a/b.mp4"),
            400,
            "InvalidParameter.DataInspection",
            "No connection adapters were found for 'oss://",
        ),
        (with_parameters(query_face_threshold=119), 400, "InvalidParameter", "query_face_threshold"),
        (with_parameters(query_face_threshold=201), 400, "InvalidParameter", "query_face_threshold"),
        (with_parameters(query_face_threshold=150.5), 400, "InvalidParameter", "query_face_threshold"),
        (with_parameters(query_face_threshold="170"), 400, "InvalidParameter", "query_face_threshold"),
        (with_parameters(video_extension="false"), 400, "InvalidParameter", "video_extension"),
    ],
)
def test_wrong_bodies(emulator: Emulator, data: str, status: int, code: str, message: str) -> None:
    answer = call(f"{emulator.url}{SUBMIT}", data=data)
    assert (answer.status, answer.body["code"]) == (status, code), answer
    assert set(answer.body) == {"code", "message", "request_id"}
    assert message in answer.body["message"]


def test_body_over_16_mebibytes(emulator: Emulator) -> None:
    answer = call(f"{emulator.url}{SUBMIT}", data=sample(padding="x" * 16 * 1024 * 1024))
    assert answer.status == 413, answer
    assert set(answer.body) == {"code", "message", "request_id"}


def test_second_submit_within_a_second() -> None:
    with Emulator(EmulatorSettings(port=0), engine=FakeEngine(), clock=lambda: 1_795_176_000.0) as slow:
        answers = [call(f"{slow.url}{SUBMIT}", data=sample()) for _ in range(2)]
        assert [answer.status for answer in answers] == [200, 429]
        assert answers[1].body["code"] == "Throttling.RateQuota"


def test_unknown_task_and_unknown_path(emulator: Emulator) -> None:
    unknown = call(f"{emulator.url}/api/v1/tasks/never-seen", method="GET")
    assert unknown.status == 200
    assert unknown.body["output"] == {"task_id": "never-seen", "task_status": "UNKNOWN"}
    for method, path, status in (("GET", "/api/v1/nothing", 404), ("DELETE", "/api/v1/tasks", 405)):
        answer = call(f"{emulator.url}{path}", method=method)
        assert answer.status == status
        assert set(answer.body) == {"code", "message", "request_id"}


def test_documented_request_ends_in_a_video() -> None:
    """The vendor's curl request produces an mp4, with the real engine in a worker process."""
    for module in ("av", "numpy", "onnxruntime"):
        pytest.importorskip(module)
    with Emulator(EmulatorSettings(port=0, time_scale=20)) as real:
        task = call(f"{real.url}{SUBMIT}/", data=sample()).body["output"]["task_id"]
        end = time.monotonic() + DEADLINE
        seen: list[str] = []
        while not seen or seen[-1] not in ("SUCCEEDED", "FAILED"):
            assert time.monotonic() < end, seen
            shown = call(f"{real.url}/qwen/api/v1/tasks/{task}", method="GET").body
            if shown["output"]["task_status"] not in seen:
                seen.append(shown["output"]["task_status"])
            time.sleep(0.2)
        assert seen[-1] == "SUCCEEDED", shown
        assert set(seen) <= {"PENDING", "PRE-PROCESSING", "RUNNING", "POST-PROCESSING", "SUCCEEDED"}
        assert set(shown["output"]) == {
            "task_id",
            "task_status",
            "submit_time",
            "scheduled_time",
            "end_time",
            "video_url",
        }
        assert set(shown["usage"]) == {"video_duration", "size", "video_ratio", "fps"}
        video = requests.get(shown["output"]["video_url"], timeout=30)
        assert video.content[4:8] == b"ftyp"
        report = requests.get(f"{real.url}/emulator/tasks", timeout=10).json()
        assert report["billed_seconds"] == shown["usage"]["video_duration"] >= 2
