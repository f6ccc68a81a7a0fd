"""Writes what was recognised as the service's transcript."""

from __future__ import annotations

import unicodedata
from typing import Any

from airflow_provider_videoretalk.emulator.engine.speech_recognition import Recognised, Sentence, Word


def transcript_of(recognised: Recognised, *, url: str, has_words: bool, has_speakers: bool) -> dict[str, Any]:
    """The documented JSON of one channel. Times are milliseconds."""
    voices = list(dict.fromkeys(sentence.voice for sentence in recognised.sentences))
    sentences = [
        _sentence(sentence, number, has_words=has_words)
        | ({"speaker_id": voices.index(sentence.voice)} if has_speakers else {})
        for number, sentence in enumerate(recognised.sentences)
    ]
    return {
        "file_url": url,
        "properties": {"original_duration_in_milliseconds": round(recognised.seconds * 1000)},
        "transcripts": [
            {
                "channel_id": 0,
                "content_duration_in_milliseconds": sum(each["end_time"] - each["begin_time"] for each in sentences),
                "text": " ".join(sentence.text for sentence in recognised.sentences),
                "sentences": sentences,
            }
        ],
    }


def _sentence(sentence: Sentence, number: int, *, has_words: bool) -> dict[str, Any]:
    found: dict[str, Any] = {**_times(sentence), "text": sentence.text, "sentence_id": number}
    if sentence.language is not None:
        found["language"] = sentence.language
    return found | ({"words": [_word(word) for word in sentence.words]} if has_words else {})


def _word(word: Word) -> dict[str, Any]:
    bare = word.text
    while bare and unicodedata.category(bare[-1]).startswith("P"):
        bare = bare[:-1]
    return {**_times(word), "text": bare or word.text, "punctuation": word.text[len(bare) :] if bare else ""}


def _times(timed: Sentence | Word) -> dict[str, int]:
    return {"begin_time": round(timed.start * 1000), "end_time": round(timed.end * 1000)}
