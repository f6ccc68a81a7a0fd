"""A photo is checked once, and what the check says decides."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk import DAG, BaseOperator
from connections import connect
from PIL import Image
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.model_catalog.speech import synthesize_speech
from airflow_provider_videoretalk.model_catalog.talking_photo import TALKING_PHOTO_MODELS, Detection
from airflow_provider_videoretalk.operators.photo_check import PhotoCheck
from airflow_provider_videoretalk.operators.talking_photo import TalkingPhotoOperator

DETECT = "/api/v1/services/aigc/image2video/face-detect"


@pytest.fixture
def context() -> dict[str, Any]:
    ti = SimpleNamespace(
        dag_id="dag",
        run_id=str(uuid.uuid4()),
        task_id="photo",
        map_index=-1,
        max_tries=1,
        xcom_push=lambda key, value: json.dumps(value),
    )
    return {"ti": ti, "dag_run": SimpleNamespace(clear_number=0), "task_state_store": TaskStateStore()}


class Service:
    """An account of one test's own."""

    def __init__(self, emulator: Emulator, key: str) -> None:
        self.emulator = emulator
        self.account = emulator.state.authenticate(f"Bearer {key}").account.name
        self.portrait = f"{emulator.url}/samples/portrait.png"

    @property
    def jobs(self) -> list[dict[str, Any]]:
        return [job for job in self.emulator.state.job_reports() if job["account"] == self.account]

    @property
    def checks(self) -> int:
        requests = self.emulator.state.requests
        return sum(entry["operation"] == "detect" and entry["account"] == self.account for entry in requests)


