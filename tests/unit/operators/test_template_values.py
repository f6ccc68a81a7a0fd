"""Rendered fields: Jinja makes text of every value, and of a missing one an empty text or None."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.operators.template_values import (
    as_bool,
    as_int,
    as_location,
    as_optional_mapping,
    as_optional_text,
    as_store_path,
    as_text,
    is_empty,
)

NO_VALUES = [None, "", " ", "None", " None\n"]


@pytest.mark.parametrize("value", NO_VALUES)
def test_no_value(value: Any) -> None:
    assert is_empty(value)
    assert as_optional_text("voice", value) is None
    assert as_optional_mapping("options", value) == {}
    assert as_bool("video_extension", value, default=True)
    assert as_int("query_face_threshold", value, default=170) == 170
    for convert in (as_text, as_location, as_bool, as_int):
        with pytest.raises(InputError, match="voice is "):
            convert("voice", value)


@pytest.mark.parametrize("value", ["none", "Nonesuch", "0", "null", "Cherry"])
def test_a_value(value: str) -> None:
    assert not is_empty(value)
    assert as_optional_text("voice", value) == as_text("voice", value) == value


@pytest.mark.parametrize("value", [0, False, (), {}, Path()])
def test_values_that_are_only_false(value: Any) -> None:
    assert not is_empty(value)


def test_fields_of_a_mapping_without_a_value() -> None:
    given = {"rate": 0, "seed": None, "instruction": "None", "style": " ", "hot_fix": {}, "enable_ssml": False}
    assert as_optional_mapping("options", given) == {"rate": 0, "hot_fix": {}, "enable_ssml": False}
    with pytest.raises(InputError, match="options is a list"):
        as_optional_mapping("options", [])


def test_a_wrong_type_is_refused() -> None:
    with pytest.raises(InputError, match="voice is 3"):
        as_optional_text("voice", 3)
    with pytest.raises(InputError, match="allowed is true or false"):
        as_bool("video_extension", "maybe", default=False)
    with pytest.raises(InputError, match="allowed is a whole number"):
        as_int("query_face_threshold", "high", default=170)


@pytest.mark.parametrize("value", [2, 2.0, "2", "2.0", " 2.00 "])
def test_whole_numbers(value: Any) -> None:
    assert as_int("tolerate", value) == 2


@pytest.mark.parametrize("value", ["2.5", "2.x", ".0", "1e3", "inf", True, "10%"])
def test_what_is_no_whole_number(value: Any) -> None:
    with pytest.raises(InputError, match=r"tolerate is .*, allowed is a whole number"):
        as_int("tolerate", value)


@pytest.mark.parametrize("uri", ["file://host/a.mp4", "FILE://host/a.mp4"])
def test_a_file_of_another_machine(uri: str) -> None:
    with pytest.raises(InputError, match=r"video_url is '.*', which names no file on this machine"):
        as_store_path("video_url", uri)


def test_a_scheme_without_a_store() -> None:
    with pytest.raises(InputError, match="video_url has the scheme 'gopher', for which no store is installed"):
        as_location("video_url", "gopher://h/a.mp4")
