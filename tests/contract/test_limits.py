"""Every documented limit on real files, just inside and just outside: this package and the emulator say the same."""

from __future__ import annotations

import asyncio
import mmap
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import requests
from limit_files import LimitFile, limit_files
from media_files import image, video, wav
from range_server import RangeServer

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.emulator.execution import worker_functions
from airflow_provider_videoretalk.emulator.execution.media_engine import RenderOutcome, RenderRequest
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.service.checksums import Checksums
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.inputs.retalk_inputs import RetalkInputs
from airflow_provider_videoretalk.model_catalog import videoretalk as limits
from airflow_provider_videoretalk.model_catalog.limit import Limit
from airflow_provider_videoretalk.model_catalog.videoretalk import check_face_threshold
from airflow_provider_videoretalk.outbound.host_access import any_address

HEADERS = {"Authorization": "Bearer sk-limits"}
ENDS_WITHIN = 60.0
FILES = list(limit_files())
# Names that are not limits of a file: a unit, the entry, its name, and a parameter, which has its own test.
OTHERS = {"MEGABYTE", "MODEL", "VIDEORETALK", "DEFAULT_FACE_THRESHOLD", "FACE_THRESHOLD"}


class InspectingEngine(FakeEngine):
    """Looks at the inputs as the emulator's own engine does, and renders nothing."""

    async def inspect(self, job: RenderRequest) -> None:
        await asyncio.to_thread(worker_functions.inspect, job)

    async def retalk(self, job: RenderRequest) -> RenderOutcome:
        await asyncio.to_thread(job.output.touch)
        nothing = Checksums(size=0, md5="0" * 32, crc64=0)
        return RenderOutcome(seconds=2, width=640, height=640, fps=15, face_found=True, checksums=nothing)


@pytest.fixture(scope="module")
def inspector() -> Iterator[Emulator]:
    """An emulator whose inputs are fetched and inspected for real, and whose renders take no time."""
    settings = EmulatorSettings(port=0, submits_per_second=1000, queries_per_second=1000, render_factor=0)
    with Emulator(settings, engine=InspectingEngine()) as running:
        yield running


@pytest.fixture(scope="module")
def server() -> Iterator[RangeServer]:
    with RangeServer() as running:
        yield running


@pytest.fixture(scope="module")
def good(server: RangeServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The URL of an input of each kind that nothing is wrong with."""
    film = video(tmp_path_factory.mktemp("good") / "video.mp4").read_bytes()
    contents = {"video": film, "audio": wav(), "image": image("png")}
    return {name: server.add(f"/good/{name}", content) for name, content in contents.items()}


def served(server: RangeServer, path: Path) -> str:
    with path.open("rb") as file:
        return server.add("/it", mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def said_here(urls: Mapping[str, str]) -> dict[str, str]:
    """The codes of what the look before the submit finds, by the field."""
    inputs = RetalkInputs.from_locations(
        video=urls["video"],
        audio=urls["audio"],
        ref_image=urls["image"],
        # Otherwise speech that is longer than the video is a finding, for which the service has no code.
        video_extension=True,
    )
    result = inputs.inspect(access=any_address)
    assert not result.unchecked
    return {finding.field: finding.code for finding in result.findings}


def said_there(emulator: Emulator, urls: Mapping[str, str], **parameters: object) -> str | None:
    """The code that the emulator refuses a task with; ``None`` if the task succeeds."""
    inputs = {"video_url": urls["video"], "audio_url": urls["audio"], "ref_image_url": urls["image"]}
    reply = submitted(emulator, inputs, parameters)
    assert reply.status_code == 200, reply.text
    output = ended(emulator, reply.json()["output"]["task_id"])
    if output["task_status"] == "SUCCEEDED":
        return None
    assert output["message"]
    return str(output["code"])


def submitted(emulator: Emulator, inputs: Mapping[str, str], parameters: Mapping[str, object]) -> requests.Response:
    return requests.post(
        f"{emulator.base_url}/services/aigc/image2video/video-synthesis/",
        json={"model": "videoretalk", "input": inputs, "parameters": parameters},
        headers=HEADERS | {"X-DashScope-Async": "enable"},
        timeout=30,
    )


def ended(emulator: Emulator, task_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + ENDS_WITHIN
    while True:
        reply = requests.get(f"{emulator.base_url}/tasks/{task_id}", headers=HEADERS, timeout=30).json()
        output: dict[str, Any] = reply["output"]
        if output["task_status"] in ("SUCCEEDED", "FAILED", "CANCELED"):
            return output
        assert time.monotonic() < deadline, output
        time.sleep(0.02)


@pytest.mark.parametrize("file", [file for file in FILES if file.inside], ids=str)
def test_just_inside(
    inspector: Emulator, server: RangeServer, good: dict[str, str], tmp_path: Path, file: LimitFile
) -> None:
    urls = good | {file.input: served(server, file.make(tmp_path / "it"))}
    assert said_here(urls) == {}
    assert said_there(inspector, urls) is None


@pytest.mark.parametrize("file", [file for file in FILES if not file.inside], ids=str)
def test_just_outside(
    emulator: Emulator, server: RangeServer, good: dict[str, str], tmp_path: Path, file: LimitFile
) -> None:
    """Through the whole emulator, workers and all."""
    urls = good | {file.input: served(server, file.make(tmp_path / "it"))}
    field = "ref_image_url" if file.input == "image" else f"{file.input}_url"
    assert said_here(urls) == {field: file.code}
    assert said_there(emulator, urls) == file.code


@pytest.mark.parametrize(
    ("threshold", "code"), [(120, None), (200, None), (119, "InvalidParameter"), (201, "InvalidParameter")]
)
def test_the_parameter_with_a_limit(
    inspector: Emulator, good: dict[str, str], threshold: int, code: str | None
) -> None:
    inputs = {"video_url": good["video"], "audio_url": good["audio"]}
    with pytest.raises(InputError) if code else nullcontext() as caught:
        check_face_threshold(threshold)
    assert caught is None or caught.value.code == code
    reply = submitted(inspector, inputs, {"query_face_threshold": threshold})
    assert reply.json().get("code") == code


def test_every_limit_has_its_files() -> None:
    rows = {
        name: value
        for name, value in vars(limits).items()
        if name.isupper() and not name.startswith("_") and name not in OTHERS
    }
    found = {(file.row, file.edge, file.inside) for file in FILES}
    for name, row in rows.items():
        if isinstance(row, Limit):
            edges = [edge for edge in ("low", "high") if getattr(row, edge) is not None]
            wanted = {(name, edge, inside) for edge in edges for inside in (True, False)}
        else:
            wanted = {(name, edge, True) for edge in row}
            assert any(not file.inside for file in FILES if file.row == name), name
        assert wanted <= found
