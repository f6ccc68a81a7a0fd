from __future__ import annotations

import io
import struct
import wave
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from connections import connect
from opentelemetry import trace
from pytest_httpserver import HTTPServer
from unit.airflow_adapters.test_tracing import Airflow, airflow

from airflow_provider_videoretalk.dashscope.errors import AccessError, InputError
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator

__all__ = ["airflow"]

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


def answer_with(service: HTTPServer, audio: bytes, *, path: str = COSYVOICE, status: int = 200) -> None:
    service.expect_request("/speech.wav").respond_with_data(audio, status=status, content_type="audio/wav")
    body = {
        "request_id": "t1",
        "output": {"audio": {"url": service.url_for("/speech.wav?Signature=of-the-speech"), "expires_at": 1795263400}},
        "usage": {"characters": 13},
    }
    service.expect_request(path, method="POST").respond_with_json(body)


def operator(**arguments: Any) -> TextToSpeechOperator:
    return TextToSpeechOperator(task_id="speech", **{"text": "Welcome back."} | arguments)


def test_result(service: HTTPServer, context: dict[str, Any]) -> None:
    answer_with(service, wav(3.5))
    assert operator().execute(context) == {
        "audio_url": service.url_for("/speech.wav?Signature=of-the-speech"),
        "format": "wav",
        "expires_at": "2026-11-21T12:16:40+00:00",
        "characters": 13,
        "seconds": 3.5,
        "model": "cosyvoice-v3-flash",
        "voice": "longanyang",
        "request_id": "t1",
    }


def test_the_templated_fields() -> None:
    assert operator().template_fields == ("text", "model", "voice", "language", "options", "dashscope_conn_id")


def test_the_signature_of_the_speech_is_masked(service: HTTPServer, context: dict[str, Any], masked: list[str]) -> None:
    answer_with(service, wav(3))
    operator().execute(context)
    assert "of-the-speech" in masked


def test_everything_is_sent(service: HTTPServer, context: dict[str, Any]) -> None:
    answer_with(service, wav(3))
    label = {"enable_aigc_tag": True, "aigc_propagator": "producer", "aigc_propagate_id": "job-1"}
    options = {"rate": 1.1, **label}
    operator(voice="longanhuan", sample_rate=16_000, language="en", options=options).execute(context)
    assert service.log[0][0].get_json()["input"] == {
        "text": "Welcome back.",
        "voice": "longanhuan",
        "format": "wav",
        "sample_rate": 16_000,
        "language_hints": ["en"],
        "rate": 1.1,
        "enable_aigc_tag": True,
        "aigc_propagator": "producer",
        "aigc_propagate_id": "job-1",
    }


def test_the_format_is_sent(service: HTTPServer, context: dict[str, Any]) -> None:
    answer_with(service, b"")
    operator(audio_format="mp3").execute(context)
    assert service.log[0][0].get_json()["input"]["format"] == "mp3"


def test_the_request_is_in_the_trace(service: HTTPServer, context: dict[str, Any], airflow: Airflow) -> None:
    answer_with(service, wav(3))
    with trace.get_tracer("airflow").start_as_current_span("worker.speech"):
        operator().execute(context)
    assert airflow.spans["videoretalk.speech"].attributes == {
        "videoretalk.connection_id": "dashscope_default",
        "videoretalk.model": "cosyvoice-v3-flash",
    }


@pytest.mark.parametrize(("stated", "seconds"), [(0, 3.0), (0x7FFFFFFF, 3.0), (48_000, None)])
def test_a_wrong_size_in_the_header(
    service: HTTPServer, context: dict[str, Any], stated: int, seconds: float | None
) -> None:
    """The size of a stream is not known. A size of the first piece can be what the service plays, or not."""
    audio = bytearray(wav(3))
    struct.pack_into("<I", audio, 40, stated)
    answer_with(service, bytes(audio))
    assert operator().execute(context)["seconds"] == seconds


def test_chunks_after_the_samples_do_not_count(service: HTTPServer, context: dict[str, Any]) -> None:
    answer_with(service, wav(3) + b"LIST" + struct.pack("<I", 1000) + bytes(1000))
    assert operator().execute(context)["seconds"] == 3.0


NO_VALUES = ["", "None", " ", "None\n", None]


@pytest.mark.parametrize("nothing", NO_VALUES)
def test_fields_without_a_value_are_left_out(service: HTTPServer, context: dict[str, Any], nothing: Any) -> None:
    """A form's empty field renders as one of these."""
    answer_with(service, wav(3))
    options = {"rate": 0, "instruction": nothing}
    result = operator(voice=nothing, language=nothing, model=nothing, options=options).execute(context)
    assert service.log[0][0].get_json() == {
        "model": "cosyvoice-v3-flash",
        "input": {
            "text": "Welcome back.",
            "voice": "longanyang",
            "format": "wav",
            "sample_rate": 24_000,
            "rate": 0,
        },
    }
    assert (result["model"], result["voice"]) == ("cosyvoice-v3-flash", "longanyang")


