from __future__ import annotations

import pytest

from airflow_provider_videoretalk.emulator.api.speech_rules import count_characters, family_of


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("Welcome back.", 13),
        ("你好", 4),
        ("你好, world", 11),
        ("漢字かな", 6),
        ("한국어", 3),
        ("\U00020000", 2),
        ("", 0),
    ],
)
def test_han_counts_two(text: str, characters: int) -> None:
    assert count_characters(text) == characters


def test_ssml_tags_are_free() -> None:
    text = '<speak>Hi<break time="1s"/></speak>'
    assert count_characters(text, ssml=True) == 2
    assert count_characters(text) == len(text)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("cosyvoice-v3-flash", "cosyvoice"),
        ("cosyvoice-v2", "cosyvoice"),
        ("cosyvoice-v1", "websocket"),
        ("qwen-audio-3.0-tts-flash", "cosyvoice"),
        ("qwen3-tts-flash", "qwen"),
        ("qwen3-tts-flash-2025-11-27", "qwen"),
        ("qwen3-tts-vc-2026-01-22", "qwen"),
        ("qwen-tts-latest", "qwen"),
        ("qwen-mt-plus", "translation"),
        ("qwen-mt-uni", None),
        ("qwen-max", None),
        ("videoretalk", None),
    ],
)
def test_family(model: str, family: str | None) -> None:
    assert family_of(model) == family
