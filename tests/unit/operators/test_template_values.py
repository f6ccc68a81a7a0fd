"""Rendered fields: Jinja makes text of every value, and of a missing one an empty text or None."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.operators.template_values import (
    as_bool,
    as_int,
    as_json,
    as_location,
    as_optional_amount,
    as_optional_mapping,
    as_optional_seconds,
    as_optional_text,
    as_seconds,
    as_store_path,
    as_text,
    check_word,
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
        with pytest.raises(InputError, match=r"^voice is "):
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
    with pytest.raises(InputError, match=r"^options is a list"):
        as_optional_mapping("options", [])


def test_a_wrong_type_is_refused() -> None:
    with pytest.raises(InputError, match=r"^voice is 3"):
        as_optional_text("voice", 3)
    with pytest.raises(InputError, match=r"allowed is true or false"):
        as_bool("video_extension", "maybe", default=False)
    with pytest.raises(InputError, match=r"allowed is a whole number"):
        as_int("query_face_threshold", "high", default=170)


@pytest.mark.parametrize("value", [2, 2.0, "2", "2.0", " 2.00 "])
def test_whole_numbers(value: Any) -> None:
    assert as_int("tolerate", value) == 2


@pytest.mark.parametrize("value", ["2.5", "2.x", ".0", "1e3", "inf", True, "10%"])
def test_what_is_no_whole_number(value: Any) -> None:
    with pytest.raises(InputError, match=r"^tolerate is .*, allowed is a whole number"):
        as_int("tolerate", value)


@pytest.mark.parametrize("uri", ["file://host/a.mp4", "FILE://host/a.mp4"])
def test_a_file_of_another_machine(uri: str) -> None:
    with pytest.raises(InputError, match=r"^video_url is '.*', which names no file on this machine"):
        as_store_path("video_url", uri)


def test_a_scheme_without_a_store() -> None:
    with pytest.raises(InputError, match=r"^video_url has the scheme 'gopher', for which no store is installed"):
        as_location("video_url", "gopher://h/a.mp4")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0),
        (1.5, 1.5),
        (timedelta(hours=1), 3600.0),
        (366 * 86_400, 31_622_400.0),
        (timedelta(days=366), 31_622_400.0),
        (366 * 86_400 + 1, None),
        (-0.001, None),
        (timedelta(seconds=-1), None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("60", None),
        (None, None),
    ],
)
def test_times_from_none_to_a_year(value: Any, seconds: float | None) -> None:
    if seconds is not None:
        assert as_seconds("timeout", value) == as_optional_seconds("timeout", value) == seconds
        return
    with pytest.raises(InputError, match=r"^timeout is .*, allowed is a timedelta or .*, from 0 to 31622400\. Set tim"):
        as_seconds("timeout", value)
    assert as_optional_seconds("timeout", None) is None


@pytest.mark.parametrize(
    ("value", "amount"), [("0", "0"), (1.5, "1.5"), (" 2 ", "2"), ("None", None), (None, None), ("", None)]
)
def test_amounts(value: Any, amount: str | None) -> None:
    assert as_optional_amount("max_cost", value) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize("value", ["-1", "much", float("nan"), True, "1,5"])
def test_what_is_no_amount(value: Any) -> None:
    with pytest.raises(InputError, match=r"^max_cost is .*, allowed is a number of 0 or more\. Give an amount"):
        as_optional_amount("max_cost", value)


@pytest.mark.parametrize("word", ["true", " TRUE ", True])
def test_true(word: Any) -> None:
    assert as_bool("force", word) is True
    assert as_bool("force", "false") is False


def test_locations_that_need_no_store() -> None:
    for given in ("https://h/a.mp4", "HTTP://h/a.mp4", "file:///a.mp4", "/a.mp4", "oss://dashscope-instant/a/b.mp4"):
        assert as_location("video_url", given) == given


def test_a_value_as_json_reads_it() -> None:
    assert as_json("options", {"a": (1, 2), 3: None}) == {"a": [1, 2], "3": None}
    for odd in ({"a": float("nan")}, {"a": {1}}):
        with pytest.raises(InputError, match=r"^options cannot be written as JSON: .* Give texts, numbers"):
            as_json("options", odd)


def test_words() -> None:
    check_word("prune", "off", ("off", "list"))
    with pytest.raises(InputError, match=r"^prune is 'on', allowed is one of off, list\. Set prune to one of these"):
        check_word("prune", "on", ("off", "list"))
