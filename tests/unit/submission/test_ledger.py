"""The order in which a submit is written down, with stores that fail in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.errors import StateReadError
from airflow_provider_videoretalk.dashscope.task import Submission, Task
from airflow_provider_videoretalk.job_history.facts import Submitted
from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.submission.ledger import Ledger
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record
from airflow_provider_videoretalk.submission.record_store import VolatileStore
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry
from airflow_provider_videoretalk.submission.submitted_fact import submitted_fact

KEY = "dashscope_submission"
NOW = 1_800_000_000.0
INTENT = Intent(
    task_instance="dag/run/retalk/-1",
    connection_id="c",
    fingerprint="f",
    model="videoretalk",
    clear_count=ClearCount(max_tries=1, clear_number=0),
)
CLEARED = replace(INTENT, clear_count=ClearCount(max_tries=3, clear_number=1))


class Journal(TaskStateStore):
    """A store that notes each write, and fails at one of them."""

    def __init__(self, name: str, writes: list[str], *, fails: str = "") -> None:
        super().__init__()
        self.name, self.writes, self.fails = name, writes, fails

    def set(self, key: str, value: Any) -> None:
        self._note("set")
        super().set(key, value)

    def delete(self, key: str) -> None:
        self._note("delete")
        super().delete(key)

    def _note(self, write: str) -> None:
        self.writes.append(f"{self.name} {write}")
        if self.fails == write:
            raise RuntimeError(f"{self.name} is away")


class Books:
    """A ledger over two stores that note their writes."""

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.state, self.variables = Journal("state", self.writes), Journal("variables", self.writes)

    def open(self) -> Ledger:
        """As a new try opens it."""
        return Ledger(self.state, SubmissionRegistry(self.variables, clock=lambda: NOW))

    @property
    def copies(self) -> list[Any]:
        return list(self.variables.values())


@pytest.fixture
def books() -> Books:
    return Books()


def test_the_intent_is_in_the_registry_before_it_is_in_the_store(books: Books) -> None:
    books.open().record_intent(INTENT, now=NOW)
    assert books.writes == ["variables set", "state set"]
    books.variables.fails = "set"
    books.state.clear()
    with pytest.raises(RuntimeError):
        books.open().record_intent(INTENT, now=NOW + 1)
    assert KEY not in books.state, "it would look like a lost POST"


def test_the_id_is_in_the_store_before_it_is_in_the_registry_and_always_in_both(books: Books) -> None:
    ledger = books.open()
    ledger.record_intent(INTENT, now=NOW)
    books.writes.clear()
    ledger.record_job(Submission(task_id="t1"), now=NOW + 1)
    assert books.writes == ["state set", "variables set"]
    books.state.fails = "set"
    with pytest.raises(RuntimeError):
        ledger.record_job(Submission(task_id="t2"), now=NOW + 2)
    assert [copy["task_id"] for copy in books.copies] == ["t2"]


def test_nothing_is_intended_that_could_not_be_read_back(books: Books) -> None:
    with pytest.raises(StateReadError, match=r"intent\.model"):
        books.open().record_intent(replace(INTENT, model=7), now=NOW)  # type: ignore[arg-type]
    assert books.writes == []


@pytest.mark.parametrize("odd", [7, ["r"], {"id": 1}])
def test_a_gateways_odd_request_id_does_not_spoil_the_record(books: Books, odd: Any) -> None:
    ledger = books.open()
    ledger.record_intent(INTENT, now=NOW)
    ledger.record_job(Submission(task_id="t1", request_id=odd), now=NOW)
    assert books.open().load(INTENT) == ledger.record


@pytest.mark.parametrize("seconds", [-3.0, float("inf"), float("nan"), 1e30])
def test_odd_numbers_of_the_service_do_not_spoil_the_record(books: Books, seconds: float) -> None:
    ledger = books.open()
    ledger.record_intent(INTENT, now=NOW)
    ledger.record_job(Submission(task_id="t1"), now=NOW)
    result: Any = {"task_id": "t1", "expires_at": None, "render_seconds": seconds, "billed_seconds": seconds}
    books.open().record_result(result)
    record = books.open().load(INTENT)
    assert record is not None
    assert (record.succeeded, record.ended, record.render_seconds, record.billed_seconds) == (True, True, None, None)
    assert record.result is not None


def test_a_withdrawn_intent_leaves_nothing(books: Books) -> None:
    ledger = books.open()
    ledger.record_intent(INTENT, now=NOW)
    ledger.withdraw()
    assert (ledger.record, dict(books.state), books.copies) == (None, {}, [])


@pytest.mark.parametrize("intent", [INTENT, CLEARED, replace(INTENT, fingerprint="other")])
def test_a_refusal_does_not_withdraw_an_earlier_submit_of_unknown_outcome(books: Books, intent: Intent) -> None:
    books.open().record_intent(INTENT, now=NOW)
    lost = books.open().load(INTENT)
    second = books.open()
    second.load(intent)
    second.record_intent(intent, now=NOW + 5)
    assert second.required.posts == 2
    second.withdraw()
    assert second.record == lost
    assert books.open().load(INTENT) == lost
    assert len(books.copies) == 1


def test_a_new_submit_after_a_known_one_is_the_first(books: Books) -> None:
    ledger = books.open()
    ledger.record_intent(INTENT, now=NOW)
    ledger.record_job(Submission(task_id="t1"), now=NOW)
    ledger.record_intent(INTENT, now=NOW + 5)
    assert ledger.required.posts == 1


@pytest.mark.parametrize("change", [{"connection_id": "d"}, {"fingerprint": "other"}])
def test_a_refused_replacement_does_not_forget_the_job_that_it_was_to_replace(books: Books, change: Any) -> None:
    """A person who takes the change back resumes the paid job."""
    first = books.open()
    first.record_intent(INTENT, now=NOW)
    first.record_job(Submission(task_id="t1"), now=NOW)
    second = books.open()
    second.load(replace(INTENT, **change))
    second.record_intent(replace(INTENT, **change), now=NOW + 5)
    second.withdraw()
    assert second.required.task_id == "t1"
    third = books.open()
    third.load(INTENT)
    assert third.required.task_id == "t1"


def test_the_copy_stands_in_only_after_a_clear(books: Books) -> None:
    ledger = books.open()
    ledger.record_intent(INTENT, now=NOW)
    ledger.record_job(Submission(task_id="t1"), now=NOW)
    books.state.clear()
    assert books.open().load(INTENT) is None, "a retry goes by its own store"
    assert books.open().load(CLEARED) == ledger.record


def id_after_a_store_that_fails(books: Books) -> str | None:
    """What the next try knows of a job whose id the store did not take."""
    ledger = books.open()
    ledger.record_intent(INTENT, now=NOW)
    books.state.fails = "set"
    with pytest.raises(RuntimeError):
        ledger.record_job(Submission(task_id="t1"), now=NOW)
    record = books.open().load(INTENT)
    assert record is not None
    return record.task_id


def test_the_copy_has_the_id_that_the_store_did_not_take(books: Books) -> None:
    assert id_after_a_store_that_fails(books) == "t1"


def test_the_copy_is_that_of_the_submit_and_not_the_latest(books: Books) -> None:
    """A try on a worker whose clock is ahead was killed between its two writes of an intent."""
    books.state.fails = "set"
    with pytest.raises(RuntimeError):
        books.open().record_intent(INTENT, now=NOW + 100)
    books.open().registry.write(Record(intent=INTENT, intended_at=NOW + 100))
    books.state.fails = ""
    assert id_after_a_store_that_fails(books) == "t1"


def test_a_resumed_record_belongs_to_the_new_try(books: Books) -> None:
    ledger = books.open()
    ledger.record_intent(INTENT, now=NOW)
    ledger.record_job(Submission(task_id="t1"), now=NOW)
    ledger.record_resumed(replace(CLEARED, fingerprint=None, expected_seconds=5.0))
    record = books.open().load(CLEARED)
    assert record is not None
    assert record.intent == replace(INTENT, clear_count=CLEARED.clear_count)


def test_a_resumed_record_that_the_store_did_not_take_is_found_by_the_next_try(books: Books) -> None:
    """The clear has deleted the store, and the copy of the clear before it is all that is left of the paid job."""
    ledger = books.open()
    ledger.record_intent(INTENT, now=NOW)
    ledger.record_job(Submission(task_id="t1"), now=NOW)
    books.state.clear()
    cleared = books.open()
    cleared.load(CLEARED)
    books.state.fails = "set"
    with pytest.raises(RuntimeError):
        cleared.record_resumed(CLEARED)
    record = books.open().load(CLEARED)
    assert record is not None
    assert record.task_id == "t1"


def test_an_intent_removes_old_copies(books: Books) -> None:
    old = Ledger(TaskStateStore(), SubmissionRegistry(books.variables, clock=lambda: NOW))
    old.record_intent(replace(INTENT, task_instance="old"), now=NOW - 6 * 3600 - 1)
    books.open().record_intent(INTENT, now=NOW)
    assert [copy["intent"]["task_instance"] for copy in books.copies] == ["dag/run/retalk/-1"]


@pytest.mark.parametrize("task_id", ["t1", "another"])
def test_only_the_end_of_its_own_job_is_recorded(books: Books, task_id: str) -> None:
    ledger = books.open()
    ledger.record_intent(INTENT, now=NOW)
    ledger.record_job(Submission(task_id="t1"), now=NOW)
    books.open().record_end(task_id)
    record = books.open().load(INTENT)
    assert record is not None
    assert (record.ended, record.succeeded) == (task_id == "t1", False)


def test_a_cancelled_job_is_in_the_history(books: Books) -> None:
    history = JobHistory(TaskStateStore(), clock=lambda: NOW)
    ledger = Ledger(books.state, SubmissionRegistry(books.variables, clock=lambda: NOW), history=history)
    ledger.record_intent(INTENT, now=NOW)
    ledger.record_job(Submission(task_id="t1"), now=NOW)
    ledger.record_cancelled("t1")
    (record,) = history.load(date(2026, 1, 1))
    assert record.ended is not None
    assert (record.job_id, record.ended.status) == ("t1", "CANCELED")


def test_a_result_is_in_the_history(books: Books) -> None:
    history = JobHistory(TaskStateStore(), clock=lambda: NOW)
    ledger = Ledger(books.state, SubmissionRegistry(books.variables, clock=lambda: NOW), history=history)
    ledger.record_intent(INTENT, now=NOW)
    ledger.record_job(Submission(task_id="t1"), now=NOW)
    reply = {
        "output": {"task_id": "t1", "task_status": "SUCCEEDED", "video_url": "https://result.example/v.mp4"},
        "usage": {"video_duration": 7.5},
    }
    ledger.record_result(Task.parse(reply).result())
    (record,) = history.load(date(2026, 1, 1))
    assert record.ended is not None
    assert (record.job_id, record.ended.status, record.ended.billed_seconds) == ("t1", "SUCCEEDED", 7.5)


def test_the_field_of_the_billed_seconds_is_that_of_the_model(books: Books) -> None:
    history = JobHistory(TaskStateStore(), clock=lambda: NOW)
    ledger = Ledger(books.state, SubmissionRegistry(books.variables, clock=lambda: NOW), history=history)
    ledger.record_intent(replace(INTENT, model="qwen3-asr-flash-filetrans"), now=NOW)
    ledger.record_job(Submission(task_id="t1"), now=NOW)
    reply = {"output": {"task_id": "t1", "task_status": "SUCCEEDED"}, "usage": {"seconds": 12}}
    ledger.note_reply(Task.parse(reply))
    (record,) = history.load(date(2026, 1, 1))
    assert record.ended is not None
    assert record.ended.billed_seconds == 12


@pytest.mark.parametrize(("store", "durable"), [(VolatileStore(), False), (TaskStateStore(), True)])
def test_durable(store: Any, durable: bool) -> None:
    assert Ledger(store, SubmissionRegistry(VolatileStore())).durable is durable


def test_the_fact_of_a_submit_has_the_job_and_its_price() -> None:
    price = {"per_second": "0.1", "currency": "CNY"}
    intent = replace(
        INTENT, account_id="a", expected_seconds=7.5, cost_estimate={"price": price, "estimated_cost": 0.75}
    )
    record = Record(intent=intent, intended_at=NOW, task_id="t1", request_id="r1", submitted_at=NOW + 1)
    assert submitted_fact(record, label="first") == Submitted(
        task_instance="dag/run/retalk/-1",
        connection_id="c",
        model="videoretalk",
        intended_at=NOW,
        job_id="t1",
        request_id="r1",
        submitted_at=NOW + 1,
        account_id="a",
        label="first",
        expected_seconds=7.5,
        estimated_cost=0.75,
        currency="CNY",
        price=price,
    )
    bare = submitted_fact(Record(intent=replace(INTENT, cost_estimate={"price": 3}), intended_at=NOW), label="")
    assert (bare.label, bare.currency, bare.price, bare.estimated_cost) == (None, None, None, None)


def test_nothing_is_written_down_of_a_job_without_an_intent() -> None:
    books = Books()
    with pytest.raises(RuntimeError, match="the ledger has no record"):
        books.open().record_job(Submission(task_id="t1"), now=NOW)
    assert books.writes == []
