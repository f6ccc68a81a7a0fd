"""The vendor's SDK, dashscope 2.0.2, as a client of the emulator."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

dashscope = pytest.importorskip("dashscope")

from dashscope.audio import asr, http_tts, qwen_asr, qwen_tts, tts_v2  # noqa: E402
from dashscope.utils.oss_utils import OssUtils  # noqa: E402

# The SDK types a reply as one reply or a stream of replies, which these tests do not distinguish.
VideoSynthesis: Any = dashscope.VideoSynthesis
HttpSpeechSynthesizer: Any = http_tts.HttpSpeechSynthesizer
QwenSpeechSynthesizer: Any = qwen_tts.SpeechSynthesizer
Transcription: Any = asr.Transcription
QwenTranscription: Any = qwen_asr.QwenTranscription
Generation: Any = dashscope.Generation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    settings = EmulatorSettings(port=0, time_scale=100, submits_per_second=1000)
    with Emulator(settings, engine=FakeEngine()) as running:
        yield running


@pytest.fixture
def key(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of a new account; the SDK uses it and the emulator."""
    monkeypatch.setattr(dashscope, "base_http_api_url", emulator.base_url)
    made = f"sk-{uuid.uuid4().hex}"
    monkeypatch.setattr(dashscope, "api_key", made)
    return made


def submit(emulator: Emulator, key: str, **given: Any) -> Any:
    inputs = {
        "video_url": f"{emulator.url}/samples/presenter.mp4",
        "audio_url": f"{emulator.url}/samples/speech.wav",
        "ref_image_url": "",
    }
    return VideoSynthesis.async_call(
        model="videoretalk",
        task="image2video",
        api_key=key,
        **{"extra_input": inputs, "video_extension": False, **given},
    )


def test_submit_wait_fetch(emulator: Emulator, key: str) -> None:
    submitted = submit(emulator, key)
    assert submitted.status_code == HTTPStatus.OK, submitted
    assert submitted.output.task_status == "PENDING"
    done = VideoSynthesis.wait(submitted, api_key=key)
    assert done.output.task_status == "SUCCEEDED", done
    assert done.usage.video_duration == 3.0
    assert requests.get(done.output.video_url, timeout=10).status_code == 200


def test_list(emulator: Emulator, key: str) -> None:
    ids = [submit(emulator, key).output.task_id for _ in range(3)]
    listed = VideoSynthesis.list(model_name="videoretalk", page_size=2, api_key=key)
    assert listed.status_code == HTTPStatus.OK, listed
    assert (listed.output["total"], listed.output["total_page"]) == (3, 2)
    assert [row["task_id"] for row in listed.output["data"]] == ids[:0:-1]


def test_cancel(emulator: Emulator, key: str) -> None:
    first, second = submit(emulator, key), submit(emulator, key)
    cancelled = VideoSynthesis.cancel(second, api_key=key)
    assert cancelled.status_code == HTTPStatus.OK, cancelled
    assert VideoSynthesis.fetch(second, api_key=key).output.task_status == "CANCELED"
    VideoSynthesis.wait(first, api_key=key)
    refused = VideoSynthesis.cancel(first, api_key=key)
    assert (refused.status_code, refused.code) == (400, "UnsupportedOperation")


def test_refusals_reach_the_caller(emulator: Emulator, key: str) -> None:
    wrong = submit(emulator, key, extra_input={"video_url": "http://x.example/v.mp4"})
    assert (wrong.status_code, wrong.code) == (400, "InvalidParameter")
    assert wrong.message == "Field required: input.audio_url"
    unauthorised = submit(emulator, "nonsense")
    assert (unauthorised.status_code, unauthorised.code) == (401, "InvalidApiKey")
    unknown = VideoSynthesis.fetch(str(uuid.uuid4()), api_key=key)
    assert (unknown.status_code, unknown.output.task_status) == (200, "UNKNOWN")


def test_upload(emulator: Emulator, key: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"a clip" * 10_000)
    url, _ = OssUtils.upload(model="videoretalk", file_path=str(path), api_key=key)
    assert url.startswith("oss://dashscope-instant/")
    submitted = submit(
        emulator,
        key,
        extra_input={"video_url": url, "audio_url": url},
        headers={"X-DashScope-OssResourceResolve": "enable"},
    )
    done = VideoSynthesis.wait(submitted, api_key=key)
    assert done.output.task_status == "SUCCEEDED", done
    assert requests.get(done.output.video_url, timeout=10).content == path.read_bytes()


def test_cosyvoice(emulator: Emulator, key: str) -> None:
    spoken = HttpSpeechSynthesizer.call(
        model="cosyvoice-v3-flash", text="Welcome back.", voice="longanyang", api_key=key
    )
    assert spoken.status_code == HTTPStatus.OK
    assert spoken.audio_id.startswith("audio_")
    assert requests.get(spoken.audio_url, timeout=10).content[:4] == b"RIFF"
    refused = HttpSpeechSynthesizer.call(model="qwen3-tts-flash", text="Hello.", voice="Cherry", api_key=key)
    assert (refused.status_code, refused.code) == (400, "InvalidParameter")


