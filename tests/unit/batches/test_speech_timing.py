"""Where the speeches of a dub are, and which are played faster."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.batches.speech_timing import PlacedSegment, SpokenSegment, place_segments


def spoken(start: float, end: float, seconds: float) -> SpokenSegment:
    return SpokenSegment(start=start, end=end, seconds=seconds)


def placed(start: float, end: float, *, tempo: float = 1.0, late: float = 0.0) -> PlacedSegment:
    return PlacedSegment(start=start, end=end, tempo=tempo, late=late)


@pytest.mark.parametrize(
    ("segments", "max_tempo", "expected"),
    [
        pytest.param(
            [spoken(1, 3, 2), spoken(4, 6, 1.5)], 1.2, [placed(1, 3), placed(4, 5.5)], id="what fits is as it is"
        ),
        pytest.param(
            [spoken(1, 3, 2.9), spoken(4, 6, 1)], 1.2, [placed(1, 3.9), placed(4, 5)], id="the pause after it is room"
        ),
        pytest.param(
            [spoken(1, 3, 3.3), spoken(4, 6, 1)],
            1.2,
            [placed(1, 4, tempo=1.1), placed(4, 5)],
            id="what is longer is played faster",
        ),
        pytest.param(
            [spoken(1, 3, 4.8), spoken(4, 6, 1), spoken(7, 9, 1)],
            1.2,
            [placed(1, 5, tempo=1.2), placed(5, 6, late=1.0), placed(7, 8)],
            id="what is too long makes the next late, and no other",
        ),
        pytest.param(
            [spoken(0, 2, 6), spoken(2, 3, 1.2), spoken(9, 10, 1)],
            1.2,
            [placed(0, 5, tempo=1.2), placed(5, 6.2, late=3.0), placed(9, 10)],
            id="what is late has the room that is left",
        ),
        pytest.param(
            [spoken(0, 2, 3), spoken(2, 4, 2)],
            1.0,
            [placed(0, 3), placed(3, 5, late=1.0)],
            id="without a tempo all is as it was spoken",
        ),
        pytest.param([spoken(8, 9, 1.8)], 1.2, [placed(8, 9.8)], id="the last has until the end of the original"),
        pytest.param([], 1.2, [], id="nothing"),
    ],
)
def test_where_speeches_are(segments: list[SpokenSegment], max_tempo: float, expected: list[PlacedSegment]) -> None:
    assert list(place_segments(segments, seconds=10, max_tempo=max_tempo)) == expected


TIMES = st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 5), st.floats(0.1, 10)), min_size=1, max_size=20)


@given(TIMES, st.floats(1, 2))
def test_speeches_never_overlap_and_none_is_early(times: list[tuple[float, float, float]], max_tempo: float) -> None:
    segments, at = [], 0.0
    for pause, length, seconds in times:
        segments.append(spoken(at + pause, at + pause + length, seconds))
        at += pause + length
    found = place_segments(segments, seconds=at, max_tempo=max_tempo)
    assert all(one.end <= other.start + 0.002 for one, other in pairwise(found))
    for segment, each in zip(segments, found, strict=True):
        assert each.start >= segment.start - 0.001
        assert 1 <= each.tempo <= max_tempo + 0.0001
        assert each.end - each.start == pytest.approx(segment.seconds / each.tempo, abs=0.01)
