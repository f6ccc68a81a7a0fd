from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.waiting.rate import Rate


def turns(rate: Rate, count: int, *, now: float) -> list[float]:
    """Asks as fast as it may."""
    taken = []
    for _ in range(count):
        now = rate.turn(now)
        rate.take(now)
        taken.append(now)
    return taken


@given(
    limit=st.floats(0.5, 200),
    pauses=st.lists(st.floats(0, 3), max_size=100),
    refusals=st.sets(st.integers(0, 99)),
    luck=st.floats(0, 1),
)
def test_never_more_than_the_limit_in_a_second(
    limit: float, pauses: list[float], refusals: set[int], luck: float
) -> None:
    rate, now, taken = Rate(limit, chance=lambda: luck), 0.0, []
    for number, pause in enumerate(pauses):
        now = rate.turn(now + pause)
        rate.take(now)
        taken.append(now)
        if number in refusals:
            rate.refused(sent_at=now, now=now + 0.05)
    # As services count: so many whole queries, in the time that they take at the limit.
    most = max(1, int(limit))
    for moment in taken:
        assert sum(moment <= other < moment + most / limit - 1e-9 for other in taken) <= most


def test_no_burst_after_a_rest() -> None:
    rate = Rate(10, chance=lambda: 0.5)
    assert turns(rate, 3, now=1000.0) == pytest.approx([1000, 1000 + 1 / 9, 1000 + 2 / 9])


def test_a_refusal_takes_a_quarter_and_time_wins_it_back() -> None:
    rate = Rate(20)
    assert rate.per_second(100) == 18
    rate.refused(sent_at=100, now=100)
    assert rate.per_second(100) == 13.5
    assert rate.per_second(107.5) == pytest.approx(15.75)
    assert rate.per_second(115) == rate.per_second(1000) == 18


def test_what_was_on_its_way_does_not_count_again() -> None:
    rate = Rate(20)
    for _ in range(8):
        rate.refused(sent_at=99.9, now=100)
    assert rate.per_second(100) == 13.5
    rate.refused(sent_at=100.5, now=100.6)
    assert rate.per_second(100.6) == pytest.approx(10.1, abs=0.2)


def test_it_never_stands_still() -> None:
    rate = Rate(20)
    for moment in range(100):
        rate.refused(sent_at=moment, now=moment)
    assert 0.18 <= rate.per_second(99) <= 1.5


@pytest.mark.parametrize(("asked", "held"), [(90.0, 90.0), (86_400.0, 600.0)])
def test_a_wish_to_hear_nothing_is_granted_within_reason(asked: float, held: float) -> None:
    rate = Rate(20)
    rate.refused(sent_at=100, now=100, retry_after=asked)
    assert rate.turn(100) == 100 + held


def test_strangers_come_to_equal_shares() -> None:
    """Two pollers of one account, one of which has all of it at first."""
    chance = random.Random(4).random
    rates, counts, refused = [Rate(20, chance=chance), Rate(20, chance=chance)], [0, 0], 0
    rates[1].refused(sent_at=0, now=0)
    rates[1].refused(sent_at=1, now=1)
    passed: list[float] = []
    for step in range(60_000):
        now = step / 100
        for number, rate in enumerate(rates):
            if rate.turn(now) > now:
                continue
            rate.take(now)
            passed = [moment for moment in passed if moment > now - 1]
            if len(passed) >= 20:
                refused += 1
                rate.refused(sent_at=now, now=now)
            else:
                passed.append(now)
                counts[number] += now > 300
    assert 0.7 < counts[0] / counts[1] < 1.4
    assert sum(counts) / 300 > 13
    assert refused / 600 < 0.5
