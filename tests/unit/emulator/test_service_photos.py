"""Photos that are made to speak, as the service documents them: the check and the two models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine

DETECT = "/services/aigc/image2video/face-detect"


class CountingEngine(FakeEngine):
    """Finds as many faces as the test says; with ``None``, the file is no photo."""

    faces: int | None = 1

    async def count_faces(self, photo: Path) -> int:
        if self.faces is None:
            raise MediaRefusedError("InvalidFile.Format", "no photo")
        return self.faces


@pytest.fixture
def engine() -> CountingEngine:
    return CountingEngine(seconds=12.3)


@pytest.fixture
def client(start: Any, connect: Any) -> Any:
    return connect(start())


def detect(client: Any, model: str, url: str | None = None) -> requests.Response:
    body = {"model": model, "input": {"image_url": url or f"{client.emulator.url}/samples/portrait.png"}}
    return client.post(DETECT, json=body)


def photo(client: Any, model: str, *, parameters: Any = None, **inputs: Any) -> requests.Response:
    given = {
        "image_url": f"{client.emulator.url}/samples/portrait.png",
        "audio_url": f"{client.emulator.url}/samples/speech.wav",
    }
    return client.submit(model=model, input=given | inputs, parameters=parameters or {})


def ended(client: Any, until: Any, reply: requests.Response) -> dict[str, Any]:
    assert reply.status_code == 200, reply.text
    task_id = reply.json()["output"]["task_id"]

    def has_ended() -> bool:
        client.emulator.state.clock.advance(60)
        return client.status(task_id) in ("SUCCEEDED", "FAILED")

    until(has_ended)
    return dict(client.query(task_id))


@pytest.mark.parametrize(
    ("model", "faces", "output"),
    [
        ("wan2.2-s2v-detect", 1, {"check_pass": True, "humanoid": True}),
        ("wan2.2-s2v-detect", 0, {"check_pass": False, "humanoid": False, "message": "No human face detected."}),
        ("wan2.2-s2v-detect", 2, {"check_pass": False, "humanoid": True, "message": "The image shows 2 faces."}),
        ("liveportrait-detect", 1, {"pass": True}),
        ("liveportrait-detect", 0, {"pass": False, "message": "No human face detected."}),
    ],
)
def test_the_check_of_a_photo(client: Any, engine: CountingEngine, model: str, faces: int, output: Any) -> None:
    engine.faces = faces
    reply = detect(client, model)
    assert reply.status_code == 200, reply.text
    assert (reply.json()["output"], reply.json()["usage"]) == (output, {"image_count": 1})
    # Also a photo that does not pass.
    assert client.emulator.state.requests[-1]["billed"] == {"model": model, "images": 1}


def test_the_check_refuses(client: Any, engine: CountingEngine) -> None:
    assert (detect(client, "videoretalk").status_code, detect(client, "videoretalk").json()["code"]) == (
        404,
        "ModelNotFound",
    )
    gone = detect(client, "liveportrait-detect", f"{client.emulator.url}/nothing.png")
    assert (gone.status_code, gone.json()["code"]) == (400, "InvalidURL")
    engine.faces = None
    wrong = detect(client, "liveportrait-detect")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "InvalidFile.Format")


@pytest.mark.parametrize(("model", "parameters"), [("wan2.2-s2v", {"resolution": "480P"}), ("liveportrait", {})])
def test_a_photo_becomes_a_video(client: Any, until: Any, model: str, parameters: Any) -> None:
    done = ended(client, until, photo(client, model, parameters=parameters))
    assert done["output"]["task_status"] == "SUCCEEDED"
    assert "video_url" not in done["output"]
    assert requests.get(done["output"]["results"]["video_url"], timeout=10).status_code == 200
    assert done["usage"] == {"video_duration": 12.3, "size": "720*1280", "fps": 24, "video_count": 1}
    (row,) = client.emulator.state.job_reports()
    assert (row["model"], row["billed_seconds"]) == (model, 12.3)
    assert client.get("/tasks", model_name=model).json()["total"] == 1


def test_speech_that_is_too_long_fails_the_job(client: Any, until: Any, engine: CountingEngine) -> None:
    engine.seconds = 20.5
    failed = ended(client, until, photo(client, "wan2.2-s2v"))
    assert (failed["output"]["task_status"], failed["output"]["code"]) == ("FAILED", "InvalidFile.Duration")
    assert ended(client, until, photo(client, "liveportrait"))["output"]["task_status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("model", "parameters", "inputs", "code"),
    [
        ("wan2.2-s2v", {"resolution": "1080P"}, {}, "InvalidParameter"),
        ("wan2.2-s2v", {}, {"image_url": "photo.png"}, "InvalidURL"),
        ("wan2.2-s2v", {}, {"audio_url": "oss://dashscope-instant/a.wav"}, "InvalidParameter.DataInspection"),
        ("liveportrait", {"template_id": "wild"}, {}, "InvalidParameter"),
        ("liveportrait", {}, {"image_url": None}, "InvalidParameter"),
    ],
)
def test_refusals(client: Any, model: str, parameters: Any, inputs: Any, code: str) -> None:
    reply = photo(client, model, parameters=parameters, **inputs)
    assert (reply.status_code, reply.json()["code"]) == (400, code)


def test_five_submits_a_second_and_one_that_runs(start: Any, connect: Any, until: Any) -> None:
    client = connect(start(submits_per_second=1.0))
    assert client.submit().status_code == 200
    replies = [photo(client, "liveportrait") for _ in range(5)]
    assert {reply.status_code for reply in replies} == {200}
    assert photo(client, "liveportrait").status_code == 429
    assert client.submit().status_code == 429
    first, *others = (reply.json()["output"]["task_id"] for reply in replies)
    until(lambda: client.status(first) == "RUNNING")
    assert {client.status(task_id) for task_id in others} == {"PENDING"}
