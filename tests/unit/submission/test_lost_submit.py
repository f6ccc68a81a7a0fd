"""The job of a lost submit, in a list that may be late, incomplete or wrong, by clocks that differ."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from hostile_service import HostileService, InProcessClient, Job, ListLie, VirtualTime
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import OutcomeUnknownError
from airflow_provider_videoretalk.dashscope.service_clock import TimeSpan
from airflow_provider_videoretalk.dashscope.task_list import list_tasks
from airflow_provider_videoretalk.submission.lost_submit import find_lost_submit
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry
from airflow_provider_videoretalk.submission.unknown_outcome import DoubtError

ENDPOINT = Endpoint(api_key="sk-x", base_url="https://service.example/api/v1")
INTENT = Intent(
    task_instance="dag/run/retalk/-1",
    connection_id="c",
    fingerprint="f",
    model="videoretalk",
    clear_count=ClearCount(max_tries=1, clear_number=0),
    account_id="a",
)


class Account:
    """A worker whose clock may differ, its registry, and the service.

    :param skew: seconds by which the worker's clock is ahead
    :param offset: seconds by which the service's clock is ahead
    """

    def __init__(self, *, skew: float = 0.0, offset: float = 0.0, **service: Any) -> None:
        self.time = VirtualTime()
        self.skew = skew
        self.service = HostileService(self.time, random.Random(1), offset=offset, **service)
        self.registry = SubmissionRegistry(TaskStateStore(), clock=self.clock)

    def clock(self) -> float:
        return self.time() + self.skew

    def client(self) -> InProcessClient:
        return InProcessClient(self.service, ENDPOINT, clock=self.clock)

    def intend(self, name: str = "mine", **changes: Any) -> Record:
        """A submit that is about to be sent, as it is recorded."""
        client = self.client()
        client.send(list_tasks(page_size=1))
        intent = replace(INTENT, task_instance=name, fingerprint=name, **changes)
        record = Record(intent=intent, intended_at=self.clock(), service_time=client.service_clock.at(self.clock()))
        self.registry.write(record)
        return record

    def submit(self, name: str, **changes: Any) -> Job:
        """A submit of this Airflow whose job is known."""
        record = self.intend(name, **changes)
        job = self.service.create(name)
        self.time.sleep(0.3)
        self.registry.write(replace(record, task_id=job.task_id, submitted_at=self.clock()))
        return job

    def find(self, lost: Record) -> str | None:
        found = find_lost_submit(
            cast("Client", self.client()), lost, self.registry, now=self.clock(), sleep=self.time.sleep
        )
        return found.task_id if found else None


CLOCKS = [(0, 0), (60, 0), (-60, 0), (0, 60), (0, -3600), (-300, 300)]


@pytest.mark.parametrize(("skew", "offset"), CLOCKS)
def test_a_job_is_found_whatever_the_clocks_say(skew: float, offset: float) -> None:
    account = Account(skew=skew, offset=offset)
    lost = account.intend()
    job = account.service.create("mine")
    account.time.sleep(70)
    assert account.find(lost) == job.task_id


@pytest.mark.parametrize(("skew", "offset"), CLOCKS)
def test_that_there_is_none_is_proved_by_a_job_that_is_shown(skew: float, offset: float) -> None:
    account = Account(skew=skew, offset=offset)
    account.submit("earlier")
    account.time.sleep(60)
    lost = account.intend()
    for _ in range(5):
        account.time.sleep(110)
        with pytest.raises(DoubtError, match="does not show its render job yet"):
            account.find(lost)
    account.time.sleep(110)
    assert account.find(lost) is None


@pytest.mark.parametrize("submitter", [-300.0, -50.0, 0.0, 10.0, 300.0])
@pytest.mark.parametrize("searcher", [-300.0, 0.0, 300.0])
def test_another_worker_with_another_clock_finds_the_job(submitter: float, searcher: float) -> None:
    account = Account(skew=submitter)
    account.submit("earlier")
    account.time.sleep(60)
    lost = account.intend()
    job = account.service.create("mine")
    account.skew = searcher
    for _ in range(10):
        account.time.sleep(70)
        # Never None, which would submit again.
        assert account.find(lost) == job.task_id


@pytest.mark.parametrize("submitter", [-300.0, -50.0, 0.0, 10.0, 300.0])
@pytest.mark.parametrize("searcher", [-300.0, 0.0, 300.0])
def test_another_clock_makes_no_late_list_a_proof(submitter: float, searcher: float) -> None:
    account = Account(skew=submitter)
    account.submit("earlier")
    account.time.sleep(60)
    lost = account.intend()
    account.service.lag = lambda: 590.0
    job = account.service.create("mine")
    account.skew = searcher
    account.time.sleep(60)
    for _ in range(5):
        with pytest.raises(DoubtError):
            account.find(lost)
        account.time.sleep(100)
    account.time.sleep(40)
    assert account.find(lost) == job.task_id


def test_a_search_reads_each_record_of_a_known_job_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading is a request to Airflow, and to its secrets backend, which may cost money."""
    account = Account()
    for number in range(30):
        account.submit(f"earlier{number}")
    account.time.sleep(60)
    lost = account.intend()
    account.time.sleep(700)
    read: list[str] = []
    get = TaskStateStore.get
    monkeypatch.setattr(TaskStateStore, "get", lambda store, key, *others: read.append(key) or get(store, key, *others))
    assert account.find(lost) is None
    assert len(set(read)) == 31
    assert len(read) == 30 + 3, "the lost submit itself may get its job's id meanwhile"