def test_qwen_tts(emulator: Emulator, key: str) -> None:
    spoken = QwenSpeechSynthesizer.call(model="qwen-tts", text="Welcome back.", voice="Cherry", api_key=key)
    assert spoken.status_code == HTTPStatus.OK, spoken
    assert requests.get(spoken.output.audio["url"], timeout=10).content[:4] == b"RIFF"


def test_qwen3_tts(emulator: Emulator, key: str) -> None:
    spoken = dashscope.MultiModalConversation.call(
        model="qwen3-tts-flash", text="Welcome back.", voice="Cherry", language_type="English", api_key=key
    )
    assert spoken.status_code == HTTPStatus.OK, spoken
    assert spoken.usage["characters"] == 13
    assert requests.get(spoken.output.audio["url"], timeout=10).status_code == 200


def test_translation(emulator: Emulator, key: str) -> None:
    def translate(messages: list[dict[str, str]], **options: Any) -> Any:
        languages = {"source_lang": "auto", "target_lang": "German"}
        return Generation.call(
            model="qwen-mt-plus",
            messages=messages,
            result_format="message",
            translation_options={**languages, **options},
            api_key=key,
        )

    terms = [{"source": "Acme", "target": "Akme"}]
    translated = translate([{"role": "user", "content": "Welcome to Acme.\nCome in."}], terms=terms)
    assert translated.status_code == HTTPStatus.OK, translated
    assert translated.usage["total_tokens"] > translated.usage["input_tokens"] > 45
    first, second = translated.output.choices[0].message.content.split("\n")
    assert first.startswith("[de] ")
    assert first.endswith(" Akme.")
    assert second.startswith("[de] ")
    refused = translate([{"role": "system", "content": "Translate."}, {"role": "user", "content": "Hi"}])
    assert (refused.status_code, refused.code) == (400, "InvalidParameter")
    assert refused.message == "Role must be in [user, assistant]."


@pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning")
def test_client_of_2_0_speaks_with_both_families(emulator: Emulator, key: str) -> None:
    with dashscope.Client(api_key=key, base_url=emulator.base_url) as client:
        for model, voice in (("cosyvoice-v3-flash", "longanyang"), ("qwen3-tts-flash", "Cherry")):
            spoken = client.audio.tts.http.synthesize("Welcome back.", model=model, voice=voice)
            assert requests.get(spoken.audio_url, timeout=10).status_code == 200


def test_transcription_of_each_family(emulator: Emulator, key: str) -> None:
    url = f"{emulator.url}/samples/speech.wav"
    several = Transcription.call(
        model="qwen-audio-3.0-asr-flash-filetrans",
        file_urls=[url, f"{emulator.url}/nothing.wav"],
        diarization_enabled=True,
        speaker_count=2,
        api_key=key,
    )
    assert several.output.task_status == "SUCCEEDED", several
    assert [row["subtask_status"] for row in several.output["results"]] == ["SUCCEEDED", "FAILED"]
    assert several.usage["duration"] == 3
    one = QwenTranscription.call(
        model="qwen3-asr-flash-filetrans", file_url=url, enable_words=True, language="en", api_key=key
    )
    assert one.output.task_status == "SUCCEEDED", one
    for found in (several.output["results"][0], one.output["result"]):
        assert "transcripts" in requests.get(found["transcription_url"], timeout=10).json()


def test_voices(emulator: Emulator, key: str) -> None:
    service: Any = tts_v2.VoiceEnrollmentService(api_key=key)
    sample = f"{emulator.url}/samples/speech.wav"
    voice = service.create_voice("cosyvoice-v3.5-flash", "anna", sample, language_hints=["en"])
    other = service.create_voice("cosyvoice-v3.5-flash", "ben", sample)
    assert sorted(row["voice_id"] for row in service.list_voices()) == sorted([voice, other])
    assert [(row["voice_id"], row["status"]) for row in service.list_voices(prefix="anna")] == [(voice, "OK")]
    assert service.list_voices(page_index=1) == []
    service.update_voice(voice, sample)
    assert service.query_voice(voice)["resource_link"] == sample
    spoken = HttpSpeechSynthesizer.call(model="cosyvoice-v3.5-flash", text="Welcome.", voice=voice, api_key=key)
    assert spoken.status_code == HTTPStatus.OK, spoken
    service.delete_voice(voice)
    assert [row["voice_id"] for row in service.list_voices()] == [other]
    with pytest.raises(tts_v2.VoiceEnrollmentException, match=r"BadRequest\.ResourceNotExist"):
        service.query_voice(voice)


@pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning")
def test_client_of_2_0_enrols_voices(emulator: Emulator, key: str) -> None:
    with dashscope.Client(api_key=key, base_url=emulator.base_url) as client:
        voices = client.audio.voices
        sample = f"{emulator.url}/samples/speech.wav"
        made = voices.create(target_model="cosyvoice-v3-flash", prefix="anna", url=sample, max_prompt_audio_length=12)
        assert voices.get(made.voice_id).status == "OK"
        assert [row["voice_id"] for row in voices.list(prefix="anna").voices] == [made.voice_id]
        assert voices.delete(made.voice_id).request_id
        assert voices.list().voices == []
