"""Enrolment of voices over real HTTP, in both dialects."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import requests

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.faults import FaultRule

PATH = "/services/audio/tts/customization"
COSYVOICE = "/services/audio/tts/SpeechSynthesizer"
QWEN = "/services/aigc/multimodal-generation/generation"
FLASH, VC = "cosyvoice-v3-flash", "qwen3-tts-vc-2026-01-22"
SAMPLE = "data:audio/wav;base64," + base64.b64encode(b"a sample").decode()


@pytest.fixture
def emulator(start: Any) -> Any:
    return start(voice_storage=3)


@pytest.fixture
def client(emulator: Any, connect: Any) -> Any:
    return connect(emulator)


def cosyvoice(client: Any, action: str, **given: Any) -> Any:
    return client.post(PATH, json={"model": "voice-enrollment", "input": {"action": action, **given}})


def qwen(client: Any, action: str, **given: Any) -> Any:
    return client.post(PATH, json={"model": "qwen-voice-enrollment", "input": {"action": action, **given}})


def created(client: Any, *, target_model: str = FLASH, prefix: str = "anna", url: str = SAMPLE, **given: Any) -> str:
    reply = cosyvoice(client, "create_voice", target_model=target_model, prefix=prefix, url=url, **given)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["output"]["voice_id"])


def created_qwen(client: Any, **given: Any) -> str:
    fields = {"target_model": VC, "preferred_name": "anna", "audio": {"data": SAMPLE}, **given}
    reply = qwen(client, "create", **fields)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["output"]["voice"])


def code(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json().get("code", "")


def test_cosyvoice_replies(client: Any) -> None:
    reply = cosyvoice(client, "create_voice", target_model=FLASH, prefix="anna", url=SAMPLE, foreign_field=1)
    body = reply.json()
    voice = body["output"].pop("voice_id")
    assert voice.startswith("cosyvoice-v3-flash-anna-")
    assert body == {"request_id": reply.headers["x-request-id"], "output": {}, "usage": {"count": 1}}
    times = {"gmt_create": "2026-11-20 20:00:00", "gmt_modified": "2026-11-20 20:00:00"}
    assert cosyvoice(client, "list_voice").json()["output"] == {
        "voice_list": [{"voice_id": voice, "status": "OK"} | times]
    }
    assert cosyvoice(client, "query_voice", voice_id=voice).json()["output"] == {
        "target_model": FLASH,
        "resource_link": "data:audio/wav;base64",
        "status": "OK",
        **times,
    }
    assert cosyvoice(client, "delete_voice", voice_id=voice).json()["output"] == {}
    assert cosyvoice(client, "list_voice").json()["output"] == {"voice_list": []}


def test_qwen_replies(client: Any) -> None:
    reply = qwen(client, "create", target_model=VC, preferred_name="anna", audio={"data": SAMPLE}, language="de")
    output = reply.json()["output"]
    voice = output.pop("voice")
    assert voice.startswith("qwen-tts-vc-anna-voice-20261120200000000-")
    assert output == {"target_model": VC, "fallback_mode": False, "fallback_reason": ""}
    row = {
        "voice": voice,
        "target_model": VC,
        "language": "de",
        "gmt_create": "2026-11-20 20:00:00",
        "gmt_modified": "2026-11-20 20:00:00",
    }
    listed = qwen(client, "list").json()
    assert listed["output"] == {"page_index": 0, "page_size": 10, "total_count": 1, "voice_list": [row]}
    assert listed["usage"] == {"count": 0}
    assert qwen(client, "query", voice=voice).json()["output"] == row
    assert qwen(client, "delete", voice=voice).status_code == 200
    assert qwen(client, "list").json()["output"]["total_count"] == 0


def test_two_enrolments_of_one_sample_are_two_voices(client: Any) -> None:
    assert created(client) != created(client)
    assert created_qwen(client) != created_qwen(client)


def test_lists_have_pages_and_cosyvoice_has_prefixes(client: Any, clock: Any) -> None:
    ids = []
    for prefix in ("anna", "ben", "anna"):
        ids.append(created(client, prefix=prefix))
        clock.advance(1)

    def listed(**given: Any) -> list[str]:
        return [row["voice_id"] for row in cosyvoice(client, "list_voice", **given).json()["output"]["voice_list"]]

    assert listed(page_size=2) == [ids[2], ids[1]]
    assert listed(page_size=2, page_index=1) == [ids[0]]
    assert listed(page_size=2, page_index=2) == []
    assert listed(prefix="anna") == [ids[2], ids[0]]
    assert listed(prefix="ann") == []


def test_a_list_may_be_late(start: Any, connect: Any, clock: Any) -> None:
    client = connect(start(list_delay=5))
    created(client)
    assert cosyvoice(client, "list_voice").json()["output"] == {"voice_list": []}
    clock.advance(5)
    assert len(cosyvoice(client, "list_voice").json()["output"]["voice_list"]) == 1


def test_the_book_of_all_voices(client: Any, emulator: Any, connect: Any) -> None:
    first, second = created(client), created_qwen(connect(emulator, key="sk-two"), language="de")
    gone = created(client)
    cosyvoice(client, "delete_voice", voice_id=gone)
    book = requests.get(f"{emulator.url}/emulator/voices", timeout=10).json()["voices"]
    assert [(voice["id"], voice["target_model"], voice["prefix"]) for voice in book] == [
        (first, FLASH, "anna"),
        (second, VC, "anna"),
    ]
    assert book[0]["account"] != book[1]["account"]
    assert book[1] == {
        "id": second,
        "dialect": "qwen",
        "account": book[1]["account"],
        "target_model": VC,
        "prefix": "anna",
        "created": 1_795_176_000.0,
        "modified": 1_795_176_000.0,
        "link": "data:audio/wav;base64",
        "language": "de",
        "hertz": 150.0,
        "pace": 1.0,
        "status": "OK",
    }
    log = requests.get(f"{emulator.url}/emulator/requests", timeout=10).json()["requests"]
    assert [entry["billed"] for entry in log] == [
        {"model": "voice-enrollment", "voices": 1},
        {"model": "qwen-voice-enrollment", "voices": 1},
        {"model": "voice-enrollment", "voices": 1},
        None,
    ]


def test_a_full_storage(client: Any) -> None:
    voices = [created(client) for _ in range(3)]
    reply = cosyvoice(client, "create_voice", target_model=FLASH, prefix="anna", url=SAMPLE)
    assert code(reply) == (400, "Throttling.AllocationQuota")
    assert reply.json()["message"] == "Maximum voice storage limit exceeded."
    created_qwen(client)
    cosyvoice(client, "delete_voice", voice_id=voices[0])
    created(client)


def test_voices_of_another_account_and_dialect_do_not_exist(client: Any, emulator: Any, connect: Any) -> None:
    voice, other = created(client), connect(emulator, key="sk-two")
    assert cosyvoice(other, "list_voice").json()["output"] == {"voice_list": []}
    for action in ("query_voice", "delete_voice"):
        assert code(cosyvoice(other, action, voice_id=voice)) == (400, "BadRequest.ResourceNotExist")
    assert code(cosyvoice(other, "update_voice", voice_id=voice, url=SAMPLE)) == (400, "BadRequest.ResourceNotExist")
    for action in ("query", "delete"):
        assert code(qwen(client, action, voice=voice)) == (400, "BadRequest.VoiceNotFound")
    assert len(cosyvoice(client, "list_voice").json()["output"]["voice_list"]) == 1


def test_an_update_has_another_sample(client: Any, clock: Any) -> None:
    voice = created(client)
    clock.advance(60)
    url = f"{client.emulator.url}/samples/speech.wav"
    assert cosyvoice(client, "update_voice", voice_id=voice, url=url).status_code == 200
    found = cosyvoice(client, "query_voice", voice_id=voice).json()["output"]
    assert (found["resource_link"], found["gmt_create"]) == (url, "2026-11-20 20:00:00")
    assert found["gmt_modified"] == "2026-11-20 20:01:00"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"url": "http://127.0.0.1:9/sample.wav"}, "BadRequest.InputDownloadFailed"),
        ({"url": "ftp://host/sample.wav"}, "BadRequest.InputDownloadFailed"),
        ({"url": "data:video/mp4;base64,AAAA"}, "BadRequest.UnsupportedFileFormat"),
        ({"url": "data:audio/wav;base64,A"}, "Audio.DecoderError"),
        ({"url": ""}, "InvalidParameter"),
        ({"prefix": "elevenchars"}, "InvalidParameter"),
        ({"prefix": "anna-b"}, "InvalidParameter"),
        ({"target_model": "qwen3-tts-vc-2026-01-22"}, "InvalidParameter"),
        ({"target_model": "videoretalk"}, "InvalidParameter"),
        ({"language_hints": ["xx"]}, "InvalidParameter"),
        ({"max_prompt_audio_length": 31}, "InvalidParameter"),
    ],
)
def test_a_refused_enrolment(client: Any, given: dict[str, Any], expected: str) -> None:
    fields = {"target_model": FLASH, "prefix": "anna", "url": SAMPLE, **given}
    assert code(cosyvoice(client, "create_voice", **fields)) == (400, expected)
    assert cosyvoice(client, "list_voice").json()["output"] == {"voice_list": []}


def test_a_sample_over_ten_megabytes(client: Any) -> None:
    large = "data:audio/wav;base64," + base64.b64encode(bytes(10 * 1024 * 1024 + 1)).decode()
    fields = {"target_model": FLASH, "prefix": "anna", "url": large}
    assert code(cosyvoice(client, "create_voice", **fields)) == (400, "BadRequest.UnsupportedFileFormat")


@pytest.mark.parametrize("refused", ["Audio.AudioShortError", "Audio.AudioSilentError", "Audio.AudioRateError"])
def test_the_engine_refuses_a_sample(client: Any, engine: Any, refused: str) -> None:
    engine.refusal = MediaRefusedError(refused, "because")
    reply = qwen(client, "create", target_model=VC, preferred_name="anna", audio={"data": SAMPLE})
    assert (code(reply), reply.json()["message"]) == ((400, refused), "because")


def test_other_requests_are_refused(client: Any) -> None:
    assert code(client.post(PATH, json={"model": "cosyvoice-v3-flash", "input": {}})) == (404, "ModelNotFound")
    assert code(client.post(PATH, json={"input": {}})) == (400, "BadRequest.EmptyModel")
    for nothing in ({}, {"action": "create"}, {"action": ["create_voice"]}):
        reply = client.post(PATH, json={"model": "voice-enrollment", "input": nothing})
        assert code(reply) == (400, "InvalidParameter")
    assert client.session.post(f"{client.emulator.base_url}{PATH}", headers={"Authorization": ""}).status_code == 401


def test_the_rate_is_a_setting(start: Any, connect: Any) -> None:
    client = connect(start(voices_per_second=2))
    assert [cosyvoice(client, "list_voice").status_code for _ in range(3)] == [200, 200, 429]


def test_a_fault(client: Any, emulator: Any) -> None:
    emulator.faults.arm(FaultRule(operation="voices", effect="throttle"))
    assert cosyvoice(client, "list_voice").status_code == 429


def speak(client: Any, voice: str, model: str) -> Any:
    path = QWEN if model.startswith("qwen3") else COSYVOICE
    return client.post(path, json={"model": model, "input": {"text": "Hello.", "voice": voice}})


def test_an_enrolled_voice_speaks_with_its_model_alone(client: Any, engine: Any) -> None:
    voice = created(client, target_model="cosyvoice-v3.5-flash")
    assert speak(client, voice, "cosyvoice-v3.5-flash").status_code == 200
    assert (engine.speeches[0].voice, engine.speeches[0].traits.hertz) == (voice, 150.0)
    for model in ("cosyvoice-v3.5-plus", "cosyvoice-v3-flash"):
        reply = speak(client, voice, model)
        assert code(reply) == (400, "InvalidParameter")
        assert "418" in reply.json()["message"]


def test_a_voice_of_qwen_speaks_with_its_model_alone(client: Any, engine: Any) -> None:
    voice = created_qwen(client)
    assert speak(client, voice, VC).status_code == 200
    assert engine.speeches[0].traits.hertz == 150.0
    for model in ("qwen3-tts-vc-2025-11-27", "qwen3-tts-flash"):
        assert code(speak(client, voice, model)) == (400, "BadRequest.VoiceNotFound")
    assert code(speak(client, "Cherry", VC)) == (400, "BadRequest.VoiceNotFound")


def test_a_voice_of_another_account_or_a_deleted_one_does_not_speak(client: Any, emulator: Any, connect: Any) -> None:
    voice = created(client)
    assert "418" in speak(connect(emulator, key="sk-two"), voice, FLASH).json()["message"]
    cosyvoice(client, "delete_voice", voice_id=voice)
    assert "418" in speak(client, voice, FLASH).json()["message"]


def test_a_voice_may_take_its_time(start: Any, connect: Any, clock: Any) -> None:
    client = connect(start(voice_seconds=10))
    voice = created(client)
    assert cosyvoice(client, "query_voice", voice_id=voice).json()["output"]["status"] == "DEPLOYING"
    assert speak(client, voice, FLASH).status_code == 400
    clock.advance(10)
    assert cosyvoice(client, "query_voice", voice_id=voice).json()["output"]["status"] == "OK"
    assert speak(client, voice, FLASH).status_code == 200


def test_a_system_voice_has_no_traits(client: Any, engine: Any) -> None:
    assert speak(client, "longanyang", FLASH).status_code == 200
    assert engine.speeches[0].traits is None
