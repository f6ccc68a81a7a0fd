"""What a task will cost: as the emulator bills it, and as the table of prices says."""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_files import video, wav
from range_server import RangeServer

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.emulator.engine.container import Timeline
from airflow_provider_videoretalk.emulator.engine.lip_sync import _LipSync
from airflow_provider_videoretalk.emulator.engine.loudness import Loudness
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.inputs.cost_estimate import CostEstimate, check_max_cost
from airflow_provider_videoretalk.media.probe import probe
from airflow_provider_videoretalk.model_catalog.catalog import price_of
from airflow_provider_videoretalk.model_catalog.model import InputLength
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.outbound.host_access import any_address

PRICE = VIDEORETALK.price
RATES = [15, Fraction(24000, 1001), 24, 25, Fraction(30000, 1001), 30, 50, Fraction(60000, 1001), 60]


def estimate(
    *, video: float | None, audio: float | None, video_extension: bool, fps: float | None = None
) -> CostEstimate:
    lengths = {"video_url": InputLength(seconds=video, fps=fps), "audio_url": InputLength(seconds=audio)}
    length = VIDEORETALK.output_length(lengths, {"video_extension": video_extension})
    return CostEstimate(seconds=length.seconds, exact=length.exact, price=PRICE)


def seconds(**inputs: Any) -> tuple[float, bool]:
    estimated = estimate(**inputs)
    return estimated.seconds, estimated.exact


@pytest.mark.parametrize(
    ("film", "sound", "extended", "expected"),
    [
        (10, 6, False, 6),
        (6, 10, False, 6),
        (6, 10, True, 10),
        (10, 6, True, 6),
        (7.2, 7.2, False, 7.2),
    ],
)
def test_the_rules(film: float, sound: float, extended: bool, expected: float) -> None:
    assert seconds(video=film, audio=sound, video_extension=extended, fps=25) == (expected, True)


@pytest.mark.parametrize(
    ("film", "sound", "extended", "expected", "without_rate"),
    [
        (None, 6, True, (6, True), (6.07, False)),
        (None, 6, False, (6, False), (6.07, False)),
        (10, 6, False, (6, True), (6.07, False)),
        (10, 119.99, True, (120, True), (120, False)),
        (6, 10, False, (6, True), (6, True)),
        (10, None, False, (10, False), (10, False)),
        (10, None, True, (120, False), (120, False)),
        (None, None, False, (120, False), (120, False)),
        (None, None, True, (120, False), (120, False)),
    ],
)
def test_what_is_not_known_counts_at_its_most(
    film: float | None,
    sound: float | None,
    extended: bool,
    expected: tuple[float, bool],
    without_rate: tuple[float, bool],
) -> None:
    assert seconds(video=film, audio=sound, video_extension=extended, fps=25) == expected
    assert seconds(video=film, audio=sound, video_extension=extended) == without_rate


@settings(max_examples=500)
@given(
    frames=st.integers(30, 7200),
    samples=st.integers(2 * 16_000, 120 * 16_000),
    rate=st.sampled_from(RATES),
    extended=st.booleans(),
)
def test_as_the_emulator_counts(frames: int, samples: int, rate: Fraction | int, extended: bool) -> None:
    """The rule alone, over all durations, by the part of the engine that has it."""
    rate = Fraction(rate)
    heard = Fraction(samples, 16_000)
    job = _LipSync(
        video=Path(),
        audio=Path(),
        loudness=Loudness(slices=np.zeros(1, np.float32), seconds=heard),
        measured=Timeline(frames=frames, seconds=frames / rate, rate=rate),
        extend=extended,
    )
    billed = round(float(job._total / rate), 2)
    found = seconds(video=float(frames / rate), audio=float(heard), video_extension=extended, fps=float(rate))
    assert found == (billed, True)


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    frames=st.integers(30, 60),
    samples=st.integers(16_000, 32_000),
    rate=st.sampled_from([15, Fraction(30000, 1001)]),
    extended=st.booleans(),
)
def test_as_the_emulator_bills(
    emulator: Emulator, tmp_path: Path, frames: int, samples: int, rate: Fraction | int, extended: bool
) -> None:
    """Real files through the whole of it, measured by the probe on our side."""
    frames = max(frames, round(2 * rate) + 1)
    with RangeServer() as server:
        film = video(tmp_path / "v.mp4", seconds=float(frames / Fraction(rate)), fps=rate).read_bytes()
        urls = {
            "video_url": server.add("/v.mp4", film),
            "audio_url": server.add("/a.wav", wav(seconds=samples / 8000)),
        }
        picture, sound = (probe(url, access=any_address) for url in urls.values())
        billed = billed_seconds(emulator, urls, extended=extended)
    found = seconds(video=picture.seconds, audio=sound.seconds, video_extension=extended, fps=picture.fps)
    assert found == (billed, True)


