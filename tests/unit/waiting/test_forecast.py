from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.waiting.forecast import Forecast, forecast_of

BEGIN = datetime(2026, 11, 20, 20, 0, 0)  # noqa: DTZ001


def rendered(seconds: float, *, output: float | None = None, status: str = "SUCCEEDED", dated: bool = True) -> Task:
    times = {"scheduled_time": str(BEGIN), "end_time": str(BEGIN + timedelta(seconds=seconds))} if dated else {}
    usage = {} if output is None else {"video_duration": output}
    return Task.parse({"output": {"task_id": "t", "task_status": status, **times}, "usage": usage})


def test_nothing_is_known_at_first() -> None:
    forecast = Forecast()
    for useless in (rendered(10, status="FAILED"), rendered(10, dated=False), rendered(0), rendered(-5)):
        forecast.learn(useless)
    assert forecast.expected() is forecast.shortest() is forecast.expected(7.0) is forecast.shortest(7.0) is None


def test_the_middle_is_expected_and_the_least_is_plausible() -> None:
    forecast = Forecast()
    for seconds in (60, 90, 100):
        forecast.learn(rendered(seconds))
    assert forecast.expected() == 90
    assert forecast.shortest() == pytest.approx(60 * 3 / 4)


def test_the_output_s_length_counts_where_it_is_known() -> None:
    forecast = Forecast()
    forecast.learn(rendered(90, output=10))
    assert forecast.expected(20) == pytest.approx(180)
    assert forecast.shortest(20) == pytest.approx(90)
    assert forecast.expected() == 90
    plain = Forecast()
    plain.learn(rendered(90))
    assert plain.expected(20) == 90


def test_few_are_trusted_less_than_many() -> None:
    one, many = Forecast(), Forecast()
    one.learn(rendered(100))
    for _ in range(99):
        many.learn(rendered(100))
    assert one.shortest() == 50
    assert many.shortest() == 99


def test_the_old_is_forgotten() -> None:
    forecast = Forecast(memory=10)
    for seconds in [1] * 10 + [100] * 10:
        forecast.learn(rendered(seconds))
    assert forecast.expected() == 100
    assert forecast.shortest() == pytest.approx(100 * 10 / 11)


def test_a_batch_whose_short_ones_end_first_is_remembered_whole() -> None:
    forecast = Forecast()
    for seconds in range(84, 884):
        forecast.learn(rendered(seconds))
    assert (forecast.shortest() or 0) < 95


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=60), st.integers(1, 20))
def test_plausible_is_less_than_expected(seconds: list[float], memory: int) -> None:
    forecast = Forecast(memory=memory)
    for each in seconds:
        forecast.learn(rendered(each, output=each))
    expected, shortest = forecast.expected(), forecast.shortest()
    assert expected is not None
    assert shortest is not None
    assert 0 <= shortest <= expected <= max(seconds[-memory:]) + 1e-3


def test_a_process_learns_for_each_endpoint() -> None:
    assert forecast_of(Endpoint(api_key="sk-a")) is forecast_of(Endpoint(api_key="sk-a"))
    assert forecast_of(Endpoint(api_key="sk-a")) is not forecast_of(Endpoint(api_key="sk-b"))
