from __future__ import annotations

import pytest

from airflow_provider_videoretalk.model_catalog.translation_languages import (
    LANGUAGES,
    LITE_LANGUAGES,
    Language,
    find_language,
)


def test_as_many_as_the_vendor_says() -> None:
    assert (len(LANGUAGES), len(LITE_LANGUAGES)) == (92, 31)


@pytest.mark.parametrize(
    ("given", "code", "name"),
    [
        ("de", "de", "German"),
        ("German", "de", "German"),
        (" GERMAN ", "de", "German"),
        ("de-AT", "de", "German"),
        ("pt_BR", "pt", "Portuguese"),
        ("zh", "zh", "Chinese"),
        ("zh-Hans-CN", "zh", "Chinese"),
        ("cmn", "zh", "Chinese"),
        ("zh_tw", "zh_tw", "Traditional Chinese"),
        ("zh-TW", "zh_tw", "Traditional Chinese"),
        ("zh-Hant-HK", "zh_tw", "Traditional Chinese"),
        ("traditional  chinese", "zh_tw", "Traditional Chinese"),
        ("yue", "yue", "Cantonese"),
        ("no", "nb", "Norwegian Bokmal"),
        ("Persian", "fa", "Western Persian"),
        ("Ta'izzi-Adeni Arabic", "acq", "Ta'izzi-Adeni Arabic"),
    ],
)
def test_codes_and_names(given: str, code: str, name: str) -> None:
    assert find_language(given, model="qwen-mt-plus") == Language(code=code, name=name)


def test_the_lite_model_has_fewer_and_calls_one_otherwise() -> None:
    assert find_language("Welsh", model="qwen-mt-lite") is None
    for given in ("fa", "Persian", "Western Persian"):
        assert find_language(given, model="qwen-mt-lite") == Language(code="fa", name="Persian")


@pytest.mark.parametrize("given", ["", "  ", "xx", "Klingon", "auto", "d", "germ"])
def test_no_language(given: str) -> None:
    assert find_language(given, model="qwen-mt-plus") is None
