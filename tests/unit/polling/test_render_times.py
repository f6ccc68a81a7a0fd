from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.polling.render_times import RenderTimes

BEGIN = datetime(2026, 11, 20, 20, 0, 0)  # noqa: DTZ001


def rendered(seconds: float, *, output: float | None = None, status: str = "SUCCEEDED", dated: bool = True) -> Task:
    times = {"scheduled_time": str(BEGIN), "end_time": str(BEGIN + timedelta(seconds=seconds))} if dated else {}
    usage = {} if output is None else {"video_duration": output}
    return Task.parse({"output": {"task_id": "t", "task_status": status, **times}, "usage": usage})


def test_nothing_is_known_at_first() -> None:
    render_times = RenderTimes()
    for useless in (rendered(10, status="FAILED"), rendered(10, dated=False), rendered(0), rendered(-5)):
        render_times.learn(useless)
    assert (
        render_times.expected()
        is render_times.shortest()
        is render_times.expected(7.0)
        is render_times.shortest(7.0)
        is render_times.longest()
        is render_times.longest(7.0)
        is None
    )


def test_the_middle_is_expected_and_the_least_and_the_most_are_plausible() -> None:
    render_times = RenderTimes()
    for seconds in (60, 90, 100):
        render_times.learn(rendered(seconds))
    assert render_times.expected() == 90
    # Lower by a tenth, as there are three only, and by a third of what they differ by.
    assert render_times.shortest() == pytest.approx(60 * 9 / 10 - 40 / 3)
    assert render_times.longest() == pytest.approx(100 * 10 / 9 + 40 / 3)


def test_the_output_s_length_counts_where_it_is_known() -> None:
    render_times = RenderTimes()
    render_times.learn(rendered(90, output=10))
    assert render_times.expected(20) == pytest.approx(180)
    assert render_times.shortest(20) == pytest.approx(90)
    assert render_times.longest(20) == pytest.approx(360)
    assert render_times.expected() == 90
    plain = RenderTimes()
    plain.learn(rendered(90))
    assert plain.expected(20) == 90


def test_few_are_trusted_less_than_many() -> None:
    one, many = RenderTimes(), RenderTimes()
    one.learn(rendered(100))
    for _ in range(99):
        many.learn(rendered(100))
    assert one.shortest() == 50
    assert one.longest() == 200
    assert many.shortest() == pytest.approx(100, abs=0.02)
    assert many.longest() == pytest.approx(100, abs=0.02)


def test_the_old_is_forgotten() -> None:
    render_times = RenderTimes(memory=10)
    for seconds in [1] * 10 + [100] * 10:
        render_times.learn(rendered(seconds))
    assert render_times.expected() == 100
    assert render_times.shortest() == pytest.approx(100 * 100 / 101)


def test_a_batch_whose_short_ones_end_first_is_remembered_whole() -> None:
    render_times = RenderTimes()
    for seconds in range(84, 884):
        render_times.learn(rendered(seconds))
    assert (render_times.shortest() or 0) < 95
    assert (render_times.longest() or 0) > 870


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=60), st.integers(1, 20))
def test_plausible_is_around_expected(seconds: list[float], memory: int) -> None:
    render_times = RenderTimes(memory=memory)
    for each in seconds:
        render_times.learn(rendered(each, output=each))
    expected, shortest, longest = render_times.expected(), render_times.shortest(), render_times.longest()
    assert expected is not None
    assert shortest is not None
    assert longest is not None
    assert 0 <= shortest <= expected <= min(longest, max(seconds[-memory:])) + 1e-3
