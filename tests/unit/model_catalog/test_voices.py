"""Requests about voices in both dialects, and how their replies are read."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError, OutcomeUnknownError, RequestError, TransportError
from airflow_provider_videoretalk.dashscope.request import Reply, Request
from airflow_provider_videoretalk.model_catalog.voices import (
    COSYVOICE,
    QWEN_TTS,
    Voice,
    create_voice,
    delete_voice,
    has_prefix,
    list_voices,
    query_voice,
    voice_dialect_of,
    voice_prefix,
)

SHA = "0f" * 32
FLASH, VC = "cosyvoice-v3-flash", "qwen3-tts-vc-2026-01-22"
PREFIX, LONG_PREFIX = "djtxzy2lo", "meewwtsmldhwjsra"


def read(request: Request[Any], payload: object, *, status: int = 200) -> Any:
    return request.read(Reply(status=status, headers={}, content=json.dumps(payload).encode()))


@pytest.mark.parametrize(
    ("model", "dialect"),
    [
        ("cosyvoice-v3-flash", COSYVOICE),
        ("cosyvoice-v3.5-plus", COSYVOICE),
        ("qwen-audio-3.0-tts-flash", COSYVOICE),
        ("qwen3-tts-vc-2026-01-22", QWEN_TTS),
        ("qwen3.5-omni-plus-realtime", QWEN_TTS),
    ],
)
def test_the_dialect_is_that_of_the_model(model: str, dialect: object) -> None:
    assert voice_dialect_of(model) is dialect


def test_the_prefix_is_that_of_sample_and_model() -> None:
    # A release that changed these would enrol every voice again.
    assert voice_prefix(sample_sha256=SHA, target_model=FLASH) == PREFIX
    assert voice_prefix(sample_sha256=SHA, target_model=VC) == LONG_PREFIX
    assert voice_prefix(sample_sha256="1f" * 32, target_model=FLASH) != PREFIX
    assert voice_prefix(sample_sha256=SHA, target_model="cosyvoice-v3-plus") != PREFIX


@pytest.mark.parametrize(
    ("voice", "expected"),
    [
        ("cosyvoice-v3-flash-abc2-0123", True),
        ("qwen-tts-vc-abc2-voice-20250812105009984-838b", True),
        ("cosyvoice_v3_abc2_0123", True),
        ("cosyvoice-v3-flash-abc22-0123", False),
        ("cosyvoice-v3-flash-other-0123abc2", False),
    ],
)
def test_a_prefix_is_a_whole_part_of_an_id(voice: str, expected: bool) -> None:
    assert has_prefix(voice, "abc2") is expected


def test_requests_of_cosyvoice() -> None:
    create = create_voice(
        target_model=FLASH, prefix="p", sample_url="https://x.example/a.wav", language="en", options={"more": 1}
    )
    assert (create.method, create.path, create.creates) == ("POST", "services/audio/tts/customization", True)
    assert create.body == {
        "model": "voice-enrollment",
        "input": {
            "action": "create_voice",
            "target_model": FLASH,
            "prefix": "p",
            "url": "https://x.example/a.wav",
            "language_hints": ["en"],
            "more": 1,
        },
    }
    listed = list_voices(target_model=FLASH, prefix="p", page=2, page_size=100)
    assert listed.body == {
        "model": "voice-enrollment",
        "input": {"action": "list_voice", "page_index": 2, "page_size": 100, "prefix": "p"},
    }
    for request, action in ((query_voice, "query_voice"), (delete_voice, "delete_voice")):
        body = request(target_model=FLASH, voice="v").body
        assert body == {"model": "voice-enrollment", "input": {"action": action, "voice_id": "v"}}
        assert not request(target_model=FLASH, voice="v").creates


def test_requests_of_qwen_tts() -> None:
    create = create_voice(target_model=VC, prefix="p", sample_url="data:audio/wav;base64,AAAA")
    assert create.body == {
        "model": "qwen-voice-enrollment",
        "input": {
            "action": "create",
            "target_model": VC,
            "preferred_name": "p",
            "audio": {"data": "data:audio/wav;base64,AAAA"},
        },
    }
    assert create_voice(target_model=VC, prefix="p", sample_url="u", language="de").body["input"]["language"] == "de"
    listed = list_voices(target_model=VC, prefix="p", page=0, page_size=10)
    assert listed.body == {
        "model": "qwen-voice-enrollment",
        "input": {"action": "list", "page_index": 0, "page_size": 10},
    }
    assert delete_voice(target_model=VC, voice="v").body["input"] == {"action": "delete", "voice": "v"}


@pytest.mark.parametrize("name", ["prefix", "url", "action", "target_model"])
def test_options_name_no_field_of_the_operator(name: str) -> None:
    with pytest.raises(InputError, match=f"options contains '{name}'"):
        create_voice(target_model=FLASH, prefix="p", sample_url="u", options={name: "x"})


def test_replies_to_an_enrolment() -> None:
    create = create_voice(target_model=FLASH, prefix="p", sample_url="u")
    made = read(create, {"output": {"voice_id": "cosyvoice-v3-flash-p-1"}, "usage": {"count": 1}, "request_id": "r1"})
    assert (made.id, made.request_id, made.warning) == ("cosyvoice-v3-flash-p-1", "r1", "")
    create = create_voice(target_model=VC, prefix="p", sample_url="u")
    made = read(create, {"output": {"voice": "v", "fallback_mode": True, "fallback_reason": "no_merged\nsegments"}})
    assert (made.id, made.request_id, made.warning) == ("v", None, "no_merged segments")
    assert read(create, {"output": {"voice": "v", "fallback_mode": False, "fallback_reason": "x"}}).warning == ""
    assert read(create, {"output": {"voice": "v", "fallback_mode": True}}).warning == "no reason is given"


@pytest.mark.parametrize("output", [{}, {"voice_id": None}, {"voice_id": "a b"}, {"voice_id": ["v"]}, None, "v"])
def test_an_enrolment_without_an_id_may_have_made_a_voice(output: object) -> None:
    with pytest.raises(OutcomeUnknownError):
        read(create_voice(target_model=FLASH, prefix="p", sample_url="u"), {"output": output})


def test_a_refused_enrolment_made_none() -> None:
    payload = {"code": "Audio.AudioShortError", "message": "too short"}
    with pytest.raises(RequestError, match="10 to 20 seconds"):
        read(create_voice(target_model=FLASH, prefix="p", sample_url="u"), payload, status=400)


def test_replies_to_a_list() -> None:
    request = list_voices(target_model=FLASH, prefix="p", page=0, page_size=10)
    rows = [
        {"voice_id": "a", "gmt_create": "2026-11-20 20:16:40", "status": "OK"},
        {"voice_id": "b", "gmt_create": "soon", "status": 7},
        {"voice_id": "c", "gmt_create": "9999-01-01 00:00:00", "status": ["OK"]},
        {"voice_id": "", "gmt_create": None},
        "no row",
    ]
    page = read(request, {"output": {"voice_list": rows}})
    assert page.voices == (
        Voice(id="a", created=datetime(2026, 11, 20, 12, 16, 40, tzinfo=timezone.utc), status="OK"),
        Voice(id="b", created=None, status="7"),
        Voice(id="c", created=None, status=""),
    )
    assert page.rows == 5
    qwen = list_voices(target_model=VC, prefix="p", page=0, page_size=10)
    assert read(qwen, {"output": {"voice_list": [{"voice": "q"}, {"voice_id": "other"}]}}).voices == (
        Voice(id="q", created=None, status=""),
    )
    for nothing in ({}, {"voice_list": None}, {"voice_list": 3}):
        with pytest.raises(TransportError):
            read(request, {"output": nothing})


def test_replies_to_a_query() -> None:
    request = query_voice(target_model=FLASH, voice="v")
    assert read(request, {"output": {"status": "DEPLOYING"}}) == "DEPLOYING"
    assert read(request, {"output": {}}) == ""
    assert read(delete_voice(target_model=FLASH, voice="v"), {"output": None, "request_id": "r"}) == ""
