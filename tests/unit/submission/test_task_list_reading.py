"""What one reading of the service's list shows, and where it ends."""

from __future__ import annotations

from typing import Any, cast

import pytest

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.errors import RequestError, TransportError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task_list import TaskPage
from airflow_provider_videoretalk.submission.list_reading import ListReading, read_task_list

NOW = 1_750_000_000.0


class Pages:
    """A list of pages. A row is the seconds since it was created, ``None`` for one without a time or ``bad`` id."""

    def __init__(self, *pages: list[float | str | None] | Exception, total: int | None = None) -> None:
        self.pages, self.total = pages, total
        self.asked: list[dict[str, str]] = []
        self._names: dict[float, str] = {}

    def send(self, request: Request[Any]) -> Any:
        self.asked.append(dict(request.query))
        number = int(request.query["page_no"])
        page = self.pages[number - 1] if number <= len(self.pages) else []
        if isinstance(page, Exception):
            raise page
        rows = [self._row(age, f"p{number}-{place}") for place, age in enumerate(page)]
        return request.parse({"data": rows, **({} if self.total is None else {"total": self.total})})

    def _row(self, age: float | str | None, name: str) -> dict[str, Any]:
        if isinstance(age, str):
            return {"task_id": "../x"}
        if age is None:
            return {"task_id": name}
        return {"task_id": name, "gmt_create": round((NOW - age) * 1000)}

    def read(self, *, since: float = 1000.0) -> ListReading:
        """
        :param since: seconds before now
        """
        return read_task_list(cast("Client", self), since=NOW - since)


def ages(first: int, last: int) -> list[float | str | None]:
    return [float(age) for age in range(first, last)]


def test_it_is_read_to_its_end() -> None:
    pages = Pages(ages(0, 10), ages(10, 13), total=13)
    reading = pages.read()
    assert len(reading.rows) == 13
    assert (reading.unreadable, reading.gap, reading.total) == (0, "", 13)
    assert (reading.is_partial, reading.is_short) == (False, False)
    assert pages.asked == [{"page_no": number, "page_size": "10"} for number in ("1", "2", "3")]


@pytest.mark.parametrize(("total", "is_short"), [(13, False), (14, True)])
def test_a_list_that_claims_more_rows_is_short(total: int, is_short: bool) -> None:
    """One of the rows has no usable id, and counts."""
    reading = Pages([*ages(0, 12), "bad"], total=total).read()
    assert (len(reading.rows), reading.unreadable, reading.is_short) == (12, 1, is_short)


@pytest.mark.parametrize(("last", "pages"), [(1000.0, 3), (1000.001, 2)])
def test_it_ends_at_rows_that_are_old_enough(last: float, pages: int) -> None:
    service = Pages(ages(0, 10), [*ages(10, 19), last], ages(2000, 2001), total=21)
    reading = service.read()
    assert len(service.asked) == pages
    assert (reading.is_partial, reading.is_short, reading.gap, reading.total) == (True, False, "", None)


@pytest.mark.parametrize(
    ("page", "pages"),
    [
        ([500.0, 499.0, 2000.0], 1),
        ([500.0, 498.999, 2000.0], 3),
        ([500.0, None, 2000.0], 3),
        ([2000.0, None], 3),
        # The row without an id may be younger. The next page shows that all are old.
        ([500.0, 2000.0, "bad"], 2),
    ],
)
def test_a_list_in_another_order_is_read_to_its_end(page: list[float | str | None], pages: int) -> None:
    """Rows of one second may be in any order. The third page is empty."""
    service = Pages(page, ages(2001, 2003))
    assert service.read().is_partial is (pages < 3)
    assert len(service.asked) == pages


def test_what_is_out_of_order_once_stays_so() -> None:
    service = Pages([500.0, 100.0], [2000.0, 2001.0])
    assert not service.read().is_partial
    assert len(service.asked) == 3


@pytest.mark.parametrize(("first", "gap", "total"), [(10, "page 2 was refused: no such page", None), (9, "", 40)])
def test_a_page_behind_the_last_one_may_be_refused(first: int, gap: str, total: int | None) -> None:
    reading = Pages(ages(0, first), RequestError("no such page"), total=40).read()
    assert (len(reading.rows), reading.gap, reading.total) == (first, gap, total)


def test_rows_without_an_id_fill_a_page_too() -> None:
    reading = Pages([*ages(0, 9), "bad"], RequestError("no such page")).read()
    assert (reading.unreadable, reading.gap) == (1, "page 2 was refused: no such page")


@pytest.mark.parametrize("error", [RequestError("no list"), TransportError("away")])
def test_without_its_first_page_there_is_no_list(error: Exception) -> None:
    with pytest.raises(type(error)):
        Pages(error).read()
    with pytest.raises(TransportError):
        Pages(ages(0, 10), TransportError("away")).read()


def test_pages_that_repeat_are_a_gap() -> None:
    class Repeating(Pages):
        def _row(self, age: float | str | None, name: str) -> dict[str, Any]:
            return super()._row(age, name.partition("-")[2])

    service = Repeating(ages(0, 10), ages(0, 10), total=20)
    reading = service.read()
    assert (len(reading.rows), reading.gap, reading.total) == (10, "page 2 repeats the rows of earlier pages", None)
    assert (len(service.asked), reading.is_partial) == (2, False)


def test_a_hundred_pages_are_read() -> None:
    service = Pages(*[[None] for _ in range(200)])
    reading = service.read()
    assert (len(service.asked), len(reading.rows)) == (100, 100)
    assert (reading.gap, reading.total) == ("it has more than 100 pages, of which no more were read", None)


@pytest.mark.parametrize("data", [None, "", "t1", {}, {"task_id": "t1"}, 0])
def test_a_page_without_a_list_of_rows_is_no_empty_page(data: Any) -> None:
    """It would prove that there is no job."""
    with pytest.raises(ValueError, match="data is no list"):
        TaskPage.parse({"data": data})