@pytest.mark.parametrize("lag", [30, 90, 500, 1e9])
def test_a_late_list_is_never_taken_for_a_proof(lag: float) -> None:
    account = Account(lag=lambda: lag)
    account.submit("earlier")
    account.time.sleep(60)
    lost = account.intend()
    account.service.create("mine")
    outcome = decided(account, lost)
    if lag < 1e9:
        assert outcome == "t1-mine"
    else:
        assert "shows neither its render job nor t0-earlier, which exists" in str(outcome)


def decided(account: Account, lost: Record) -> str | OutcomeUnknownError | None:
    """The outcome of looking every half minute."""
    for _ in range(40):
        account.time.sleep(30)
        try:
            return account.find(lost)
        except DoubtError:
            continue
        except OutcomeUnknownError as error:
            return error
    raise AssertionError("nothing was decided")


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("empty", "shows neither its render job nor t10-other, which exists"),
        ("stale", "shows neither its render job nor t10-other, which exists"),
        ("one_page", "page 2 repeats the rows of earlier pages"),
        ("huge_totals", "it claims 1000000000 rows, and shows 11"),
        ("bad_ids", "rows have no usable id"),
    ],
)
def test_a_list_that_lies_proves_nothing(lie: ListLie, reason: str) -> None:
    account = Account()
    for _ in range(11):
        account.submit("other")
    lost = account.intend()
    # Younger than what a stale list shows.
    account.time.sleep(910 if lie != "stale" else 700)
    account.service.lie = lie
    with pytest.raises((OutcomeUnknownError, DoubtError), match=reason):
        account.find(lost)
    account.service.lie = None
    assert account.find(lost) is None


@pytest.mark.parametrize("lie", ["no_totals", "oldest_first", "whole_seconds", "no_models", "huge_totals", None])
def test_the_job_is_found_on_any_page(lie: ListLie | None) -> None:
    account = Account()
    for number in range(15):
        account.submit(f"before{number}")
    lost = account.intend()
    job = account.service.create("mine")
    for number in range(15):
        account.submit(f"after{number}")
    account.time.sleep(100)
    account.service.lie = lie
    before = account.service.requests
    assert account.find(lost) == job.task_id
    assert account.service.requests - before < 10


def test_no_server_side_filter_is_used_and_the_pages_are_bounded() -> None:
    account = Account()
    for _ in range(1200):
        account.service.create(None)
    account.time.sleep(500)
    lost = account.intend()
    # Unordered rows without a time end nowhere.
    account.service.lie = "no_times"
    account.time.sleep(700)
    before = account.service.requests
    with pytest.raises(OutcomeUnknownError, match="may be its job"):
        account.find(lost)
    assert account.service.requests - before <= 101


