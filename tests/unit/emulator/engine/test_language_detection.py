from __future__ import annotations

import pytest

from airflow_provider_videoretalk.emulator.engine.language_detection import language_of


@pytest.mark.parametrize(
    ("text", "hint", "language"),
    [
        ("Hello there", None, "en"),
        ("Hello there", "Auto", "en"),
        ("Hello there", "English", "en"),
        ("Hello there", "en-US", "en"),
        ("Hello there", "Chinese", "en"),
        ("你好", None, "zh"),
        ("你好", "English", "zh"),
        ("你好", "Chinese", "zh"),
        ("你好", "yue", "yue"),
        ("Hello 你好 to everybody here", "en", "zh"),
        ("日本語です", None, "ja"),
        ("日本", "Japanese", "ja"),
        ("안녕하세요", None, "ko"),
        ("Привет", None, "ru"),
        ("Привет", "uk", "uk"),
        ("Guten Tag", "German", "de"),
        ("Bonjour", "fr", "fr"),
        ("สวัสดี", None, "th"),
        ("مرحبا", None, "ar"),
        ("1234", None, "en"),
        ("1234", "zh", "zh"),
        ("", None, "en"),
    ],
)
def test_language(text, hint, language):
    assert language_of(text, hint=hint) == language
