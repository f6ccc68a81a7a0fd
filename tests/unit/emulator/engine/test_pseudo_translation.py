from __future__ import annotations

import pytest

from airflow_provider_videoretalk.emulator.engine.language_detection import language_of, scripts_in
from airflow_provider_videoretalk.emulator.engine.pseudo_translation import pseudo_translate
from airflow_provider_videoretalk.model_catalog.translation_languages import LANGUAGES

TEXT = "Good morning, and welcome to our spring collection. It has many new colours, and each of them is lovely."


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_marked_and_has_words(language: str) -> None:
    translated = pseudo_translate(TEXT, language=language)
    assert translated.startswith(f"[{language}] ")
    assert sum(scripts_in(translated).values()) > 20
    assert "morning" not in translated


@pytest.mark.parametrize(
    ("language", "spoken"),
    [("zh", "zh"), ("ja", "ja"), ("ko", "ko"), ("ru", "ru"), ("ar", "ar"), ("th", "th"), ("hi", "hi"), ("el", "el")],
)
def test_a_voice_knows_the_language_by_the_letters(language: str, spoken: str) -> None:
    assert language_of(pseudo_translate(TEXT, language=language)) == spoken


def test_lengths_differ_by_language() -> None:
    letters = {
        language: sum(scripts_in(pseudo_translate(TEXT, language=language)).values())
        for language in ("de", "es", "zh", "ja", "he")
    }
    original = sum(scripts_in(TEXT).values())
    assert letters["de"] > original
    assert letters["es"] > original
    assert letters["zh"] < 0.5 * original
    assert letters["zh"] < letters["ja"] < letters["he"] < original


def test_the_same_word_becomes_the_same_word() -> None:
    first, second = pseudo_translate("spring and Spring", language="de").removeprefix("[de] ").split()[::2]
    assert first == second.lower()
    assert second[0].isupper()
    assert pseudo_translate("spring", language="fr").split()[1] != first


def test_marks_numbers_and_line_breaks_stay() -> None:
    lines = pseudo_translate("Has 12.5 parts?\n\n  \nYes!", language="de").split("\n")
    assert lines[1:3] == ["", "  "]
    assert lines[0].endswith("?")
    assert " 12.5 " in lines[0]
    assert lines[3].startswith("[de] ")
    assert lines[3].endswith("!")


def test_the_marks_of_chinese() -> None:
    assert pseudo_translate("Yes, no.", language="zh").endswith("。")
    assert "，" in pseudo_translate("Yes, no.", language="zh")
    assert pseudo_translate("好，是。", language="en").count(",") == 1
    assert " ." not in pseudo_translate("好，是。", language="en")


def test_terms_are_used_as_given() -> None:
    terms = {"Acme": "Akme", "acme cloud": "Akme-Wolke", "spring": "春"}
    translated = pseudo_translate("ACME CLOUD, from Acme, this SPRING.", language="de", terms=terms)
    assert translated.count("Akme-Wolke") == 1
    assert translated.count("Akme,") == 1
    assert translated.endswith(" 春.")


def test_a_mark_of_its_own_in_a_text_is_nothing() -> None:
    assert pseudo_translate("a\x007\x00b", language="de", terms={"b": "c"}).count("\x00") == 0


def test_a_word_of_any_length_ends() -> None:
    assert len(pseudo_translate("a" * 5000, language="de")) >= 6000
