"""A video in one language in, videos in other languages out: the example DAG, run by Airflow on the emulator."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import pytest
from airflow.sdk import DAG

from airflow_provider_videoretalk.editing.speech_pauses import find_pauses
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.model_catalog.speech import synthesize_speech
from airflow_provider_videoretalk.operators.translation_memory import TranslationMemory

from .conftest import Run, load

DUB = Path(__file__).parents[2] / "dags" / "videoretalk_dub.py"
SCRIPT = "Good morning, and welcome to our shop. The weather is warm today. Come and see the new collection."
SAMPLE = (
    "This is a sample of my voice, which I read slowly and clearly. The quick brown fox jumps over the lazy dog. "
    "I like the sea in the morning, when the light is soft, and I like the mountains in the evening."
)
ORIGINAL = """
from airflow.sdk import DAG

from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

with DAG("original", schedule=None, params={"script": "", "presenter": ""}):
    speech = TextToSpeechOperator(task_id="speech", text="{{ params.script }}")
    VideoRetalkOperator(
        task_id="retalk", video_url="{{ params.presenter }}", audio_url=speech.output, video_extension=True
    )
"""


def example() -> DAG:
    dag = load(DUB.read_text(), name="videoretalk_dub")
    for task in dag.tasks:
        task.retry_delay = timedelta(0)
    return dag


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW_VAR_VIDEORETALK_FOLDER", f"{tmp_path.as_uri()}/")
    return tmp_path


@pytest.fixture
def original(run_dag: Any, emulator: Emulator) -> dict[str, Any]:
    """A video whose presenter says :data:`SCRIPT`: what VideoRetalkOperator returned."""
    dag = load(ORIGINAL, name="original")
    run = run_dag(dag, script=SCRIPT, presenter=f"{emulator.url}/samples/presenter.mp4")
    assert run.state == "success"
    return dict(run.xcom("retalk"))


def requests(emulator: Emulator, operation: str) -> int:
    return sum(entry["operation"] == operation for entry in emulator.state.requests)


def seconds_of(path: Path) -> float:
    with av.open(str(path)) as container:
        assert container.duration is not None
        return float(container.duration / av.time_base)


def test_a_video_is_dubbed_and_nothing_is_paid_for_twice(
    run_dag: Any, folder: Path, emulator: Emulator, original: dict[str, Any]
) -> None:
    sample = DashScopeHook().client.send(synthesize_speech(text=SAMPLE, voice="Ethan")).audio_url
    form = {
        "video": original["video_url"],
        "name": "shop",
        "languages": ["de", "es"],
        "proofread": False,
        "voice_sample": sample,
        "consent": "Ada agreed on 2026-11-27 to the use of her voice in this test.",
    }
    first: Run = run_dag(example(), **form)
    assert (first.state, first.states("video.publish")) == ("success", ["success"] * 2)
    transcript = first.xcom("transcript")
    assert transcript["text"] == SCRIPT
    voice = first.xcom("voice")
    for number, language in enumerate(("de", "es")):
        translation = first.xcom("dub.translation", map_index=number)
        speech = first.xcom("dub.speech", map_index=number)
        assert [one["source_text"] for one in translation["segments"]] == [
            one["text"] for one in transcript["segments"]
        ]
        assert speech["script"] == translation["text"]
        video = folder / f"shop-{language}.mp4"
        assert seconds_of(video) == pytest.approx(original["billed_seconds"], abs=0.5)
        # The dub speaks when the original does.
        assert find_pauses(video).speech_start == pytest.approx(transcript["segments"][0]["start"], abs=0.1)
        metadata = json.loads(video.with_name(f"{video.name}.json").read_text())
        assert metadata["subtitles"].keys() == {"srt", "vtt"}
        assert video.with_suffix(".srt").read_text().count("-->") >= 3
    stored = [json.loads(path.read_text()) for path in (folder / "speech").glob("*.json")]
    assert {one["voice"] for one in stored if "voice" in one} == {voice["voice"]}

    paid = {name: requests(emulator, name) for name in ("submit", "speech", "translation")}
    assert all(paid.values())
    again: Run = run_dag(example(), **form)
    assert (again.state, again.states("video.make")) == ("success", ["skipped"])
    assert again.xcom("voice")["reused"] is True
    assert {name: requests(emulator, name) for name in paid} == paid

    # As ProofreadOperator keeps what a person has corrected.
    memory = TranslationMemory.open(
        f"{folder.as_uri()}/translations/shop/", language="de", storage_conn_id=None, allowed_destinations=None
    )
    memory.keep_corrections({(transcript["segments"][1]["text"], 0): "Heute ist es warm."})
    corrected: Run = run_dag(example(), **form)
    assert (corrected.state, corrected.states("video.make")) == ("success", ["success"])
    assert "Heute ist es warm." in (folder / "shop-de.srt").read_text().replace("\n", " ")
    assert {name: requests(emulator, name) - before for name, before in paid.items()} == {
        "submit": 1,
        "speech": 1,
        "translation": 0,
    }


def test_without_a_sample_a_system_voice_speaks(
    run_dag: Any, folder: Path, emulator: Emulator, original: dict[str, Any]
) -> None:
    run: Run = run_dag(example(), video=original["video_url"], name="shop", languages=["de"], proofread=False)
    assert (run.state, run.states("voice"), run.states("video.publish")) == ("success", ["skipped"], ["success"])
    assert (folder / "shop-de.mp4").exists()
