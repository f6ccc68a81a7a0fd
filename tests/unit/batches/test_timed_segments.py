from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_videoretalk.batches import timed_segments
from airflow_provider_videoretalk.batches.timed_segments import TimedSegment, read_segments, rooms_of
from airflow_provider_videoretalk.dashscope.errors import InputError


def test_segments() -> None:
    given = [
        {"start": 0, "end": 1.5, "text": " Good\n morning. ", "words": [{}]},
        {"start": 2.0, "end": 2.0, "text": "", "speaker": 0},
    ]
    assert read_segments("source.segments", given) == [
        TimedSegment(start=0.0, end=1.5, text="Good morning."),
        TimedSegment(start=2.0, end=2.0, text="", speaker=0),
    ]


def one(**given: Any) -> dict[str, Any]:
    return {"start": 1.0, "end": 2.0, "text": "a", **given}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, r"^s is a NoneType, allowed is a list of 1 to 10000 segments"),
        ("text", r"^s is a str"),
        ({}, r"^s is a dict"),
        ([], r"^s is a list of 0"),
        ([one()] * 10_001, r"^s is a list of 10001"),
        ([one(), "text"], r"^s\[1\] is a str, allowed is a mapping"),
        ([one(text=None)], r"^s\[0\]\.text is a NoneType"),
        ([one(start=None)], r"^s\[0\]\.start is None, allowed is a number of seconds from 0"),
        ([one(start="1")], r"^s\[0\]\.start is '1'"),
        ([one(start=True)], r"^s\[0\]\.start is True"),
        ([one(start=-0.1)], r"^s\[0\]\.start is -0\.1"),
        ([one(start=float("nan"))], r"^s\[0\]\.start is nan"),
        ([one(end=float("inf"))], r"^s\[0\]\.end is inf"),
        ([one(end=10**400)], r"^s\[0\]\.end is 1000"),
        ([one(end=0.9)], r"^s\[0\]\.end is 0\.9, allowed is a number of seconds from 1"),
        ([one(), one(start=0.5)], r"^s\[1\]\.start is 0\.5 s, allowed is 1 s or more"),
    ],
)
def test_no_segments(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^(?:{message})"):
        read_segments("s", given)


def test_too_much_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed_segments, "MAX_CHARACTERS", 3)
    read_segments("s", [one(text="ab"), one(text="c")])
    with pytest.raises(InputError, match=r"^s have 4 characters, allowed are 3"):
        read_segments("s", [one(text="ab"), one(text="cd")])


def test_the_pause_until_the_next_segment_counts() -> None:
    segments = [
        TimedSegment(start=0.0, end=1.0, text="a"),
        TimedSegment(start=3.0, end=5.0, text="b"),
        # Somebody speaks before the other one ends.
        TimedSegment(start=4.0, end=6.0, text="c"),
    ]
    assert rooms_of(segments) == [3.0, 2.0, 2.0]
    assert rooms_of(segments, seconds=7.5) == [3.0, 2.0, 3.5]
    assert rooms_of(segments, seconds=1.0) == [3.0, 2.0, 2.0]
