from __future__ import annotations

import io
import struct
import wave
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from pytest_httpserver import HTTPServer

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator

COSYVOICE = "/api/v1/services/audio/tts/SpeechSynthesizer"
QWEN = "/api/v1/services/aigc/multimodal-generation/generation"


def wav(seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(bytes(int(seconds * 24_000) * 2))
    return buffer.getvalue()


def speaks(service: HTTPServer, audio: bytes, *, path: str = COSYVOICE, status: int = 200) -> None:
    service.expect_request("/speech.wav").respond_with_data(audio, status=status, content_type="audio/wav")
    body = {
        "request_id": "t1",
        "output": {"audio": {"url": service.url_for("/speech.wav?Signature=s"), "expires_at": 1795263400}},
        "usage": {"characters": 13},
    }
    service.expect_request(path, method="POST").respond_with_json(body)


def operator(**arguments: Any) -> TextToSpeechOperator:
    return TextToSpeechOperator(task_id="speech", **{"text": "Welcome back."} | arguments)


def test_result(service: HTTPServer, context: dict[str, Any]) -> None:
    speaks(service, wav(3.5))
    assert operator().execute(context) == {
        "audio_url": service.url_for("/speech.wav?Signature=s"),
        "format": "wav",
        "expires_at": "2026-11-21T12:16:40+00:00",
        "characters": 13,
        "seconds": 3.5,
        "model": "cosyvoice-v3-flash",
        "voice": "longanyang",
        "request_id": "t1",
    }


def test_everything_is_sent(service: HTTPServer, context: dict[str, Any]) -> None:
    speaks(service, wav(3))
    operator(voice="longanhuan", sample_rate=16_000, language="en", options={"rate": 1.1}).execute(context)
    assert service.log[0][0].get_json()["input"] == {
        "text": "Welcome back.",
        "voice": "longanhuan",
        "format": "wav",
        "sample_rate": 16_000,
        "language_hints": ["en"],
        "rate": 1.1,
    }


@pytest.mark.parametrize("told", [0, 1000, 0x7FFFFFFF])
def test_a_header_that_lies_is_not_believed(service: HTTPServer, context: dict[str, Any], told: int) -> None:
    audio = bytearray(wav(3))
    struct.pack_into("<I", audio, 40, told)
    speaks(service, bytes(audio))
    assert operator().execute(context)["seconds"] == 3.0


def test_chunks_after_the_samples_do_not_count(service: HTTPServer, context: dict[str, Any]) -> None:
    speaks(service, wav(3) + b"LIST" + struct.pack("<I", 1000) + bytes(1000))
    assert operator().execute(context)["seconds"] == 3.0


def test_qwen_by_its_own_endpoint(service: HTTPServer, context: dict[str, Any]) -> None:
    speaks(service, wav(3), path=QWEN)
    result = operator(model="qwen3-tts-flash", audio_format="mp3").execute(context)
    assert (result["format"], result["voice"], result["seconds"]) == ("wav", "Cherry", 3.0)


@pytest.mark.parametrize(("seconds", "fits"), [(1.99, False), (2.0, True), (120.0, True), (120.01, False)])
def test_speech_that_videoretalk_would_refuse(
    service: HTTPServer, context: dict[str, Any], seconds: float, fits: bool
) -> None:
    speaks(service, wav(seconds))
    if fits:
        assert operator().execute(context)["seconds"] == seconds
    else:
        with pytest.raises(
            AirflowFailException, match=rf"the speech is {seconds:g} s, allowed is 2 to 120 s\. .* the script; no video"
        ):
            operator().execute(context)
        assert operator(min_seconds=None, max_seconds=None).execute(context)["seconds"] == seconds


def test_a_streamed_header_is_not_believed(service: HTTPServer, context: dict[str, Any]) -> None:
    audio = bytearray(wav(3))
    struct.pack_into("<I", audio, 40, 0xFFFFFFFF)
    speaks(service, bytes(audio))
    assert operator().execute(context)["seconds"] == 3.0


@pytest.mark.parametrize(("audio", "status"), [(b"ID3 not a wav", 200), (wav(3)[:30], 200), (b"", 404)])
def test_speech_that_cannot_be_measured_is_passed_on(
    service: HTTPServer, context: dict[str, Any], audio: bytes, status: int
) -> None:
    speaks(service, audio, status=status)
    assert operator().execute(context)["seconds"] is None


def test_other_formats_are_not_measured(service: HTTPServer, context: dict[str, Any]) -> None:
    speaks(service, b"")
    assert operator(audio_format="mp3").execute(context)["seconds"] is None
    assert [request.path for request, _ in service.log] == [COSYVOICE]


def test_a_throttled_account_defers(service: HTTPServer, context: dict[str, Any]) -> None:
    service.expect_oneshot_request(COSYVOICE).respond_with_json({"code": "Throttling.RateQuota"}, status=429)
    task = operator()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    speaks(service, wav(3))
    assert task.execute_again(context, deferred.value.trigger.note)["seconds"] == 3.0


@pytest.mark.parametrize(
    "arguments",
    [{"text": " "}, {"text": "a" * 2001}, {"options": "rate=2"}, {"options": {"text": "x"}}, {"model": None}],
)
def test_bad_input_is_found_before_anything_is_sent(
    service: HTTPServer, context: dict[str, Any], arguments: dict[str, Any]
) -> None:
    with pytest.raises(InputError):
        operator(**arguments).execute(context)
    assert not service.log
