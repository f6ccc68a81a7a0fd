from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.dashscope.request import Reply
from airflow_provider_videoretalk.dashscope.speech import answered_format, count_characters, synthesize_speech

COSYVOICE = "services/audio/tts/SpeechSynthesizer"
QWEN = "services/aigc/multimodal-generation/generation"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("cosyvoice-v3-flash", COSYVOICE),
        ("qwen-audio-3.0-tts-flash", COSYVOICE),
        ("qwen3-tts-flash", QWEN),
        ("qwen-tts-latest", QWEN),
        ("something-new", COSYVOICE),
    ],
)
def test_the_model_chooses_the_endpoint(model: str, path: str) -> None:
    assert synthesize_speech(text="Hi", model=model).path == path


def test_bodies() -> None:
    request = synthesize_speech(text="Hi", language="en", options={"rate": 1.1, "format": "mp3"})
    assert request.body == {
        "model": "cosyvoice-v3-flash",
        "input": {
            "text": "Hi",
            "voice": "longanyang",
            "format": "mp3",
            "sample_rate": 24000,
            "language_hints": ["en"],
            "rate": 1.1,
        },
    }
    request = synthesize_speech(text="Hi", model="qwen3-tts-flash", voice="Ethan", language="English")
    assert request.body == {
        "model": "qwen3-tts-flash",
        "input": {"text": "Hi", "voice": "Ethan", "language_type": "English"},
    }
    assert not request.creates
    assert answered_format("qwen3-tts-flash", "mp3") == "wav"


def test_a_han_character_counts_twice() -> None:
    assert count_characters("你好, abc! かな 漢字") == 18


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": ""}, "text is ''"),
        ({"text": " \n"}, "text is ' "),
        ({"text": None}, "text is None"),
        ({"text": "a" * 2001}, r"text has 2001 characters .* cosyvoice-v3-flash takes 2000"),
        ({"text": "你" * 301, "model": "qwen3-tts-flash"}, r"text has 602 characters .* takes 600"),
        ({"text": "a", "audio_format": "flac"}, "audio_format is 'flac', allowed is one of wav, mp3"),
        ({"text": "a", "options": "rate=1"}, "options is a str, allowed is a mapping"),
    ],
)
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        synthesize_speech(**arguments)


@pytest.mark.parametrize("text", ["a" * 2000, "你" * 1000])
def test_just_within_the_limit(text: str) -> None:
    synthesize_speech(text=text)


def test_replies() -> None:
    body: dict[str, Any] = {
        "status_code": 200,
        "request_id": "t2",
        "code": "",
        "message": "",
        "output": {"finish_reason": "stop", "audio": {"data": "", "url": "http://r/x.wav", "expires_at": 1795263400}},
        "usage": {"characters": 13},
    }
    request = synthesize_speech(text="Hi", model="qwen3-tts-flash")
    speech = request.read(Reply(status=200, headers={}, content=json.dumps(body).encode()))
    assert (speech.audio_url, speech.characters, speech.request_id) == ("http://r/x.wav", 13, "t2")
    assert speech.expires_at is not None
    assert speech.expires_at.isoformat() == "2026-11-21T12:16:40+00:00"
    body["output"]["audio"] = {"data": "", "url": ""}
    with pytest.raises(TransportError, match=r"output\.audio\.url is empty"):
        request.read(Reply(status=200, headers={}, content=json.dumps(body).encode()))