def test_nothing_is_proved_where_nothing_is_known() -> None:
    account = Account()
    lost = account.intend()
    account.time.sleep(1000)
    with pytest.raises(OutcomeUnknownError, match="nor any other that is known to exist") as caught:
        account.find(lost)
    assert "clear the task to submit again" in caught.value.remedy
    account.submit("later")
    account.time.sleep(400)
    assert account.find(lost) is None


def test_a_known_job_of_another_account_proves_nothing() -> None:
    account = Account()
    account.submit("elsewhere", connection_id="d", account_id="b")
    lost = account.intend()
    account.time.sleep(1000)
    with pytest.raises(OutcomeUnknownError, match="nor any other that is known to exist"):
        account.find(lost)


def test_rows_whose_times_disagree_with_the_date_are_doubt() -> None:
    account = Account()
    account.submit("earlier")
    account.time.sleep(60)
    lost = account.intend()
    account.service.create("mine")
    account.time.sleep(1000)
    account.service.lie = "shifted_times"
    with pytest.raises(OutcomeUnknownError, match=r"the times do not tell: t1-mine \(SUCCEEDED, created 2025-06-15"):
        account.find(lost)


def test_a_list_whose_times_are_early_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first page looks old enough, and the job is on the second one."""
    account = Account()
    account.submit("earlier")
    account.time.sleep(60)
    lost = account.intend()
    mine = account.service.create("mine")
    for _ in range(15):
        account.time.sleep(2)
        account.submit("later")
    account.time.sleep(1000)
    row: Callable[..., dict[str, Any]] = account.service._row

    def two_hours_early(*arguments: Any) -> dict[str, Any]:
        found = row(*arguments)
        return found | {"gmt_create": found["gmt_create"] - 7_200_000}

    monkeypatch.setattr(account.service, "_row", two_hours_early)
    with pytest.raises(OutcomeUnknownError, match=f"the times do not tell: {mine.task_id}"):
        account.find(lost)


def test_without_a_date_only_a_list_without_unknown_jobs_decides() -> None:
    account = Account(has_date=False)
    account.submit("earlier")
    account.time.sleep(60)
    lost = account.intend()
    assert lost.service_time is None
    account.time.sleep(1000)
    assert account.find(lost) is None
    account.service.create(None)
    with pytest.raises(OutcomeUnknownError, match="the times do not tell: t1-other"):
        account.find(lost)


def test_candidates_are_named_with_what_to_do() -> None:
    account = Account()
    lost = account.intend()
    account.service.create("mine")
    account.time.sleep(1)
    account.service.create(None)
    account.time.sleep(300)
    with pytest.raises(OutcomeUnknownError, match="these 2 render jobs") as caught:
        account.find(lost)
    for job in ("t0-mine (SUCCEEDED, created 2025-06-15 15:06:4", "t1-other (SUCCEEDED, created 2025-06-15 15:06:4"):
        assert job in caught.value.message
    for remedy in ("DashScopeTaskSensor", "Cancel one that nobody needs", "Clear the task only if none"):
        assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("rival", "is_rival"),
    [
        ({}, True),
        ({"connection_id": "d"}, True),
        ({"connection_id": "d", "account_id": "b"}, False),
        ({"account_id": "rotated"}, True),
    ],
)
def test_another_lost_submit_of_the_account_is_a_rival(rival: dict[str, Any], is_rival: bool) -> None:
    account = Account()
    lost = account.intend()
    job = account.service.create("mine")
    account.time.sleep(5)
    account.intend("rival", **rival)
    account.time.sleep(30)
    if not is_rival:
        assert account.find(lost) == job.task_id
        return
    with pytest.raises(DoubtError, match="1 other submits on this account are lost too"):
        account.find(lost)
    account.time.sleep(300)
    with pytest.raises(OutcomeUnknownError, match=f"1 other submits on this account are lost too.*{job.task_id}"):
        account.find(lost)


def test_a_key_whose_jobs_the_list_shows_is_of_the_same_account() -> None:
    account = Account()
    account.submit("known", connection_id="d", account_id="second key")
    account.time.sleep(60)
    lost = account.intend()
    account.service.create("mine")
    account.intend("rival", connection_id="d", account_id="second key")
    account.time.sleep(300)
    with pytest.raises(OutcomeUnknownError, match="1 other submits on this account"):
        account.find(lost)


def test_a_job_that_is_submitted_during_the_search_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account()
    lost = account.intend()
    account.time.sleep(20)
    answer: Callable[..., Any] = account.service.answer

    def submits_first(request: Any) -> Any:
        monkeypatch.setattr(account.service, "answer", answer)
        account.submit("other")
        return answer(request)

    monkeypatch.setattr(account.service, "answer", submits_first)
    with pytest.raises(DoubtError):
        account.find(lost)


def test_a_request_that_a_gateway_delivers_late_is_doubt() -> None:
    account = Account()
    account.submit("earlier")
    account.time.sleep(60)
    lost = account.intend()
    account.time.sleep(300)
    account.service.create("mine")
    account.time.sleep(700)
    with pytest.raises(OutcomeUnknownError, match=r"later render jobs .* t1-mine"):
        account.find(lost)


def test_a_late_job_that_another_lost_submit_has_found_is_doubt() -> None:
    """Whose it is cannot be told. The other one has the video; this one must not buy a second one of its own."""
    account = Account()
    account.submit("earlier")
    account.time.sleep(60)
    lost = account.intend()
    account.time.sleep(200)
    other = account.intend("other")
    job = account.service.create("mine")
    account.registry.write(replace(other, task_id=job.task_id, submitted_at=other.intended_at))
    account.time.sleep(1000)
    with pytest.raises(OutcomeUnknownError, match=r"later render jobs .* t1-mine"):
        account.find(lost)


def test_a_row_that_no_query_knows_is_doubt() -> None:
    account = Account(query_fails=1e-9)
    lost = account.intend()
    account.service.create("mine")
    account.time.sleep(1000)
    account.service.query_fails = 1.0
    account.service.random = random.Random(3)
    with pytest.raises((OutcomeUnknownError, DoubtError), match=r"t0-mine|cannot be queried"):
        account.find(lost)


def test_a_list_that_is_away_is_waited_for() -> None:
    account = Account()
    account.submit("earlier")
    lost = account.intend()
    account.time.sleep(5000)
    account.service.lie = "away"
    with pytest.raises(DoubtError, match="the service's list cannot be read: away"):
        account.find(lost)


def test_records_of_that_time_must_be_readable() -> None:
    account = Account()
    account.submit("earlier")
    lost = account.intend()
    account.time.sleep(1000)
    key = f"dashscope_submission_{'0' * 16}_{'0' * 16}_{int((lost.intended_at - 3600) * 1000)}"
    account.registry.store.set(key, "damaged")
    assert account.find(lost) is None, "that one is of another time"
    key = f"dashscope_submission_{'0' * 16}_{'0' * 16}_{int((lost.intended_at + 5) * 1000)}"
    account.registry.store.set(key, "damaged")
    with pytest.raises(OutcomeUnknownError, match=f"cannot be read: {key}"):
        account.find(lost)


def test_the_registry_must_still_know_that_time() -> None:
    account = Account()
    account.submit("earlier")
    lost = account.intend()
    account.time.sleep(6 * 3600 - 600 - 60)
    assert account.find(lost) is None
    account.time.sleep(120)
    with pytest.raises(OutcomeUnknownError, match="too long ago"):
        account.find(lost)


def test_the_time_of_a_record_without_the_services_is_estimated() -> None:
    account = Account(offset=60)
    lost = replace(account.intend(), service_time=None)
    job = account.service.create("mine")
    account.time.sleep(100)
    assert account.find(lost) == job.task_id
    wrong = TimeSpan(earliest=lost.intended_at - 90, latest=lost.intended_at - 88)
    with pytest.raises(OutcomeUnknownError, match="the times do not tell"):
        account.find(replace(lost, service_time=wrong))