@pytest.fixture
def service(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Service:
    key = f"sk-{uuid.uuid4()}"
    connect(monkeypatch, host=emulator.base_url, password=key, allow_private=True, poll_interval=0.1)
    return Service(emulator, key)


@pytest.fixture
def speech(service: Service) -> dict[str, Any]:
    """What TextToSpeechOperator returned."""
    url = DashScopeHook().client.send(synthesize_speech(text="Good morning, and welcome to our shop.")).audio_url
    return {"audio_url": url, "format": "wav", "seconds": None, "expires_at": None}


def operator(image_url: Any, audio_url: Any, **arguments: Any) -> TalkingPhotoOperator:
    return TalkingPhotoOperator(task_id="photo", image_url=image_url, audio_url=audio_url, **arguments)


def test_a_photo_speaks(service: Service, speech: dict[str, Any], context: dict[str, Any]) -> None:
    result: Any = operator(service.portrait, speech).execute(context)
    (job,) = service.jobs
    assert (job["model"], job["status"], job["face_found"]) == ("liveportrait", "SUCCEEDED", True)
    assert result["video_url"].startswith(service.emulator.url)
    assert result["billed_seconds"] == job["billed_seconds"] > 1
    assert result["price"] == {"per_second": "0.02", "currency": "CNY", "as_of": "2026-11-25", "per_job": "0.004"}
    assert result["cost"] == pytest.approx(job["billed_seconds"] * 0.02 + 0.004, abs=0.0001)
    assert service.checks == 1


@pytest.mark.parametrize(("resolution", "per_second"), [("480P", "0.5"), (None, "0.9"), ("720P", "0.9")])
def test_the_price_depends_on_the_resolution(
    service: Service, speech: dict[str, Any], context: dict[str, Any], resolution: str | None, per_second: str
) -> None:
    task = operator(service.portrait, speech, model="wan2.2-s2v", resolution=resolution, wait_for_completion=False)
    result: Any = task.execute(context)
    assert result["price"]["per_second"] == per_second
    (job,) = service.jobs
    assert job["parameters"] == {"resolution": resolution or "720P"}


def test_without_the_check_nothing_is_paid_for_it(
    service: Service, speech: dict[str, Any], context: dict[str, Any]
) -> None:
    task = operator(
        service.portrait,
        speech,
        photo_check="off",
        wait_for_completion=False,
        options={"template_id": "calm"},
    )
    result: Any = task.execute(context)
    assert ("per_job" in result["price"], service.checks) == (False, 0)
    assert service.jobs[0]["parameters"]["template_id"] == "calm"


def test_a_photo_that_does_not_pass_is_checked_once(
    service: Service, speech: dict[str, Any], context: dict[str, Any], tmp_path: Path
) -> None:
    """A retry pays for no second check; another photo is checked."""
    white = tmp_path / "white.png"
    Image.new("RGB", (640, 640), "white").save(white)
    for _ in range(2):
        with pytest.raises(InputError, match=r"liveportrait cannot make speak: No human face detected\."):
            operator(str(white), speech).execute(context)
        assert service.checks == 1
    assert service.jobs == []
    operator(service.portrait, speech, wait_for_completion=False).execute(context)
    assert (service.checks, len(service.jobs)) == (2, 1)


def test_a_try_after_a_crash_does_not_repeat_the_check(
    service: Service, speech: dict[str, Any], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(TalkingPhotoOperator, "submission", crash)
        with pytest.raises(KeyboardInterrupt):
            operator(service.portrait, speech).execute(context)
    assert (service.checks, service.jobs) == (1, [])
    operator(service.portrait, speech, wait_for_completion=False).execute(context)
    assert (service.checks, len(service.jobs)) == (1, 1)


@pytest.mark.parametrize(("seconds", "estimated", "exact"), [(2.5, 2.5, True), (3, 3.0, True), ("long", 180.0, False)])
def test_the_length_of_a_speech_is_that_of_its_return_value(
    service: Service, speech: dict[str, Any], context: dict[str, Any], seconds: Any, estimated: float, exact: bool
) -> None:
    """If its file is not looked at. Without a length, the longest counts."""
    task = operator(service.portrait, speech | {"seconds": seconds}, preflight="off", wait_for_completion=False)
    result: Any = task.execute(context)
    assert (result["estimated_seconds"], result["exact"]) == (estimated, exact)


@pytest.mark.parametrize(("is_output", "name"), [(True, "audio_url"), (False, "audio_url"), (True, None)])
def test_only_the_speech_that_a_task_returned_may_be_anywhere(
    service: Service, speech: dict[str, Any], context: dict[str, Any], is_output: bool, name: str | None
) -> None:
    """A form may have the same mapping, if the DAG renders native objects. A text may be any file of the worker."""
    with DAG("dag", schedule=None):
        source: Any = BaseOperator(task_id="speech").output if is_output else "{{ params.speech }}"
        task = operator(service.portrait, source, allowed_sources=service.portrait, wait_for_completion=False)
    task.audio_url = speech if name else "/etc/hostname"
    if is_output and name:
        task.execute(context)
        assert len(service.jobs) == 1
        return
    with pytest.raises(InputError, match=r"^audio_url is .*allowed_sources"):
        task.execute(context)
    assert service.jobs == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": "480P"}, "^resolution is '480P', but liveportrait has no choice of it"),
        ({"resolution": "1080P", "model": "wan2.2-s2v"}, "^resolution is '1080P', allowed is one of 480P, 720P"),
        ({"resolution": 480}, "^resolution is 480"),
        ({"options": "x"}, "options is"),
        ({"max_cost": 0.001}, "the job costs .* and 0.004 for the job as of 2026-11-25.*allowed is at most 0.001 CNY"),
        ({"image_url": "https://h/a.png", "allowed_sources": "https://mine/"}, "^image_url is .*allowed_sources"),
        ({"image_url": None}, "^image_url is None"),
        ({"audio_url": 3}, "^audio_url is a int, allowed"),
        ({"audio_url": {"seconds": 3.0}}, r"^audio_url is a mapping with the keys \['seconds'\]"),
        (
            {"audio_url": {"video_url": "https://h/a.mp4"}},
            r"^audio_url is .*\['video_url'\], allowed is one with audio_url",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_paid(
    service: Service, speech: dict[str, Any], context: dict[str, Any], arguments: dict[str, Any], message: str
) -> None:
    given = {"image_url": service.portrait, "audio_url": speech} | arguments
    with pytest.raises(InputError, match=f"^(?:{message})"):
        operator(**given).execute(context)
    assert (service.checks, service.jobs) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"model": "sad-talker"}, "^model is 'sad-talker'"), ({"photo_check": "warn"}, "^photo_check is 'warn'")],
)
def test_unknown_words_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^(?:{message})"):
        operator("https://h/a.png", "https://h/a.wav", **arguments)


def test_the_url_of_a_photo_lives_for_ten_minutes() -> None:
    """The service fetches it while it checks the photo."""
    lives: list[float] = []

    def url(*, until: datetime, upload: Any) -> str:
        lives.append((until - datetime.now(timezone.utc)).total_seconds())
        return "https://h/anna.png"

    check = PhotoCheck(
        model=TALKING_PHOTO_MODELS["liveportrait"],
        client=cast("Any", SimpleNamespace(send=lambda _: Detection(passed=True, reason=""))),
        states=None,
        charges=cast("Any", None),
        in_price=True,
    )
    check.check(cast("Any", SimpleNamespace(content_identity=lambda: "anna", url=url)))
    assert lives == [pytest.approx(600, abs=30)]
