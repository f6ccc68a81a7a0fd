from __future__ import annotations

from airflow_provider_videoretalk.dashscope.task import TaskPage
from airflow_provider_videoretalk.waiting.sweep import Sweep


def sweep(*unseen: str) -> Sweep:
    return Sweep(status="RUNNING", begun=0.0, unseen=dict.fromkeys(unseen))


def page(pages: int) -> TaskPage:
    return TaskPage(rows=(), total=10 * pages, total_pages=pages)


def test_the_first_page_tells_how_many_follow() -> None:
    reading = sweep(*"abcdef")
    assert reading.take() == 1
    assert not reading.todo
    assert not reading.over
    reading.read(page(3))
    assert [reading.take(), reading.take()] == [2, 3]
    reading.read(page(3))
    assert not reading.over
    # One came up meanwhile.
    reading.read(page(4))
    assert reading.take() == 4
    reading.read(page(4))
    assert reading.over
    assert not reading.partial


def test_no_page_at_all() -> None:
    reading = sweep("a")
    reading.take()
    reading.read(page(0))
    assert reading.over
    assert not reading.partial


def test_a_refused_page_is_asked_for_again() -> None:
    reading = sweep(*"abcdef")
    reading.take()
    reading.read(page(3))
    number = reading.take()
    reading.refused(number)
    assert (reading.take(), reading.refusals) == (number, 1)


def test_pages_that_are_more_than_the_tasks_on_them_are_not_read() -> None:
    reading = sweep("a", "b")
    reading.take()
    reading.read(page(4))
    assert reading.over
    assert reading.partial


def test_when_all_are_seen_the_rest_is_not_read() -> None:
    reading = sweep(*"abcdef")
    reading.take()
    reading.read(page(5))
    reading.take()
    reading.unseen.clear()
    reading.read(page(5))
    assert reading.over
