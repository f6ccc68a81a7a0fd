"""What operators pay for without a render job is in the job history, with its price: also what a killed try paid."""

from __future__ import annotations

import uuid
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from connections import connect
from media_files import wav
from PIL import Image
from state_store import TaskStateStore

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.dashscope.errors import InputError, ServerError
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.operators.segment_speech import SegmentSpeechOperator
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator
from airflow_provider_videoretalk.operators.talking_photo import TalkingPhotoOperator
from airflow_provider_videoretalk.operators.translate import TranslateOperator
from airflow_provider_videoretalk.operators.voice import VoiceOperator
from airflow_provider_videoretalk.submission import voice_enrollment

TEXT = "Good morning, and welcome."
SEGMENTS = [{"start": number * 4.0, "end": number * 4.0 + 3, "text": f"{TEXT} {number}"} for number in range(3)]


@pytest.fixture(autouse=True)
def service(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)
    connect(monkeypatch, host=emulator.base_url, password=f"sk-{uuid.uuid4()}", allow_private=True, poll_interval=0.1)
    return emulator


@pytest.fixture
def context() -> dict[str, Any]:
    ti = SimpleNamespace(
        dag_id="dag",
        run_id="run",
        task_id="task",
        map_index=-1,
        max_tries=1,
        rendered_map_index="Ada",
        xcom_push=lambda key, value: None,
    )
    return {"ti": ti, "dag_run": SimpleNamespace(clear_number=0), "task_state_store": TaskStateStore()}


def charged(variables: TaskStateStore) -> list[tuple[Any, ...]]:
    """What the history has: for each try, what was paid for, how often, and the cost."""
    found = JobHistory(variables).load_with_charges(date(1970, 1, 1))[1]
    assert {(charge.task_instance, charge.label) for charge in found} <= {("dag/run/task/-1", "Ada")}
    ordered = sorted(found, key=lambda charge: charge.first_at)
    return [(charge.paid_for, charge.requests, charge.cost, charge.unpriced, charge.currency) for charge in ordered]


def test_a_speech(context: dict[str, Any], variables: TaskStateStore) -> None:
    TextToSpeechOperator(task_id="t", text=TEXT).execute(context)
    # 26 characters, at 1 CNY for 10,000.
    assert charged(variables) == [("speech", 1, 0.0026, 0, "CNY")]


def test_the_speeches_of_segments(
    service: Emulator, context: dict[str, Any], variables: TaskStateStore, tmp_path: Path
) -> None:
    """The first try pays for two, and the second for the third alone."""
    service.faults.arm(FaultRule(operation="speech", effect="error_before", status=500, after=2))
    speak = {"task_id": "t", "segments": {"segments": SEGMENTS}, "folder": f"file://{tmp_path}/"}
    with pytest.raises(ServerError):
        SegmentSpeechOperator(**speak).execute(context)
    assert charged(variables) == [("speech", 2, 0.0056, 0, "CNY")]
    for _ in range(2):
        SegmentSpeechOperator(**speak).execute(context)
    assert charged(variables) == [("speech", 2, 0.0056, 0, "CNY"), ("speech", 1, 0.0028, 0, "CNY")]


def test_a_translation(context: dict[str, Any], variables: TaskStateStore) -> None:
    # The two do not go into one request.
    translate = {"task_id": "t", "source": "One." + " a" * 510 + "\nTwo." + " a" * 510, "target_language": "de"}
    result = TranslateOperator(**translate).execute(context)
    ((paid_for, requests, cost, unpriced, currency),) = charged(variables)
    assert (paid_for, requests, unpriced, currency) == ("translation", 2, 0, "CNY")
    assert cost == pytest.approx(result["cost"], abs=1e-5)
    TranslateOperator(**translate).execute(context)
    assert len(charged(variables)) == 1


def test_a_translation_without_a_known_price(
    context: dict[str, Any], variables: TaskStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_videoretalk.operators.translate.translation_price_of", lambda *_: None)
    TranslateOperator(task_id="t", source="One.", target_language="de").execute(context)
    assert charged(variables) == [("translation", 1, 0.0, 1, None)]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        # The vendor's page says that it is free.
        ("cosyvoice-v3-flash", ("voice", 1, 0.0, 0, "CNY")),
        ("qwen3-tts-vc-2026-01-22", ("voice", 1, 0.0, 1, "CNY")),
    ],
)
def test_a_voice(
    context: dict[str, Any],
    variables: TaskStateStore,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    model: str,
    expected: tuple[Any, ...],
) -> None:
    monkeypatch.setattr(voice_enrollment, "SETTLE_SECONDS", 0.0)
    (tmp_path / "anna.wav").write_bytes(wav(seconds=6, rate=24_000))
    voice = {"task_id": "t", "sample": f"file://{tmp_path}/anna.wav", "consent": "Yes.", "target_model": model}
    for _ in range(2):
        VoiceOperator(**voice).execute(context)
    assert charged(variables) == [expected]


def test_a_check_of_a_photo(
    service: Emulator, context: dict[str, Any], variables: TaskStateStore, tmp_path: Path
) -> None:
    """One that is passed is in the price of the job, which has its own fact."""
    photo = {"task_id": "t", "audio_url": f"{service.url}/samples/speech.wav", "wait_for_completion": False}
    white = tmp_path / "white.png"
    Image.new("RGB", (640, 640), "white").save(white)
    for _ in range(2):
        with pytest.raises(InputError, match="cannot make speak"):
            TalkingPhotoOperator(image_url=str(white), **photo).execute(context)
    assert charged(variables) == [("photo_check", 1, 0.004, 0, "CNY")]
    TalkingPhotoOperator(image_url=f"{service.url}/samples/portrait.png", **photo).execute(context)
    assert charged(variables) == [("photo_check", 1, 0.004, 0, "CNY")]


def test_a_check_that_is_in_no_price(
    service: Emulator, context: dict[str, Any], variables: TaskStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    price = {"liveportrait": {"per_second": "0.003", "currency": "USD", "as_of": "2026-11-22"}}
    connect(monkeypatch, host=service.base_url, password=f"sk-{uuid.uuid4()}", allow_private=True, prices=price)
    TalkingPhotoOperator(
        task_id="t",
        image_url=f"{service.url}/samples/portrait.png",
        audio_url=f"{service.url}/samples/speech.wav",
        wait_for_completion=False,
    ).execute(context)
    assert charged(variables) == [("photo_check", 1, 0.004, 0, "CNY")]
