"""The segments of a transcript: what is said, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import InputError

MAX_SEGMENTS = 10_000
"""Most segments of a transcript."""

MAX_CHARACTERS = 1_000_000
"""Most characters of all segments together."""

_LATEST_SECOND = 1_000_000.0
_REMEDY = 'Give {"start": 0.0, "end": 2.5, "text": "..."}, with times in seconds.'


@dataclass(frozen=True, kw_only=True)
class TimedSegment:
    """
    :param start: in seconds; so is ``end``
    :param text: in one line
    :param speaker: as it was given; ``None`` without one
    """

    start: float
    end: float
    text: str
    speaker: Any = None


def read_segments(field: str, given: object) -> list[TimedSegment]:
    """The segments of a transcript, in their order.

    :param given: a list of mappings with ``start``, ``end``, ``text``, and ``speaker`` if it is known
    :raises InputError: it is something else, it is too long, or a segment begins before the one ahead of it
    """
    if not isinstance(given, Sequence) or isinstance(given, str) or not 1 <= len(given) <= MAX_SEGMENTS:
        count = f"a list of {len(given)}" if isinstance(given, list | tuple) else f"a {type(given).__name__}"
        raise InputError(f"{field} is {count}, allowed is a list of 1 to {MAX_SEGMENTS} segments", remedy=_REMEDY)
    segments = [_segment(f"{field}[{number}]", one) for number, one in enumerate(given)]
    for number, (ahead, segment) in enumerate(pairwise(segments), start=1):
        if segment.start < ahead.start:
            raise InputError(
                f"{field}[{number}].start is {segment.start:g} s, allowed is {ahead.start:g} s or more",
                remedy="Sort the segments by when they begin.",
            )
    characters = sum(len(segment.text) for segment in segments)
    if characters > MAX_CHARACTERS:
        raise InputError(
            f"{field} have {characters} characters, allowed are {MAX_CHARACTERS}", remedy="Split the transcript."
        )
    return segments


def rooms_of(segments: Sequence[TimedSegment], *, seconds: float | None = None) -> list[float]:
    """How long the speech of each segment may take, in seconds: until the next one begins, or its own end if later.

    :param seconds: duration of the recording, until which the last one may take; ``None`` if it is not known
    """
    ends = [segment.start for segment in segments[1:]] + [seconds or 0.0]
    return [max(segment.end, end) - segment.start for segment, end in zip(segments, ends, strict=True)]


def _segment(field: str, given: object) -> TimedSegment:
    if not isinstance(given, Mapping):
        raise InputError(f"{field} is a {type(given).__name__}, allowed is a mapping", remedy=_REMEDY)
    text = given.get("text")
    if not isinstance(text, str):
        raise InputError(f"{field}.text is a {type(text).__name__}, allowed is a text", remedy=_REMEDY)
    start = _second(f"{field}.start", given.get("start"), low=0.0)
    end = _second(f"{field}.end", given.get("end"), low=start)
    return TimedSegment(start=start, end=end, text=" ".join(text.split()), speaker=given.get("speaker"))


def _second(field: str, value: object, *, low: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= _LATEST_SECOND:
        raise InputError(f"{field} is {value!r}, allowed is a number of seconds from {low:g}", remedy=_REMEDY)
    return float(value)
