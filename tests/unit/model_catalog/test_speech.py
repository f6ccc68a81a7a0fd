from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.dashscope.request import Reply
from airflow_provider_videoretalk.model_catalog.speech import answered_format, count_characters, synthesize_speech

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
    for language, sent in (("es", "Spanish"), ("de-AT", "German"), ("spanish", "Spanish"), ("Klingon", "Klingon")):
        request = synthesize_speech(text="Hi", model="qwen3-tts-flash", language=language)
        assert request.body["input"]["language_type"] == sent
    assert answered_format("qwen3-tts-flash", "mp3") == "wav"


def test_a_han_character_counts_twice() -> None:
    assert count_characters("你好, abc! かな 漢字") == 18


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("<speak>Hi</speak>", 2),
        (' \n<speak rate="1.2">Wait.<break time="500ms"/> 你好</speak>', 10),
        ('<?xml version="1.0"?>\n<speak>a<!-- not <b>spoken</b> -->b</speak>', 2),
        ("<SPEAK>R&amp;D &lt;3</SPEAK>", 6),
        ("<speak>" + '<phoneme alphabet="py" ph="da3">打</phoneme>' * 10 + "</speak>", 20),
        ("<speak>a < b", 5),
        ("<speak", 6),
        # Not SSML: all of it is spoken.
        ("if a < b and c > d", 18),
        ("Say <speak>hi</speak>", 21),
        ("<b>bold</b> &amp;", 17),
    ],
)
def test_tags_of_ssml_do_not_count(text: str, characters: int) -> None:
    assert count_characters(text) == characters


def test_ssml_within_the_limit_is_sent_as_it_is() -> None:
    text = "<speak>" + '<break time="100ms"/>a' * 2000 + "</speak>"
    request = synthesize_speech(text=text, options={"enable_ssml": True})
    assert request.body is not None
    assert request.body["input"]["text"] == text
    with pytest.raises(InputError, match=r"text has 2001 characters .*SSML tags do not count"):
        synthesize_speech(text=text.replace("</speak>", "a</speak>"))


@pytest.mark.parametrize("piece", ["<", "<!--", "<a ", "<speak", "&", "<?xml", "<speak><!--"])
def test_counting_takes_no_longer_than_the_text_is_long(piece: str) -> None:
    """A text of any length comes from a form."""
    assert count_characters("<speak>" + piece * (400_000 // len(piece))) >= 0
    assert count_characters(piece * (400_000 // len(piece))) >= 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": ""}, "text is ''"),
        ({"text": " \n"}, "text is ' "),
        ({"text": None}, "text is None"),
        ({"text": "a" * 2001}, r"text has 2001 characters .* cosyvoice-v3-flash allows 2000"),
        ({"text": "你" * 301, "model": "qwen3-tts-flash"}, r"text has 602 characters .* allows 600"),
        ({"text": "a", "audio_format": "flac"}, "audio_format is 'flac', allowed is one of wav, mp3"),
        ({"text": "a", "options": "rate=1"}, "options is a str, allowed is a mapping"),
    ],
)
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^(?:{message})"):
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
    with pytest.raises(TransportError, match=r"output\.audio\.url is no http or https URL"):
        request.read(Reply(status=200, headers={}, content=json.dumps(body).encode()))
