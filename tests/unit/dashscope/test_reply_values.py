"""Each limit of a value in a reply: the last value that is taken, and the first that is not."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope import reply_values
from airflow_provider_videoretalk.dashscope.reply_values import (
    clean_text,
    count,
    epoch_time,
    line,
    mapping,
    number,
    parse_reply,
    plain_id,
    possible_time,
    required_id,
    web_url,
)

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    class Standing(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return NOW

    monkeypatch.setattr(reply_values, "datetime", Standing)


def nested(levels: int) -> bytes:
    return b"[" * levels + b"1" + b"]" * levels


def depth_of(value: Any) -> int:
    return 1 + depth_of(value[0]) if isinstance(value, list) else 0


@pytest.mark.parametrize(("levels", "innermost"), [(16, 1), (17, None)])
def test_sixteen_levels_are_read(levels: int, innermost: int | None) -> None:
    value = parse_reply(nested(levels))
    assert depth_of(value) == 16
    for _ in range(16):
        value = value[0]
    assert value == innermost
    named = parse_reply(b'{"a":' * levels + b"1" + b"}" * levels)
    for _ in range(16):
        named = named["a"]
    assert named == innermost


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", None),
        ("-9223372036854775807", -9223372036854775807),
        ("-9223372036854775808", None),
        ("1" * 5000, None),
        ("9.2e18", 9.2e18),
        ("9.3e18", None),
        ("-9.3e18", None),
        ("1e999", None),
        ("NaN", None),
        ("true", True),
    ],
)
def test_numbers_of_64_bits_are_read(text: str, value: object) -> None:
    assert parse_reply(f'{{"a": [{text}]}}'.encode()) == {"a": [value]}


def test_a_text_has_8192_characters_at_most() -> None:
    assert parse_reply(json.dumps(["x" * 8192]).encode()) == ["x" * 8192]
    assert parse_reply(json.dumps(["x" * 8193, {"y" * 8193: 1}]).encode()) == ["x" * 8192, {"y" * 8192: 1}]


@pytest.mark.parametrize("unsafe", ["\0", "\x08", "\x0b", "\x0c", "\x0e", "\x1f", "\x7f", "\x9f", "\ud800", "\u2028"])
def test_unsafe_characters_are_replaced(unsafe: str) -> None:
    assert clean_text(f"a{unsafe}b") == "a\ufffdb"
    assert parse_reply(json.dumps({unsafe: unsafe}).encode()) == {"\ufffd": "\ufffd"}


def test_usual_white_space_stays() -> None:
    assert clean_text("a\t\n\r b\xa0") == "a\t\n\r b\xa0"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("x" * 128, "x" * 128),
        ("x" * 129, None),
        ("a._:=@+~-", "a._:=@+~-"),
        ("-a", None),
        ("a\n", None),
        ("", None),
        (7, "7"),
        (True, None),
        (1.5, None),
        (None, None),
    ],
)
def test_ids(value: object, found: str | None) -> None:
    assert plain_id(value) == found
    if found is None:
        with pytest.raises(ValueError, match="task_id is missing, or is not a plain id"):
            required_id(value)
    else:
        assert required_id(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (" a\n b\0 ", "a b\ufffd"),
        ("x" * 1001, "x" * 1000),
        ("", None),
        ("\n", None),
        (7, "7"),
        (1.5, "1.5"),
        (True, None),
        (["a"], None),
    ],
)
def test_lines(value: object, found: str | None) -> None:
    assert line(value) == found


def test_a_line_may_be_shorter() -> None:
    assert line("abcdef", max_length=3) == "abc"


PREFIX = "https://h/"


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        (PREFIX + "x" * (8191 - len(PREFIX)), True),
        (PREFIX + "x" * (8192 - len(PREFIX)), False),
        ("http://h:1/x?y#z", True),
        ("http://h:0/", False),
        ("http://h:99999/", False),
        ("ftp://h/", False),
        ("http:///x", False),
        ("http://h/a b", False),
        ("http://h/a\u00a0b", False),
        ("http://h/\ufffd", False),
        (None, False),
    ],
)
def test_urls(value: object, usable: bool) -> None:
    assert web_url(value) == (value if usable else None)


@pytest.mark.parametrize(
    ("value", "bounds", "found"),
    [
        (0, {}, 0.0),
        (-0.001, {}, None),
        (1e300, {}, 1e300),
        (float("inf"), {}, None),
        (float("nan"), {}, None),
        (3, {"high": 3}, 3.0),
        (3.001, {"high": 3}, None),
        (2, {"low": 2}, 2.0),
        (1.999, {"low": 2}, None),
        (True, {}, None),
        ("3", {}, None),
    ],
)
def test_numbers(value: object, bounds: dict[str, float], found: float | None) -> None:
    assert number(value, **bounds) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [(0, 0), (2**63 - 1, 2**63 - 1), (2**63, None), (-1, None), (1.0, None), (True, None), ("1", None)],
)
def test_counts(value: object, found: int | None) -> None:
    assert count(value) == found


EARLIEST = datetime(2020, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("moment", "is_possible"),
    [
        (EARLIEST, True),
        (EARLIEST - SECOND, False),
        (NOW + timedelta(days=1), True),
        (NOW + timedelta(days=1) + SECOND, False),
    ],
)
def test_times_from_2020_to_tomorrow(moment: datetime, is_possible: bool) -> None:
    found = moment if is_possible else None
    assert possible_time(moment) == found
    assert epoch_time(int(moment.timestamp()), unit=SECOND) == found
    assert epoch_time(int(moment.timestamp()) * 1000, unit=timedelta(milliseconds=1)) == found


def test_a_time_may_be_later_where_that_is_usual() -> None:
    later = NOW + timedelta(days=2)
    assert epoch_time(later.timestamp(), unit=SECOND) is None
    assert epoch_time(later.timestamp(), unit=SECOND, latest=timedelta(days=2)) == later
    assert epoch_time("1", unit=SECOND) is None


def test_what_is_no_object_is_an_empty_one() -> None:
    assert mapping({"a": 1}) == {"a": 1}
    assert mapping([1]) == {}
