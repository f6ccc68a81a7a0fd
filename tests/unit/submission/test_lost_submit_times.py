"""The times by which a lost submit is decided, each a millisecond before and after its limit.

All times are seconds after the submit. The clocks agree, and the list shows what the test names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.errors import (
    DashScopeError,
    OutcomeUnknownError,
    RequestError,
    TransportError,
)
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.service_clock import TimeSpan
from airflow_provider_videoretalk.submission.lost_submit import find_lost_submit
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry
from airflow_provider_videoretalk.submission.unknown_outcome import DoubtError

SENT = 1_750_000_000.0


class Service:
    """It knows the jobs of its rows, and ``exists``. It is its own exact clock."""

    def __init__(
        self, rows: Mapping[str, float | None], *, exists: tuple[str, ...] = (), has_date: bool = True
    ) -> None:
        self.rows, self.known, self.has_date = rows, {*rows, *exists}, has_date
        self.pages = 0

    @property
    def service_clock(self) -> Service:
        return self

    def at(self, moment: float) -> TimeSpan | None:
        return TimeSpan(earliest=moment, latest=moment) if self.has_date else None

    def send(self, request: Request[Any]) -> Any:
        if request.path != "tasks":
            task_id = request.path.partition("/")[2]
            status = "SUCCEEDED" if task_id in self.known else "UNKNOWN"
            return request.parse({"request_id": "q", "output": {"task_id": task_id, "task_status": status}})
        self.pages += 1
        rows = [
            {"task_id": name, "model_name": "m", **({} if at is None else {"gmt_create": round((SENT + at) * 1000)})}
            for name, at in sorted(self.rows.items(), key=lambda row: -(row[1] or 0.0))
        ]
        first = 10 * (int(request.query["page_no"]) - 1)
        return request.parse({"data": rows[first : first + 10], "total": len(rows)})


def record(name: str, at: float, *, took: float | None = None, is_dated: bool = True) -> Record:
    """
    :param took: seconds until the service's reply; ``None`` if the outcome is unknown
    """
    sent = SENT + at
    intent = Intent(
        task_instance=name,
        connection_id="c",
        fingerprint=name,
        model="m",
        clear_count=ClearCount(max_tries=1, clear_number=0),
        account_id="a",
    )
    known = {} if took is None else {"task_id": name, "submitted_at": sent + took}
    return Record(
        intent=intent,
        intended_at=sent,
        service_time=TimeSpan(earliest=sent, latest=sent) if is_dated else None,
        **known,
    )


def outcome(
    service: Service,
    *records: Record,
    age: float,
    is_dated: bool = True,
    reconcile_seconds: float = 0.0,
    slept: list[float] | None = None,
) -> str:
    """The job that is found, ``none`` if it is proved that there is none, ``later`` or ``unknown``.

    :param is_dated: whether the record of the lost submit has the service's time
    """
    lost = record("lost", 0.0, is_dated=is_dated)
    registry = SubmissionRegistry(TaskStateStore())
    for each in (lost, *records):
        registry.write(each)
    try:
        found = find_lost_submit(
            cast("Client", service),
            lost,
            registry,
            now=SENT + age,
            reconcile_seconds=reconcile_seconds,
            sleep=([] if slept is None else slept).append,
        )
    except DoubtError:
        return "later"
    except OutcomeUnknownError:
        return "unknown"
    return found.task_id if found else "none"


KNOWN = record("known", -400.0, took=0.5)


@pytest.mark.parametrize(
    ("age", "is_dated", "reconcile_seconds", "expected"),
    [
        (599.999, True, 0.0, "later"),
        (600.0, True, 0.0, "none"),
        (899.999, True, 900.0, "later"),
        (900.0, True, 900.0, "none"),
        # Another worker's clock may differ by ten seconds.
        (609.999, False, 0.0, "later"),
        (610.0, False, 0.0, "none"),
    ],
)
def test_absence_counts_ten_minutes_after_the_submit(
    age: float, is_dated: bool, reconcile_seconds: float, expected: str
) -> None:
    service = Service({"known": -400.0})
    assert outcome(service, KNOWN, age=age, is_dated=is_dated, reconcile_seconds=reconcile_seconds) == expected


def test_absence_is_read_three_times() -> None:
    service = Service({"known": -400.0})
    slept: list[float] = []
    assert outcome(service, KNOWN, age=700.0, slept=slept) == "none"
    # The second page is the empty one.
    assert (service.pages, slept) == (6, [3.0, 3.0])


@pytest.mark.parametrize(
    ("created", "has_known", "expected"),
    [
        (-1.0, True, "row"),
        (-1.001, True, "unknown"),
        (-11.0, True, "unknown"),
        (-11.001, True, "later"),
        (90.0, True, "row"),
        (90.001, True, "unknown"),
        (100.0, True, "unknown"),
        (100.001, True, "later"),
        # No row shows that its times are the service's.
        (-1.0, False, "row"),
        (-61.0, False, "unknown"),
        (-61.001, False, "later"),
        (90.0, False, "row"),
        (150.0, False, "unknown"),
        (150.001, False, "later"),
        (None, True, "unknown"),
    ],
)
def test_which_rows_may_be_the_job(created: float | None, has_known: bool, expected: str) -> None:
    """The service creates it within 90 s: the record is written, and the POST given up 70 s later."""
    known = {"known": -400.0} if has_known else {}
    assert outcome(Service({"row": created, **known}), *[KNOWN][: len(known)], age=300.0) == expected


@pytest.mark.parametrize(
    ("created", "expected"),
    [(-11.0, "row"), (-11.001, "unknown"), (100.0, "row"), (100.001, "unknown"), (-500.0, "unknown")],
)
def test_the_time_of_an_undated_record_is_estimated(created: float, expected: str) -> None:
    assert outcome(Service({"row": created}), age=300.0, is_dated=False) == expected


def test_no_time_is_estimated_without_a_date() -> None:
    assert outcome(Service({"row": 20.0}, has_date=False), age=300.0, is_dated=False) == "unknown"


@pytest.mark.parametrize(("age", "expected"), [(159.999, "later"), (160.0, "unknown")])
def test_a_doubt_without_a_date_may_pass_while_a_post_is_under_way(age: float, expected: str) -> None:
    """That age is less exact by ten seconds, too."""
    assert outcome(Service({"row": 20.0}, has_date=False), age=age, is_dated=False) == expected


@pytest.mark.parametrize(("age", "expected"), [(149.999, "later"), (150.0, "unknown")])
def test_two_candidates_are_a_doubt_that_may_pass_while_a_post_is_under_way(age: float, expected: str) -> None:
    assert outcome(Service({"one": 10.0, "two": 20.0}), age=age) == expected


@pytest.mark.parametrize(
    ("took", "created", "expected"),
    [
        (2.0, -410.0, "row"),
        (2.0, -410.001, "unknown"),
        (2.0, -388.0, "row"),
        (2.0, -387.999, "unknown"),
        (0.5, -389.5, "row"),
        (0.5, -389.499, "unknown"),
        # A job that was found in the list has no time of a reply.
        (0.0, -300.0, "row"),
        (0.0, -299.999, "unknown"),
    ],
)
def test_how_exactly_a_known_row_must_agree_with_the_date(took: float, created: float, expected: str) -> None:
    known = record("known", -400.0, took=took)
    assert outcome(Service({"row": 50.0, "known": created}), known, age=300.0) == expected


def test_one_row_that_disagrees_is_enough() -> None:
    later = record("later", -200.0, took=0.5)
    rows = {"row": 50.0, "known": -500.0, "later": -200.0}
    assert outcome(Service(rows), KNOWN, later, age=300.0) == "unknown"
    assert outcome(Service({**rows, "known": None}), KNOWN, later, age=300.0) == "row"
    assert outcome(Service(rows), record("known", -400.0, took=0.5, is_dated=False), later, age=300.0) == "row"


@pytest.mark.parametrize(
    ("at", "is_dated", "expected"),
    [
        # A row at 50 s, by exact times: a second earlier than the submit, and ten more for the clocks.
        (61.0, True, "unknown"),
        (61.001, True, "row"),
        (-50.0, True, "unknown"),
        (-50.001, True, "row"),
        (599.999, False, "unknown"),
        (600.0, False, "row"),
        (-599.999, False, "unknown"),
        (-600.0, False, "row"),
    ],
)
def test_which_other_lost_submits_are_rivals(at: float, is_dated: bool, expected: str) -> None:
    rival = record("rival", at, is_dated=is_dated)
    assert outcome(Service({"row": 50.0, "known": -400.0}), KNOWN, rival, age=700.0) == expected


class DamagedList(Service):
    """Its first page has a row without an id, or its second page is refused."""

    def __init__(self, rows: Mapping[str, float | None], *, damage: str) -> None:
        super().__init__(rows)
        self.damage = damage

    def send(self, request: Request[Any]) -> Any:
        answer = super().send(request)
        if request.path != "tasks":
            return answer
        if self.damage == "a refused page" and request.query["page_no"] == "2":
            raise RequestError("no such page")
        return replace(answer, unreadable=int(self.damage == "a row without an id" and bool(answer.rows)))


@pytest.mark.parametrize(
    ("damage", "expected"), [("none", "row"), ("a row without an id", "unknown"), ("a refused page", "unknown")]
)
def test_a_list_that_may_hide_another_row_decides_nothing(damage: str, expected: str) -> None:
    rows = {"row": 50.0, "known": -400.0, **{f"old-{number}": -500.0 - number for number in range(8)}}
    assert outcome(DamagedList(rows, damage=damage), KNOWN, age=300.0) == expected
    # Nor does it prove that there is none.
    del rows["row"]
    rows["last"] = -600.0
    proved = "none" if damage == "none" else "later"
    assert outcome(DamagedList(rows, damage=damage), KNOWN, age=700.0) == proved


def test_another_try_of_the_same_video_is_no_rival() -> None:
    again = record("again", 5.0)
    same = replace(again, intent=replace(again.intent, task_instance="lost", fingerprint="lost"))
    assert outcome(Service({"row": 50.0}), same, age=300.0) == "row"


@pytest.mark.parametrize(("age", "expected"), [(599.999, "later"), (600.0, "unknown")])
def test_a_row_that_no_query_knows_may_come_right(age: float, expected: str) -> None:
    service = Service({"row": 50.0})
    service.known.clear()
    assert outcome(service, age=age) == expected


@pytest.mark.parametrize(
    ("error", "kind"), [(RequestError("no such route"), OutcomeUnknownError), (TransportError("away"), DoubtError)]
)
def test_a_row_that_cannot_be_queried_is_named(error: DashScopeError, kind: type[Exception]) -> None:
    """With what to do, or to be queried later."""

    class Refusing(Service):
        def send(self, request: Request[Any]) -> Any:
            if request.path != "tasks":
                raise error
            return super().send(request)

    lost, registry = record("lost", 0.0), SubmissionRegistry(TaskStateStore())
    service = cast("Client", Refusing({"row": 50.0}))
    with pytest.raises(kind, match=f"render job row cannot be queried: {error.message}") as caught:
        find_lost_submit(service, lost, registry, now=SENT + 300, sleep=lambda _: None)
    if isinstance(caught.value, OutcomeUnknownError):
        assert ": row (" in caught.value.message
        assert "DashScopeTaskSensor" in caught.value.remedy


@pytest.mark.parametrize(("age", "expected"), [(899.999, "later"), (900.0, "unknown")])
def test_a_list_that_hides_a_job_may_come_right_in_five_minutes(age: float, expected: str) -> None:
    hidden = record("hidden", -20.0, took=0.5)
    assert outcome(Service({"known": -400.0}, exists=("hidden",)), KNOWN, hidden, age=age) == expected


def test_a_hidden_job_that_does_not_exist_hides_nothing() -> None:
    hidden = record("hidden", -20.0, took=0.5)
    assert outcome(Service({"known": -400.0}), KNOWN, hidden, age=900.0) == "none"


@pytest.mark.parametrize(
    ("created", "expected"), [(100.001, "unknown"), (690.0, "unknown"), (690.001, "none"), (-11.001, "none")]
)
def test_which_later_rows_may_be_a_late_delivery(created: float, expected: str) -> None:
    assert outcome(Service({"known": -400.0, "row": created}), KNOWN, age=1000.0) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        # The list may be late by five minutes, and the age is 1,000 s.
        (700.0, "none"),
        (699.999, "unknown"),
        # All of ten minutes before the submit count.
        (-600.0, "unknown"),
        (-600.001, "none"),
    ],
)
def test_which_known_jobs_the_list_must_show(at: float, expected: str) -> None:
    shown = [record(f"known-{number}", -100.0 - number, took=0.5) for number in range(4)]
    rows = {each.intent.task_instance: each.intended_at - SENT for each in shown}
    hidden = record("hidden", at, took=0.5)
    assert outcome(Service(rows, exists=("hidden",)), *shown, hidden, age=1000.0) == expected


@pytest.mark.parametrize(("place", "expected"), [(3, "unknown"), (4, "none")])
def test_the_last_three_jobs_before_must_be_shown(place: int, expected: str) -> None:
    known = [record(f"known-{number}", -1000.0 - number, took=0.5) for number in range(1, 7)]
    rows = {f"known-{number}": -1000.0 - number for number in range(1, 7) if number != place}
    assert outcome(Service(rows, exists=(f"known-{place}",)), *known, age=1000.0) == expected


@pytest.mark.parametrize(("last", "pages"), [(-1000.0, 2), (-1000.001, 1)])
def test_the_list_is_read_to_ten_minutes_before_all_it_must_show(last: float, pages: int) -> None:
    """The second page is read if the last row of the first one is not older than that."""
    rows = {"known": -400.0, **{f"old-{number}": -500.0 - number for number in range(8)}, "old": last, "older": -2000.0}
    service = Service(rows)
    assert outcome(service, KNOWN, age=600.0) == "none"
    assert service.pages == 3 * pages


def test_without_the_times_of_all_known_jobs_the_list_is_read_to_its_end() -> None:
    rows = {"known": -400.0, **{f"old-{number}": -3000.0 - number for number in range(29)}}
    service = Service(rows)
    assert outcome(service, record("known", -400.0, took=0.5, is_dated=False), age=600.0) == "none"
    assert service.pages == 3 * 4


@pytest.mark.parametrize(("age", "expected"), [(21_000.0, "none"), (21_000.001, "unknown")])
def test_records_are_kept_for_six_hours_less_ten_minutes(age: float, expected: str) -> None:
    assert outcome(Service({"known": -400.0}), KNOWN, age=age) == expected


@pytest.mark.parametrize(
    ("at", "expected"), [(600, "none"), (599.999, "unknown"), (-600, "none"), (-599.999, "unknown")]
)
def test_records_of_ten_minutes_around_the_submit_must_be_readable(at: float, expected: str) -> None:
    lost = record("lost", 0.0)
    registry = SubmissionRegistry(TaskStateStore())
    for each in (lost, KNOWN):
        registry.write(each)
    key = f"dashscope_submission_{'0' * 16}_{'0' * 16}_{round((SENT + at) * 1000)}"
    registry.store.set(key, "damaged")
    service = cast("Client", Service({"known": -400.0}))
    if expected == "none":
        assert find_lost_submit(service, lost, registry, now=SENT + 2000, sleep=lambda _: None) is None
    else:
        with pytest.raises(OutcomeUnknownError, match="records of the same time cannot be read"):
            find_lost_submit(service, lost, registry, now=SENT + 2000, sleep=lambda _: None)