def billed_seconds(emulator: Emulator, urls: dict[str, str], *, extended: bool) -> float:
    headers = {"Authorization": "Bearer sk-estimate"}
    submitted = requests.post(
        f"{emulator.base_url}/services/aigc/image2video/video-synthesis/",
        json={"model": "videoretalk", "input": urls, "parameters": {"video_extension": extended}},
        headers=headers | {"X-DashScope-Async": "enable"},
        timeout=30,
    ).json()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        url = f"{emulator.base_url}/tasks/{submitted['output']['task_id']}"
        task = requests.get(url, headers=headers, timeout=30).json()
        if task["output"]["task_status"] == "SUCCEEDED":
            return float(task["usage"]["video_duration"])
        assert task["output"]["task_status"] != "FAILED", task
        time.sleep(0.05)
    raise AssertionError("the task did not end")


def test_cost() -> None:
    estimated = estimate(video=30, audio=12.5, video_extension=False, fps=30)
    assert estimated.cost == Decimal("1.0000")
    assert str(estimated) == "12.5 s of output, 1 CNY (0.08 CNY a second as of 2026-11-22)"
    assert PRICE.cost(7.16) == Decimal("0.5728")
    assert str(estimate(video=None, audio=None, video_extension=True)).startswith(
        "at most 120 s of output, at most 9.6 CNY"
    )


def test_prices_are_configuration() -> None:
    given = {"per_second": "0.1", "currency": "USD", "as_of": "2027-01-01"}
    price = price_of("videoretalk", {"videoretalk": given})
    assert (price.per_second, price.currency, price.as_of) == (Decimal("0.1"), "USD", date(2027, 1, 1))
    assert price_of("videoretalk", {"other": given}) is PRICE
    assert price_of("videoretalk") is PRICE
    with pytest.raises(KeyError):
        price_of("no-such-model")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"per_second": "free", "currency": "CNY", "as_of": "2027-01-01"},
        {"per_second": -1, "currency": "CNY", "as_of": "2027-01-01"},
        {"per_second": "nan", "currency": "CNY", "as_of": "2027-01-01"},
        {"per_second": True, "currency": "CNY", "as_of": "2027-01-01"},
        {"per_second": 1, "currency": "CNY", "as_of": "soon"},
        "0.08",
        7,
    ],
)
def test_prices_that_can_not_be_read(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="the price of 'videoretalk' is"):
        price_of("videoretalk", {"videoretalk": given})


@pytest.mark.parametrize("most", [None, 1, 1.0, "1", Decimal("1.0"), " 1.00 ", 2])
def test_what_may_be_spent(most: Any) -> None:
    check_max_cost(CostEstimate(seconds=12.5, exact=True, price=PRICE), most)


@pytest.mark.parametrize("most", [0, 0.99, "0.9999"])
def test_what_may_not(most: Any) -> None:
    with pytest.raises(
        InputError, match=r"the job costs 12\.5 s of output, 1 CNY .* allowed is at most .* \(max_cost\)"
    ):
        check_max_cost(CostEstimate(seconds=12.5, exact=True, price=PRICE), most)


@pytest.mark.parametrize("most", ["much", -1, True, float("nan"), "inf", ""])
def test_sums_that_are_none(most: Any) -> None:
    with pytest.raises(InputError, match="max_cost is"):
        check_max_cost(CostEstimate(seconds=1, exact=True, price=PRICE), most)
