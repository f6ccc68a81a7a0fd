"""Speech over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest
import requests

COSYVOICE = "/services/audio/tts/SpeechSynthesizer"
QWEN = "/services/aigc/multimodal-generation/generation"


@pytest.fixture
def client(start: Any, connect: Any) -> Any:
    return connect(start())


def cosyvoice(client: Any, model: str = "cosyvoice-v3-flash", **given: Any) -> Any:
    spoken = {"text": "Welcome back.", "voice": "longanyang", "format": "wav", "sample_rate": 24000, **given}
    return client.post(COSYVOICE, json={"model": model, "input": spoken})


def qwen(client: Any, model: str = "qwen3-tts-flash", **given: Any) -> Any:
    spoken = {"text": "Welcome back.", "voice": "Cherry", "language_type": "English", **given}
    return client.post(QWEN, json={"model": model, "input": spoken})


def test_cosyvoice_reply(client: Any, engine: Any, clock: Any) -> None:
    reply = cosyvoice(client, rate=1.5, language_hints=["en"], foreign_field=1)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    url = body["output"]["audio"].pop("url")
    assert body == {
        "request_id": reply.headers["x-request-id"],
        "output": {
            "finish_reason": "stop",
            "audio": {
                "data": "",
                "id": f"audio_{body['request_id']}",
                "expires_at": int(clock.now + 24 * 3600),
            },
        },
        "usage": {"characters": 13},
    }
    sound = requests.get(url, timeout=10)
    assert (sound.status_code, sound.headers["content-type"], sound.content[:4]) == (200, "audio/wav", b"RIFF")
    job = engine.speeches[0]
    assert (job.voice, job.audio_format, job.sample_rate, job.rate, job.language) == (
        "longanyang",
        "wav",
        24000,
        1.5,
        "en",
    )
    clock.advance(24 * 3600)
    assert requests.get(url, timeout=10).status_code == 403


def test_what_is_billed_is_logged(client: Any) -> None:
    cosyvoice(client)
    qwen(client, text="你好")
    cosyvoice(client, text="")
    log = requests.get(f"{client.emulator.url}/emulator/requests", timeout=10).json()["requests"]
    assert [entry["billed"] for entry in log] == [
        {"model": "cosyvoice-v3-flash", "characters": 13},
        {"model": "qwen3-tts-flash", "characters": 4},
        None,
    ]


def test_cosyvoice_defaults(client: Any, engine: Any) -> None:
    reply = client.post(COSYVOICE, json={"model": "cosyvoice-v2", "input": {"text": "Hi", "voice": "longxiaochun_v2"}})
    assert reply.status_code == 200
    assert (engine.speeches[0].audio_format, engine.speeches[0].sample_rate) == ("mp3", 22050)


def test_qwen_reply(client: Any, engine: Any) -> None:
    body = qwen(client, text="你好, world").json()
    assert {name: body[name] for name in ("status_code", "code", "message", "usage")} == {
        "status_code": 200,
        "code": "",
        "message": "",
        "usage": {"input_tokens": 0, "output_tokens": 0, "characters": 11},
    }
    output = body["output"]
    assert (output["text"], output["choices"], output["finish_reason"]) == (None, None, "stop")
    assert set(output["audio"]) == {"data", "url", "id", "expires_at"}
    assert (engine.speeches[0].audio_format, engine.speeches[0].sample_rate, engine.speeches[0].language) == (
        "wav",
        24000,
        "en",
    )


def test_qwen3_takes_600_counted_characters(client: Any) -> None:
    assert qwen(client, text="a" * 600).status_code == 200
    assert qwen(client, text="字" * 300).status_code == 200
    for text in ("a" * 601, "字" * 301):
        reply = qwen(client, text=text)
        assert (reply.status_code, reply.json()["code"]) == (400, "InvalidParameter")
    assert cosyvoice(client, text="a" * 2000).status_code == 200


@pytest.mark.parametrize(
    ("call", "model"),
    [
        (cosyvoice, "qwen3-tts-flash"),
        (cosyvoice, "cosyvoice-v1"),
        (qwen, "cosyvoice-v3-flash"),
        (qwen, "qwen-audio-3.0-tts-flash"),
    ],
)
def test_wrong_family(client: Any, call: Any, model: str) -> None:
    reply = call(client, model=model)
    assert (reply.status_code, reply.json()["code"]) == (400, "InvalidParameter")
    assert "url error" in reply.json()["message"]


def test_unknown_model(client: Any) -> None:
    for call in (cosyvoice, qwen):
        assert call(client, model="qwen-max").json()["code"] == "ModelNotFound"


@pytest.mark.parametrize(
    "given",
    [
        {"text": ""},
        {"text": "  "},
        {"voice": ""},
        {"format": "flac"},
        {"sample_rate": 11025},
        {"rate": 2.5},
        {"rate": "1"},
        {"volume": 101},
        {"language_hints": ["xx"]},
        {"enable_aigc_tag": "yes"},
        {"aigc_propagator": 7},
    ],
)
def test_wrong_input(client: Any, given: dict[str, Any]) -> None:
    reply = cosyvoice(client, **given)
    assert (reply.status_code, reply.json()["code"]) == (400, "InvalidParameter")


def test_the_label_of_the_service_is_documented_input(client: Any) -> None:
    label = {"enable_aigc_tag": True, "aigc_propagator": "producer", "aigc_propagate_id": "job-1"}
    assert cosyvoice(client, **label).status_code == 200


def test_voiceless_model(client: Any) -> None:
    for voice in ("longanyang", "cosyvoice-v3.5-flash-me-1"):
        assert "418" in cosyvoice(client, model="cosyvoice-v3.5-flash", voice=voice).json()["message"]


def test_streaming_is_refused_plainly(client: Any) -> None:
    body = {"model": "cosyvoice-v3-flash", "input": {"text": "Hi", "voice": "longanyang"}}
    reply = client.post(COSYVOICE, json=body, headers={"X-DashScope-SSE": "enable"})
    assert reply.status_code == 400
    assert "does not stream" in reply.json()["message"]


def test_rate_is_a_setting(start: Any, connect: Any) -> None:
    client = connect(start(speech_per_second=3))
    assert [cosyvoice(client).status_code for _ in range(4)] == [200, 200, 200, 429]
