from __future__ import annotations

import pytest

from airflow_provider_videoretalk.batches.segment_fit import fit_segment

# 26 letters take two seconds.
TEXT = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("room", "rate", "max_rate", "chosen", "seconds", "fits"),
    [
        (2.0, 1.0, 1.0, 1.0, 2.0, True),
        (1.99, 1.0, 1.0, 1.0, 2.0, False),
        (4.0, 1.0, 1.2, 1.0, 2.0, True),
        # 2 / 1.9 is 1.0526.
        (1.9, 1.0, 1.2, 1.06, 2 / 1.06, True),
        (1.0, 1.0, 1.2, 1.2, 2 / 1.2, False),
        (1.6, 1.25, 1.5, 1.25, 1.6, True),
        (0.0, 1.0, 1.2, 1.2, 2 / 1.2, False),
        (2.0, 0.5, 1.2, 1.0, 2.0, True),
    ],
)
def test_a_rate_is_as_low_as_it_can_be(
    room: float, rate: float, max_rate: float, chosen: float, seconds: float, fits: bool
) -> None:
    fit = fit_segment(TEXT, room=room, rate=rate, max_rate=max_rate)
    assert (fit.rate, fit.fits) == (chosen, fits)
    assert fit.seconds == pytest.approx(seconds)


def test_nothing_to_say_fits() -> None:
    fit = fit_segment("", room=0.0, rate=1.1, max_rate=1.2)
    assert (fit.rate, fit.fits, fit.seconds) == (1.1, True, 0.0)
