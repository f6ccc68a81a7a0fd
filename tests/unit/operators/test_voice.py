"""The operator that enrols voices, and the speech that uses them, on the emulator."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from connections import connect
from media_files import wav
from object_store import ObjectStore, attached

from airflow_provider_videoretalk.dashscope.errors import (
    AccessError,
    ConfigurationError,
    InputError,
    OutcomeUnknownError,
    RequestError,
)
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator
from airflow_provider_videoretalk.operators.voice import VoiceOperator
from airflow_provider_videoretalk.submission import voice_enrollment

CONSENT = "Anna Meier agreed on 2026-11-02 to the use of her voice in our product videos."
CONTENT = wav(seconds=6, rate=24_000)
VC = "qwen3-tts-vc-2026-01-22"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, engine: FakeEngine) -> Iterator[Emulator]:
    monkeypatch.setattr(voice_enrollment, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(voice_enrollment, "SEARCH_PAUSES", (0.0, 0.0))
    with Emulator(EmulatorSettings(port=0, voice_storage=2), engine=engine) as running:
        connect(monkeypatch, host=running.base_url, queries_per_second=1000, allow_private=True)
        yield running


@pytest.fixture
def sample(tmp_path: Path) -> str:
    path = tmp_path / "anna.wav"
    path.write_bytes(CONTENT)
    return f"file://{path}"


def operator(sample: Any, **given: Any) -> VoiceOperator:
    return VoiceOperator(task_id="voice", **{"sample": sample, "consent": CONSENT} | given)


def actions(emulator: Emulator) -> int:
    return sum(request["operation"] == "voices" for request in emulator.state.requests)


def test_the_result(emulator: Emulator, context: dict[str, Any], sample: str) -> None:
    result = operator(sample).execute(context)
    voice, request_id, created_at = result.pop("voice"), result.pop("request_id"), result.pop("created_at")
    assert voice.startswith("cosyvoice-v3-flash-")
    assert (request_id is not None, created_at.endswith("+00:00")) == (True, True)
    assert result == {
        "target_model": "cosyvoice-v3-flash",
        "sample": sample,
        "sample_sha256": hashlib.sha256(CONTENT).hexdigest(),
        "consent": CONSENT,
        "reused": False,
    }
    again = operator(sample, consent=f" {CONSENT}\n").execute(context)
    assert (again["voice"], again["reused"], again["request_id"]) == (voice, True, None)
    assert again["consent"] == CONSENT


def test_another_sample_and_another_model_are_other_voices(
    emulator: Emulator, context: dict[str, Any], sample: str, tmp_path: Path
) -> None:
    other = tmp_path / "ben.wav"
    other.write_bytes(wav(seconds=7, rate=24_000))
    voices = [
        operator(sample).execute(context)["voice"],
        operator(str(other)).execute(context)["voice"],
        operator(sample, target_model=VC).execute(context)["voice"],
    ]
    assert len(set(voices)) == 3


def test_the_same_bytes_elsewhere_are_the_same_voice(
    emulator: Emulator, context: dict[str, Any], sample: str, httpserver: Any, masked: list[str]
) -> None:
    first = operator(sample).execute(context)
    httpserver.expect_request("/anna.wav").respond_with_data(CONTENT)
    url = httpserver.url_for("/anna.wav?Signature=of-the-sample")
    # A video's sound would do, too.
    sound = {"audio_url": url, "video_url": httpserver.url_for("/missing.mp4")}
    for given in (url, {"url": url}, {"audio_url": url, "seconds": 6}, sound, {"video_url": url}):
        result = operator(given).execute(context)
        assert (result["voice"], result["reused"]) == (first["voice"], True)
        assert result["sample"] == httpserver.url_for("/anna.wav")


def test_the_service_gets_the_url_and_the_fields(
    emulator: Emulator, context: dict[str, Any], httpserver: Any, engine: FakeEngine
) -> None:
    httpserver.expect_request("/anna.wav").respond_with_data(CONTENT)
    url = httpserver.url_for("/anna.wav")
    operator(url, language="en", options={"max_prompt_audio_length": 20, "empty": None}).execute(context)
    account = emulator.state.authenticate("Bearer sk-test-0123456789abcdef").account
    (voice,) = emulator.voices.voices_of(account, "cosyvoice")
    assert (voice.link, voice.language) == (url, "en")
    with pytest.raises(RequestError, match="max_prompt_audio_length"):
        operator(url, target_model="cosyvoice-v2", options={"max_prompt_audio_length": 31}).execute(context)


def test_the_url_of_a_stored_sample_lives_for_an_hour(
    emulator: Emulator, context: dict[str, Any], httpserver: Any, masked: list[str]
) -> None:
    """The service fetches it while it enrols."""
    httpserver.expect_request("/anna.wav").respond_with_data(CONTENT)
    lives: list[int] = []

    class SigningStore(ObjectStore):
        def sign(self, path: str, expiration: int = 100, **_: Any) -> str:
            lives.append(expiration)
            return str(httpserver.url_for("/anna.wav?Signature=of-the-sample"))

    store = SigningStore()
    store.objects["bucket/anna.wav"] = CONTENT
    with attached(mine=store):
        operator("s3://mine@bucket/anna.wav").execute(context)
    assert lives == [pytest.approx(3600, abs=30)]
    assert "of-the-sample" in masked


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"consent": ""}, "^consent is ''"),
        ({"consent": "  "}, "^consent is '  '"),
        ({"consent": None}, "^consent is None"),
        ({"consent": True}, "^consent is True"),
        ({"sample": ""}, "^sample is ''"),
        ({"sample": None}, "^sample is None"),
        ({"sample": {"seconds": 3}}, "^sample is a mapping"),
        ({"sample": {"url": "file:///etc/passwd"}}, "^sample is 'file:///etc/passwd', allowed is an http"),
        (
            {"sample": "oss://dashscope-instant/a.wav"},
            "the scheme 'oss' cannot be read, allowed are http, https and file",
        ),
        ({"target_model": 3}, "^target_model is 3"),
        ({"language": 3}, "^language is 3"),
        ({"options": "x"}, "^options is a str"),
        ({"options": {"prefix": "x"}}, "^options contains 'prefix'"),
        # Before the sample is read.
        ({"options": {"prefix": "x"}, "sample": "file:///missing.wav"}, "^options contains 'prefix'"),
        ({"allowed_sources": "https://media.example.com/"}, "^sample is .* allowed is https://media.example.com/"),
    ],
)
def test_bad_input_is_found_before_anything_is_sent(
    emulator: Emulator, context: dict[str, Any], sample: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"^(?:{message})"):
        operator(**{"sample": sample} | given).execute(context)
    assert actions(emulator) == 0


def test_no_more_patience_than_the_connection_allows(
    emulator: Emulator, context: dict[str, Any], sample: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, host=emulator.base_url, allow_private=True, throttle_timeout=60)
    with pytest.raises(InputError, match=r"^throttle_timeout is 61 s"):
        operator(sample, throttle_timeout=61).execute(context)
    assert actions(emulator) == 0


HOSTILE_SOURCES = [
    "file:///opt/airflow/airflow.cfg",
    " FILE:///opt/airflow/airflow.cfg",
    "/opt/airflow/airflow.cfg",
    "opt/airflow/airflow.cfg",
    "s3://any_conn@bucket/secret.wav",
    "oss://dashscope-instant/of-somebody-else.wav",
    "filecache::file:///opt/airflow/airflow.cfg",
    "https://media.example.com.evil.example/a.wav",
    "https://media.example.com@evil.example/a.wav",
]


@pytest.mark.parametrize("location", HOSTILE_SOURCES)
def test_a_source_that_the_author_did_not_allow(
    emulator: Emulator, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    import airflow.sdk.io.path as path

    opened: list[Any] = []
    monkeypatch.setattr(path, "attach", lambda *arguments, **_: opened.append(arguments))
    with pytest.raises(InputError, match=r"^sample "):
        operator(location, allowed_sources="https://media.example.com/").execute(context)
    task = operator({"url": "{{ params.sample }}"}, allowed_sources="https://media.example.com/")
    task.sample = {"url": location}
    with pytest.raises(InputError, match=r"^sample "):
        task.execute(context)
    assert (opened, actions(emulator)) == ([], 0)


def test_a_sample_that_the_service_would_refuse(emulator: Emulator, context: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "short.wav").write_bytes(wav(seconds=4, rate=24_000))
    with pytest.raises(InputError, match="allowed is 5 to 60 s") as caught:
        operator(str(tmp_path / "short.wav")).execute(context)
    assert (caught.value.code, actions(emulator)) == ("Audio.AudioShortError", 0)


def test_the_surplus_policy_has_two_words() -> None:
    with pytest.raises(InputError, match="surplus"):
        operator("file:///x", surplus="maybe")


def test_a_throttled_account_defers(emulator: Emulator, context: dict[str, Any], sample: str) -> None:
    emulator.faults.arm(FaultRule(operation="voices", effect="throttle", after=2, retry_after=60))
    task = operator(sample)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    assert task.execute_again(context, deferred.value.trigger.note)["reused"] is False


def test_a_lost_reply_is_in_doubt_until_a_person_clears_the_task(
    emulator: Emulator, context: dict[str, Any], sample: str
) -> None:
    emulator.faults.arm(FaultRule(operation="voices", effect="drop_before", after=2))
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            operator(sample).execute(context)
    context["dag_run"].clear_number = 1
    assert operator(sample).execute(context)["reused"] is False


def test_a_full_storage_is_permanent(emulator: Emulator, context: dict[str, Any], sample: str, tmp_path: Path) -> None:
    for seconds in (7, 8):
        (tmp_path / "other.wav").write_bytes(wav(seconds=seconds, rate=24_000))
        operator(str(tmp_path / "other.wav")).execute(context)
    with pytest.raises(AccessError, match="Delete voices that are no longer used") as caught:
        operator(sample).execute(context)
    assert not caught.value.retryable


def test_without_a_state_store(emulator: Emulator, context: dict[str, Any], sample: str) -> None:
    context["task_state_store"] = None
    assert operator(sample).execute(context)["reused"] is False
    del context["task_state_store"]
    assert operator(sample).execute(context)["reused"] is True


def test_a_connection_that_is_missing(context: dict[str, Any], sample: str) -> None:
    with pytest.raises(ConfigurationError):
        operator(sample, dashscope_conn_id="none").execute(context)


def speech(voice: Any, **given: Any) -> TextToSpeechOperator:
    return TextToSpeechOperator(task_id="speech", text="Welcome back.", voice=voice, **given)


@pytest.mark.parametrize("model", ["cosyvoice-v3.5-flash", VC])
def test_speech_takes_the_result(
    emulator: Emulator, context: dict[str, Any], sample: str, engine: FakeEngine, model: str
) -> None:
    voice = operator(sample, target_model=model).execute(context)
    for given in ({}, {"model": model}, {"model": None}, {"model": ""}):
        result = speech(voice, **given).execute(context)
        assert (result["model"], result["voice"]) == (model, voice["voice"])
    assert engine.speeches[0].traits is not None


def test_speech_of_another_model_is_refused_before_it_is_paid_for(
    emulator: Emulator, context: dict[str, Any], sample: str, engine: FakeEngine
) -> None:
    voice = operator(sample).execute(context)
    with pytest.raises(InputError, match=r"^model is 'cosyvoice-v3-plus', allowed is 'cosyvoice-v3-flash'"):
        speech(voice, model="cosyvoice-v3-plus").execute(context)
    assert engine.speeches == []


@pytest.mark.parametrize("voice", [{}, {"voice": "v"}, {"target_model": "m"}, {"voice": "", "target_model": "m"}])
def test_speech_takes_no_other_mapping(emulator: Emulator, context: dict[str, Any], voice: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^voice's "):
        speech(voice).execute(context)