@pytest.mark.parametrize("nothing", NO_VALUES)
def test_the_family_s_voice_without_a_value(service: HTTPServer, context: dict[str, Any], nothing: Any) -> None:
    answer_with(service, wav(3), path=QWEN)
    task = operator(model="qwen3-tts-flash", voice=nothing, language=nothing, options=nothing)
    assert task.execute(context)["voice"] == "Cherry"
    assert service.log[0][0].get_json()["input"] == {"text": "Welcome back.", "voice": "Cherry"}


@pytest.mark.parametrize(
    "message", ["Free allocated quota exceeded.", "The free tier of the model has been exhausted."]
)
def test_a_quota_that_is_used_up_is_not_sent_again(service: HTTPServer, context: dict[str, Any], message: str) -> None:
    service.expect_request(COSYVOICE).respond_with_json(
        {"code": "Throttling.AllocationQuota", "message": message}, status=429, headers={"Retry-After": "60"}
    )
    with pytest.raises(AccessError, match="The free quota is used up"):
        operator().execute(context)
    assert len(service.log) == 1


def test_qwen_by_its_own_endpoint(service: HTTPServer, context: dict[str, Any]) -> None:
    answer_with(service, wav(3), path=QWEN)
    result = operator(model="qwen3-tts-flash", audio_format="mp3").execute(context)
    assert (result["format"], result["voice"], result["seconds"]) == ("wav", "Cherry", 3.0)


@pytest.mark.parametrize(("seconds", "change"), [(1.99, "Lengthen"), (2.0, ""), (120.0, ""), (120.01, "Shorten")])
def test_speech_that_videoretalk_would_refuse(
    service: HTTPServer, context: dict[str, Any], seconds: float, change: str
) -> None:
    answer_with(service, wav(seconds))
    if not change:
        assert operator().execute(context)["seconds"] == seconds
    else:
        with pytest.raises(
            AirflowFailException,
            match=rf"the speech is {seconds:g} s, allowed is 2 to 120 s\. {change} the script; no video",
        ):
            operator().execute(context)
        assert operator(min_seconds=None, max_seconds=None).execute(context)["seconds"] == seconds


def test_a_speech_that_is_too_long_alone(service: HTTPServer, context: dict[str, Any]) -> None:
    """The shortest one is not limited."""
    answer_with(service, wav(3))
    with pytest.raises(AirflowFailException, match=r"the speech is 3 s, allowed is at most 2 s\. Shorten the script"):
        operator(min_seconds=None, max_seconds=2).execute(context)


def test_a_streamed_header_is_not_believed(service: HTTPServer, context: dict[str, Any]) -> None:
    audio = bytearray(wav(3))
    struct.pack_into("<I", audio, 40, 0xFFFFFFFF)
    answer_with(service, bytes(audio))
    assert operator().execute(context)["seconds"] == 3.0


@pytest.mark.parametrize(("audio", "status"), [(b"ID3 not a wav", 200), (wav(3)[:30], 200), (b"", 404)])
def test_speech_that_cannot_be_measured_is_passed_on(
    service: HTTPServer, context: dict[str, Any], audio: bytes, status: int
) -> None:
    answer_with(service, audio, status=status)
    assert operator().execute(context)["seconds"] is None


def test_other_formats_are_not_measured(service: HTTPServer, context: dict[str, Any]) -> None:
    answer_with(service, b"")
    assert operator(audio_format="mp3").execute(context)["seconds"] is None
    assert [request.path for request, _ in service.log] == [COSYVOICE]


def test_a_throttled_account_defers(service: HTTPServer, context: dict[str, Any]) -> None:
    service.expect_oneshot_request(COSYVOICE).respond_with_json(
        {"code": "Throttling.RateQuota"}, status=429, headers={"Retry-After": "60"}
    )
    task = operator()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    answer_with(service, wav(3))
    assert task.execute_again(context, deferred.value.trigger.note)["seconds"] == 3.0


def test_no_more_patience_than_the_connection_allows(
    service: HTTPServer, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, host=service.url_for("/api/v1"), throttle_timeout=60)
    with pytest.raises(InputError, match=r"^throttle_timeout is 61 s"):
        operator(throttle_timeout=61).execute(context)
    assert not service.log


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(({"text": nothing}, "^text is ") for nothing in NO_VALUES),
        ({"text": "a" * 2001}, "^text "),
        ({"options": "rate=2"}, "^options is a str"),
        ({"options": {"text": "x"}}, "options contains .text."),
        ({"model": 3}, "^model is 3"),
        ({"voice": 3}, "^voice is 3"),
        ({"language": ["en"]}, r"^language is \['en'\]"),
    ],
)
def test_bad_input_is_found_before_anything_is_sent(
    service: HTTPServer, context: dict[str, Any], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"^(?:{message})"):
        operator(**arguments).execute(context)
    assert not service.log
