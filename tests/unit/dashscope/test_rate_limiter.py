from __future__ import annotations

import random
from bisect import bisect_right
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.dashscope.rate_limiter import RateLimiter


def turns(rate: RateLimiter, count: int, *, now: float) -> list[float]:
    """Asks as fast as it may."""
    taken = []
    for _ in range(count):
        now = rate.next_turn(now)
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
    rate, now, taken = RateLimiter(limit, chance=lambda: luck), 0.0, []
    for number, pause in enumerate(pauses):
        now = rate.next_turn(now + pause)
        rate.take(now)
        taken.append(now)
        if number in refusals:
            rate.refused(sent_at=now, now=now + 0.05)
    # As services count: so many whole queries, in the time that they take at the limit.
    most = max(1, int(limit))
    for moment in taken:
        assert sum(moment <= other < moment + most / limit - 1e-9 for other in taken) <= most


def test_no_burst_after_a_rest() -> None:
    rate = RateLimiter(10, chance=lambda: 0.5)
    assert turns(rate, 3, now=1000.0) == pytest.approx([1000, 1000 + 1 / 9, 1000 + 2 / 9])


def test_a_refusal_takes_a_quarter_and_time_wins_it_back() -> None:
    rate = RateLimiter(20)
    assert rate.per_second(100) == 18
    rate.refused(sent_at=100, now=100)
    assert rate.per_second(100) == 13.5
    assert rate.per_second(107.5) == pytest.approx(15.75)
    assert rate.per_second(115) == rate.per_second(1000) == 18


def test_what_was_on_its_way_does_not_count_again() -> None:
    rate = RateLimiter(20)
    for _ in range(8):
        rate.refused(sent_at=99.9, now=100)
    assert rate.per_second(100) == 13.5
    rate.refused(sent_at=100.5, now=100.6)
    assert rate.per_second(100.6) == pytest.approx(10.1, abs=0.2)


def test_it_never_stands_still() -> None:
    rate = RateLimiter(20)
    for moment in range(100):
        rate.refused(sent_at=moment, now=moment)
    assert 0.18 <= rate.per_second(99) <= 1.5


@pytest.mark.parametrize(("asked", "held"), [(5.0, 5.0), (86_400.0, 10.0)])
def test_a_wish_to_hear_nothing_is_granted_within_reason(asked: float, held: float) -> None:
    rate = RateLimiter(20)
    rate.refused(sent_at=100, now=100, retry_after=asked)
    assert rate.next_turn(100) == 100 + held


def test_strangers_come_to_equal_shares() -> None:
    """Two pollers of one account, one of which has all of it at first."""
    chance = random.Random(4).random
    rates, counts, refused = [RateLimiter(20, chance=chance), RateLimiter(20, chance=chance)], [0, 0], 0
    rates[1].refused(sent_at=0, now=0)
    rates[1].refused(sent_at=1, now=1)
    passed: list[float] = []
    for step in range(60_000):
        now = step / 100
        for number, rate in enumerate(rates):
            if rate.next_turn(now) > now:
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


def test_single_requests_take_turns_one_after_the_other() -> None:
    """At half of the rate, so that queries find turns between them."""
    limiter = RateLimiter(10, chance=lambda: 0.5, clock=lambda: 100.0)
    assert [limiter.reserve() for _ in range(4)] == pytest.approx([0, 2 / 9, 4 / 9, 6 / 9])


def test_a_single_request_does_not_wait_for_a_hold() -> None:
    """One job's answer never delays another's."""
    limiter = RateLimiter(10, clock=lambda: 100.0)
    limiter.refused(sent_at=100, now=100, retry_after=300)
    assert limiter.next_turn(100) == 110
    assert limiter.reserve() < 1


@pytest.mark.parametrize("singles", [200, 3000])
def test_many_single_requests_do_not_stop_the_queries(singles: int) -> None:
    """As when a run of many deferred tasks is cleared: each cancels its job."""
    now = 0.0
    limiter = RateLimiter(20, chance=random.Random(4).random, clock=lambda: now)
    sent = [limiter.reserve() for _ in range(singles)]
    queries = []
    while now < sent[-1]:
        if limiter.next_turn(now) <= now:
            limiter.take(now)
            queries.append(now)
        now += 0.01
    assert max(later - earlier for earlier, later in pairwise(queries)) < 0.2
    assert len(queries) > 0.9 * singles
    moments = sorted(sent + queries)
    assert max(bisect_right(moments, moment + 1 - 1e-9) - place for place, moment in enumerate(moments)) <= 20


@given(
    steps=st.lists(st.tuples(st.floats(0, 0.3), st.booleans()), max_size=200),
    luck=st.floats(0, 1),
)
def test_both_together_stay_within_the_limit(steps: list[tuple[float, bool]], luck: float) -> None:
    now = 0.0
    limiter, sent = RateLimiter(20, chance=lambda: luck, clock=lambda: now), []
    for pause, single in steps:
        now += pause
        if single:
            sent.append(now + limiter.reserve())
        elif limiter.next_turn(now) <= now:
            limiter.take(now)
            sent.append(now)
    sent.sort()
    # A query and a single request may meet at the beginning of a second.
    assert all(bisect_right(sent, moment + 1 - 1e-9) - place <= 20 for place, moment in enumerate(sent))
