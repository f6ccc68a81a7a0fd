from __future__ import annotations

import math

from airflow_provider_videoretalk.dashscope.errors import RequestError, ServerError, ThrottledError
from airflow_provider_videoretalk.dashscope.task import TaskPage
from airflow_provider_videoretalk.waiting.census import Census


def page(*, total: int, pages: int) -> TaskPage:
    return TaskPage(rows=(), total=total, total_pages=pages)


def swept(census: Census, *, at: float, found: int = 0, pages: int = 10, total: int = 1000, ours: int = 1000) -> None:
    """A whole sweep of RUNNING."""
    sweep = census.sweep("RUNNING", map(str, range(ours)), now=at)
    sweep.ours = ours
    while not sweep.over:
        sweep.take()
        answer = page(total=total, pages=pages)
        census.read(sweep, answer, now=at)
        sweep.read(answer)
    census.finished(sweep, found=found, next_look=at + 10)


def foreseen(census: Census, *, total: int = 1000, pages: int = 10, ours: range = range(999, 1001)) -> bool:
    sweep, answer = census.sweep("RUNNING", (), now=9.0), page(total=total, pages=pages)
    sweep.take()
    sweep.glanced = census.is_as_foreseen(sweep, answer, ours=ours)
    sweep.read(answer)
    if sweep.glanced:
        census.finished(sweep, found=0, next_look=19.0)
    return sweep.glanced


def test_large_pages_first_then_small_ones_then_none() -> None:
    census = Census()
    sweep = census.sweep("PENDING", "a", now=0.0)
    assert census.request(sweep, 1).query["page_size"] == "100"
    census.failed(RequestError("too large"), now=0.0)
    assert census.request(sweep, 1).query["page_size"] == "10"
    assert census.usable(0.0)
    census.failed(RequestError("no such path"), now=0.0)
    assert not census.usable(1e12)


def test_what_passes_makes_it_rest_for_longer_and_longer() -> None:
    census = Census()
    for rest in (2, 4, 8):
        census.failed(ServerError("m"), now=100.0)
        assert not census.usable(100.0 + rest - 0.1)
        assert census.usable(100.0 + rest)
    census.failed(ThrottledError("m", retry_after=500), now=100.0)
    assert not census.usable(599.0)


def test_its_price_is_the_last_one_s_for_a_while() -> None:
    census = Census()
    assert census.pages("RUNNING", ours=0, now=0.0) == 1
    assert census.pages("RUNNING", ours=250, now=0.0) == 3
    swept(census, at=0.0, pages=20)
    assert census.pages("RUNNING", ours=250, now=599.0) == 20
    assert census.pages("RUNNING", ours=2500, now=599.0) == 25
    assert census.pages("PENDING", ours=250, now=599.0) == 3
    assert census.pages("RUNNING", ours=250, now=600.0) == 3


def test_a_total_tells_that_nothing_happened_if_all_are_ours() -> None:
    census = Census()
    assert not foreseen(census)
    swept(census, at=0.0)
    assert foreseen(census)
    assert foreseen(census, total=999)
    assert not foreseen(census, total=998)
    assert not foreseen(census, total=1001)
    assert not foreseen(census, pages=1)
    assert not foreseen(census, ours=range(0))
    swept(census, at=10.0, total=1001)
    assert not foreseen(census)


def test_what_costs_one_request_is_had_twice_as_often() -> None:
    census = Census()
    swept(census, at=0.0)
    assert foreseen(census)
    assert census.harvest_at == 14.0


def test_now_and_then_all_is_read() -> None:
    census = Census()
    swept(census, at=0.0)
    assert [foreseen(census) for _ in range(17)] == [True] * 16 + [False]
    swept(census, at=0.0)
    assert foreseen(census)


def test_a_harvest_pays_by_what_it_finds() -> None:
    census = Census()
    assert census.harvest_at == math.inf
    swept(census, at=0.0, found=40)
    # Nothing is known of how long the 40 took to end.
    assert census.harvest_at == math.inf
    swept(census, at=4.0, found=40)
    # Ten a second end: 29 of them are worth ten requests.
    assert 6.8 < census.harvest_at < 7.0
    census.sweep("RUNNING", (), now=7.0)
    assert census.harvest_at == math.inf
    swept(census, at=8.0, found=0, total=1001)
    assert census.harvest_at == math.inf


def test_a_list_that_is_wrong_too_often_rests() -> None:
    census = Census()
    for _ in range(1000):
        for right in (True, True, False):
            census.judged(right=right, now=0.0)
    assert census.usable(0.0)
    for _ in range(21):
        census.judged(right=False, now=0.0)
    assert not census.usable(599.0)
    assert census.usable(600.0)
    census.judged(right=False, now=600.0)
    assert census.usable(600.0)
