from __future__ import annotations

import pytest

from airflow_provider_videoretalk.emulator.settings import EmulatorSettings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("host", ""),
        ("port", 70000),
        ("port", -1),
        ("submits_per_second", 0),
        ("queries_per_second", -1.0),
        ("speech_per_second", 0),
        ("translations_per_minute", 0),
        ("time_scale", 0),
        ("time_scale", float("nan")),
        ("life_scale", 0),
        ("running", 0),
        ("render_factor", -1),
        ("list_delay", -0.5),
        ("list_delay", float("nan")),
        ("workers", 0),
        ("api_keys", ("",)),
        ("missing", frozenset({"submit"})),
        ("gateway", "dashscope"),
        ("download_timeout", 0),
        ("upload_megabytes", 0),
    ],
)
def test_wrong_value_is_named(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=setting):
        EmulatorSettings(**{setting: value})  # type: ignore[arg-type]


def test_scales_divide_durations_but_no_rate() -> None:
    scaled = EmulatorSettings(time_scale=100, life_scale=100, list_delay=30)
    assert scaled.result_seconds == pytest.approx(864)
    assert scaled.upload_seconds == pytest.approx(1728)
    assert scaled.task_timeout_seconds == pytest.approx(108)
    assert scaled.policy_seconds == pytest.approx(3)
    assert scaled.list_delay_seconds == pytest.approx(0.3)
    assert scaled.render_seconds(7.2) == pytest.approx(7.2 * 9 / 100)
    assert scaled.submits_per_second == 1
    assert scaled.download_timeout == 60
