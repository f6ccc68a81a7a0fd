from __future__ import annotations

import math

import pytest

from airflow_provider_videoretalk.dashscope.errors import RequestError, ServerError, ThrottledError
from airflow_provider_videoretalk.dashscope.task_list import TaskPage
from airflow_provider_videoretalk.polling.list_reading import JobList, Reading
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.watched_job import Agenda


def reading_of(*unseen: str) -> Reading:
    return Reading(status="RUNNING", begun=0.0, last_reply_at=0.0, unseen=dict.fromkeys(unseen))


def page(pages: int, *, total: int | None = None) -> TaskPage:
    return TaskPage(rows=(), total=10 * pages if total is None else total, total_pages=pages, unreadable=0)


def read(
    job_list: JobList, *, at: float, total: int = 1000, pages: int = 10, expected: range = range(0), backlog: float = 0
) -> Reading:
    """A whole reading of RUNNING, in which a thousand rows are of jobs with a waiter."""
    reading = job_list.begin("RUNNING", dict.fromkeys(map(str, range(1000))), now=at)
    reading.ours = 1000
    while not reading.over:
        reading.take()
        answer = page(pages, total=total)
        job_list.read(reading, answer, expected=expected, now=at)
        reading.read(answer)
    job_list.finished(reading, total=total, backlog=backlog)
    return reading


def test_the_first_page_says_how_many_follow() -> None:
    reading = reading_of(*"abcdef")
    assert reading.take() == 1
    assert not reading.todo
    assert not reading.over
    reading.read(page(3))
    assert [reading.take(), reading.take()] == [2, 3]
    reading.read(page(3))
    assert not reading.over
    # One more appeared meanwhile.
    reading.read(page(4))
    assert reading.take() == 4
    reading.read(page(4))
    assert reading.over
    assert not reading.partial


def test_no_page_at_all() -> None:
    reading = reading_of("a")
    reading.take()
    reading.read(page(0))
    assert reading.over
    assert not reading.partial


def test_a_refused_page_is_asked_for_again() -> None:
    reading = reading_of(*"abcdef")
    reading.take()
    reading.read(page(3))
    number = reading.take()
    reading.refused(number)
    assert (reading.take(), reading.refusals) == (number, 1)


def test_pages_that_are_more_than_the_jobs_on_them_are_not_read() -> None:
    reading = reading_of("a", "b")
    reading.take()
    reading.read(page(4))
    assert reading.over
    assert reading.partial


def test_when_all_are_seen_the_rest_is_not_read() -> None:
    reading = reading_of(*"abcdef")
    reading.take()
    reading.read(page(5))
    reading.take()
    reading.unseen.clear()
    reading.read(page(5))
    assert reading.over


def test_large_pages_first_then_small_ones_then_none() -> None:
    job_list = JobList()
    assert job_list.request(reading_of(), 1).query["page_size"] == "100"
    job_list.failed(RequestError("too large"), now=0.0)
    assert job_list.request(reading_of(), 1).query["page_size"] == "10"
    assert job_list.usable(0.0)
    job_list.failed(RequestError("no such path"), now=0.0)
    assert not job_list.usable(1e12)


def test_after_errors_it_is_not_used_for_longer_and_longer() -> None:
    job_list = JobList()
    for rest in (2, 4, 8):
        job_list.failed(ServerError("m"), now=100.0)
        assert not job_list.usable(100.0 + rest - 0.1)
        assert job_list.usable(100.0 + rest)
    job_list.failed(ThrottledError("m", retry_after=500), now=100.0)
    assert not job_list.usable(599.0)


def test_the_pages_of_the_last_reading_are_expected_for_a_while() -> None:
    job_list = JobList()
    assert job_list.pages("RUNNING", ours=0, now=0.0) == 1
    assert job_list.pages("RUNNING", ours=250, now=0.0) == 3
    read(job_list, at=0.0, pages=20)
    assert job_list.pages("RUNNING", ours=250, now=599.0) == 20
    assert job_list.pages("RUNNING", ours=2500, now=599.0) == 25
    assert job_list.pages("PENDING", ours=250, now=599.0) == 3
    assert job_list.pages("RUNNING", ours=250, now=600.0) == 3


def test_a_total_shows_that_nothing_happened_if_all_rows_are_ours() -> None:
    job_list, expected = JobList(), range(999, 1001)
    assert not read(job_list, at=0.0, expected=expected).is_unchanged
    assert read(job_list, at=1.0, expected=expected).is_unchanged
    assert read(job_list, at=2.0, expected=expected, total=999).is_unchanged
    assert not read(job_list, at=3.0, expected=expected, total=998).is_unchanged
    assert not read(job_list, at=4.0).is_unchanged
    # One row is of a job without a waiter.
    assert not read(job_list, at=5.0, total=1001).is_unchanged
    assert not read(job_list, at=6.0, expected=expected).is_unchanged


def test_now_and_then_all_is_read() -> None:
    job_list, expected = JobList(), range(1000, 1001)
    read(job_list, at=0.0)
    unchanged = [read(job_list, at=0.0, expected=expected).is_unchanged for _ in range(18)]
    assert unchanged == [True] * 16 + [False, True]


@pytest.mark.parametrize(("due", "cheaper"), [(1, False), (2, True), (100, True)])
def test_more_jobs_due_than_pages_are_worth_a_reading(due: int, cheaper: bool) -> None:
    agenda = Agenda()
    for number in range(due):
        agenda.put(str(number), 3.9)
    for number in range(20):
        agenda.put(f"later{number}", 4.1)
    assert JobList().is_cheaper("RUNNING", agenda, PollPolicy(), now=0.0) is cheaper
    assert not JobList().is_cheaper("RUNNING", Agenda(), PollPolicy(), now=0.0)


def test_how_soon_it_is_read_again() -> None:
    job_list = JobList()

    def pause(backlog: float = 0.0, per_second: float = 18.0) -> float:
        return job_list.next_reading(
            "RUNNING", PollPolicy(), ours=1000, backlog=backlog, per_second=per_second, now=10.0
        )

    assert pause() == -math.inf
    read(job_list, at=10.0)
    assert pause() - 10 == 3
    assert pause(per_second=2.0) - 10 == pytest.approx(9 / 0.7)
    # What it shows would wait for those that are known to have ended.
    assert pause(backlog=2.9) - 10 == 3
    assert pause(backlog=3.1) - 10 == 15


def test_many_ends_are_looked_for_again_sooner() -> None:
    job_list = JobList()
    read(job_list, at=10.0, backlog=0.9)
    assert job_list.again_at == math.inf
    read(job_list, at=10.0, backlog=1.1)
    assert job_list.again_at <= 10.0
    job_list.begin("PENDING", {}, now=13.0)
    assert job_list.again_at <= 10.0
    job_list.begin("RUNNING", {}, now=13.0)
    assert job_list.again_at == math.inf


def test_a_list_that_stands_still_is_not_used_for_a_while() -> None:
    job_list = JobList()
    job_list.stands_still(now=0.0)
    assert not job_list.usable(599.0)
    assert job_list.usable(600.0)
