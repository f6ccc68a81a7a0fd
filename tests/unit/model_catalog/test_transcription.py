"""Requests and replies of the two families, and the transcripts, whose JSON is not trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.dashscope.reply_values import parse_reply
from airflow_provider_videoretalk.model_catalog.model import InputLength
from airflow_provider_videoretalk.model_catalog.transcription import (
    TRANSCRIPTION_MODELS,
    parse_transcript,
    text_of,
)

FILE = TRANSCRIPTION_MODELS["qwen3-asr-flash-filetrans"]
LIST = TRANSCRIPTION_MODELS["qwen-audio-3.0-asr-flash-filetrans"]
URL = "https://h.example/a.wav"


def test_the_request_of_each_family() -> None:
    one = FILE.submit_request(urls={"file_url": URL}, parameters=FILE.parameters(language="en", words=True))
    assert (one.path, one.creates, one.headers["X-DashScope-Async"]) == (
        "services/audio/asr/transcription",
        True,
        "enable",
    )
    assert one.body == {
        "model": "qwen3-asr-flash-filetrans",
        "input": {"file_url": URL},
        "parameters": {"language": "en", "enable_words": True},
    }
    several = LIST.submit_request(
        urls={"file_url": URL}, parameters=LIST.parameters(language="en", words=True, speakers=2)
    )
    assert several.body == {
        "model": "qwen-audio-3.0-asr-flash-filetrans",
        "input": {"file_urls": [URL]},
        "parameters": {"language_hints": ["en"], "diarization_enabled": True, "speaker_count": 2},
    }


def test_what_is_not_asked_for_is_left_out() -> None:
    assert FILE.parameters() == {}
    assert LIST.parameters() == {}
    assert LIST.parameters(speakers=0) == {"diarization_enabled": True}


@pytest.mark.parametrize(
    ("output", "url"),
    [
        ({"result": {"transcription_url": URL}}, URL),
        ({"results": [{"transcription_url": URL, "subtask_status": "SUCCEEDED"}]}, URL),
        ({"results": [{"subtask_status": "FAILED"}, {"transcription_url": URL}]}, URL),
        ({"results": []}, None),
        ({"results": {"transcription_url": URL}}, None),
        ({"result": URL}, None),
        ({"result": {"transcription_url": "file:///etc/passwd"}}, None),
        ({}, None),
    ],
)
def test_where_the_transcript_is(output: dict[str, Any], url: str | None) -> None:
    assert FILE.result_url(output) == url
    assert LIST.result_url(output) == url


def test_all_of_a_recording_is_billed() -> None:
    assert FILE.billed_seconds({"seconds": 62}) == 62
    assert LIST.billed_seconds({"duration": 62}) == 62
    length = FILE.output_length({"file_url": InputLength(seconds=61.42)}, {})
    assert (length.seconds, length.exact) == (61.42, True)
    unknown = FILE.output_length({"file_url": InputLength()}, {})
    assert (unknown.seconds, unknown.exact) == (12 * 3600, False)
    assert str(FILE.price.cost(3600)) == "0.7920"


@pytest.mark.parametrize(
    ("name", "currency", "cost"),
    [
        ("qwen3-asr-flash-filetrans", "CNY", "0.7920"),
        ("qwen-audio-3.0-asr-flash-filetrans", "USD", "0.1152"),
        ("fun-asr", "USD", "0.1260"),
        ("paraformer-v2", "CNY", "0.2880"),
    ],
)
def test_the_price_of_an_hour(name: str, currency: str, cost: str) -> None:
    price = TRANSCRIPTION_MODELS[name].price
    assert (str(price.cost(3600)), price.currency) == (cost, currency)


def sentence(start: object, end: object, text: object, **more: object) -> dict[str, Any]:
    return {"begin_time": start, "end_time": end, "text": text, **more}


def transcript(*sentences: object) -> dict[str, Any]:
    return {"transcripts": [{"channel_id": 0, "sentences": list(sentences)}]}


def test_the_sentences_of_a_transcript() -> None:
    words = [sentence(0, 480, "Hello"), sentence(500, 900, "world", punctuation=".")]
    first = sentence(0, 900, "Hello world.", speaker_id=1, language="en", emotion="neutral", words=words)
    second = sentence(1200, 2345, "Bye.")
    assert parse_transcript(transcript(second, first), words=True) == [
        {
            "start": 0.0,
            "end": 0.9,
            "text": "Hello world.",
            "speaker": 1,
            "language": "en",
            "words": [
                {"start": 0.0, "end": 0.48, "text": "Hello"},
                {"start": 0.5, "end": 0.9, "text": "world"},
            ],
        },
        {"start": 1.2, "end": 2.345, "text": "Bye."},
    ]
    assert "words" not in parse_transcript(transcript(first))[0]


@pytest.mark.parametrize(
    "wrong",
    [
        sentence(None, 900, "x"),
        sentence(900, 100, "x"),
        sentence(-1, 100, "x"),
        sentence(0, 10**12, "x"),
        sentence(0, True, "x"),
        sentence(0, 900, ""),
        sentence(0, 900, ["x"]),
        "no mapping",
        None,
    ],
)
def test_a_sentence_that_is_impossible_is_left_out(wrong: object) -> None:
    found = parse_transcript(
        transcript(wrong, sentence(0, 1, "ok", speaker_id="1", language=7, words="none")), words=True
    )
    assert found == [{"start": 0.0, "end": 0.001, "text": "ok", "language": "7"}]


@pytest.mark.parametrize("wrong", [None, [], {}, {"transcripts": None}, {"transcripts": "x"}, "x", 7])
def test_what_is_no_transcript_is_named(wrong: object) -> None:
    with pytest.raises(ValueError, match="it has no transcripts"):
        parse_transcript(wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["transcripts", "sentences", "words", "begin_time", "end_time", "text", "speaker_id", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(JSON)
def test_any_json_is_a_transcript_or_is_refused(value: Any) -> None:
    try:
        found = parse_transcript(parse_reply(json.dumps(value).encode()), words=True)
    except ValueError:
        return
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert all(0 <= each["start"] <= each["end"] and each["text"] for each in found)


@given(st.lists(JSON, max_size=5))
def test_any_sentences_are_read(values: list[Any]) -> None:
    found = parse_transcript(parse_reply(json.dumps(transcript(*values)).encode()), words=True)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        ([], ""),
        (["Hello.", "Bye."], "Hello. Bye."),
        (["大家好。", "再见。"], "大家好。再见。"),
        (["Hello.", "大家好。"], "Hello.大家好。"),
    ],
)
def test_the_text_of_all(texts: list[str], joined: str) -> None:
    assert text_of([{"start": 0.0, "end": 1.0, "text": text} for text in texts]) == joined
