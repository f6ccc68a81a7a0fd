"""One submit with stores that fail, or a process that ends, at each step: what the next try does."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pytest
from hostile_run import FlakyStore, KilledError
from hostile_service import MODEL, HostileService, InProcessClient, Job, ListLie, SubmitFault, VirtualTime
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import (
    ConfigurationError,
    DashScopeError,
    OutcomeUnknownError,
    RequestError,
    TaskTimeoutError,
)
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Submission, submit_task
from airflow_provider_videoretalk.submission.ledger import Ledger
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record
from airflow_provider_videoretalk.submission.record_store import Store, VolatileStore
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry
from airflow_provider_videoretalk.submission.resume import OnUnknownSubmit, ResumePolicy
from airflow_provider_videoretalk.submission.submitter import Submitter, WaitUntilError

T = TypeVar("T")


class NotingClient(InProcessClient):
    """Notes the method, path and page size of each request."""

    requests: list[tuple[str, str, str | None]]

    def send(self, request: Request[T]) -> T:
        self.requests.append((request.method, request.path, request.query.get("page_size")))
        return super().send(request)


class History:
    """Notes the facts that a history gets."""

    def __init__(self, noted: list[tuple[str, Any]], cleaned_up_at: list[float]) -> None:
        self._noted = noted
        self._cleaned_up_at = cleaned_up_at

    def note(self, kind: str, fact: Any, *, now: float | None = None) -> None:
        self._noted.append((kind, fact))

    def withdraw(self, fact: Any, *, noted_at: float) -> None:
        self._noted.append(("withdrawn", fact))

    def clean_up(self, *, written_at: float) -> None:
        self._cleaned_up_at.append(written_at)


class Try:
    """The tries of one task instance, on stores that outlive them."""

    def __init__(
        self, *, policy: OnUnknownSubmit = "fail", volatile: bool = False, reconcile_after: float = 60.0
    ) -> None:
        self.time = VirtualTime()
        self.service = HostileService(self.time, random.Random(1))
        self.state, self.variables = TaskStateStore(), TaskStateStore()
        self.policy = ResumePolicy(on_unknown_submit=policy, reconcile_after=reconcile_after)
        self.volatile = volatile
        self.max_tries = 1
        self.connection_id, self.fingerprint = "c", "f"
        # Connections that Airflow does not have any more.
        self.deleted: set[str] = set()
        self.deadline = math.inf
        self.spent: list[tuple[str, ...]] = []
        # The id in the record when each was spent.
        self.known: list[str | None] = []
        self.noted: list[tuple[str, Any]] = []
        self.cleaned_up_at: list[float] = []
        self.requests: list[tuple[str, str, str | None]] = []

    def prepare(self, intent: Intent) -> Intent:
        return intent

    def record_spend(self, *event: str) -> None:
        self.spent.append(event)
        self.known.append(self.state.get("dashscope_submission", {}).get("task_id"))

    def submission(self) -> Request[Submission]:
        return submit_task(path="services/x", model=MODEL, inputs={"video_url": "clip"}, parameters={})

    def run(self, ends_at: Callable[[], BaseException | None] = lambda: None) -> str | None:
        """One try; the id of its job."""
        state, variables = FlakyStore(self.state), FlakyStore(self.variables)
        state.ends_at = variables.ends_at = ends_at
        store: Store = VolatileStore() if self.volatile else state
        endpoint = Endpoint(api_key="sk-x", base_url="https://service.example/api/v1")
        client = NotingClient(self.service, endpoint, clock=self.time)
        client.requests = self.requests

        def client_for(connection_id: str) -> Client:
            if connection_id in self.deleted:
                raise ConfigurationError(f"there is no connection {connection_id!r}")
            return cast("Client", client)

        submitter = Submitter(
            client_for=client_for,
            ledger=Ledger(
                store,
                SubmissionRegistry(variables, clock=self.time),
                history=cast("Any", History(self.noted, self.cleaned_up_at)),
            ),
            policy=self.policy,
            record_spend=self.record_spend,
            check_can_wait=lambda _: None,
            admission=None,
            deadline=self.deadline,
            clock=self.time,
            sleep=self.time.sleep,
        )
        intent = Intent(
            task_instance="t",
            connection_id=self.connection_id,
            fingerprint=self.fingerprint,
            model=MODEL,
            expected_seconds=7.5,
            clear_count=ClearCount(max_tries=self.max_tries, clear_number=0),
        )
        return submitter.submit_or_resume(self, intent).task_id

    @property
    def made(self) -> list[str]:
        return [job.task_id for job in self.service.jobs]


def after(count: int, error: BaseException) -> Callable[[], BaseException | None]:
    """Fails once at one of the points, before or after a write of either store."""
    points = iter([*[None] * count, error])
    return lambda: next(points, None)


@pytest.mark.parametrize("error", [RuntimeError("away"), KilledError()])
@pytest.mark.parametrize("point", range(8))
def test_whatever_write_fails_one_job_is_made_and_found(point: int, error: BaseException) -> None:
    """The points: registry and store at the intent, store and registry after the POST, before and after each write."""
    world = Try()
    with pytest.raises(type(error)):
        world.run(after(point, error))
    sent = point >= 4
    assert len(world.made) == sent
    if point == 3:
        # The store has the intent, and nothing says that nothing was sent.
        with pytest.raises(OutcomeUnknownError):
            world.run()
    else:
        assert [world.run()] == world.made
    assert len(world.made) <= 1


def test_a_store_that_fails_at_the_intent_leaves_no_lost_submit_for_others() -> None:
    world = Try()
    with pytest.raises(RuntimeError):
        world.run(after(2, RuntimeError("away")))
    assert (dict(world.state), dict(world.variables), world.made) == ({}, {}, [])


@pytest.mark.parametrize("fails", [False, True])
def test_a_refused_submit_is_no_lost_one(fails: bool) -> None:
    """Even if the store cannot delete it, other tasks do not take it for a rival."""
    world = Try()
    world.service.submit_faults = ["refused"]
    with pytest.raises(RuntimeError if fails else RequestError):
        world.run(after(4 if fails else 99, RuntimeError("away")))
    assert dict(world.variables) == {}
    assert bool(world.state) is fails


@pytest.mark.parametrize("volatile", [False, True])
@pytest.mark.parametrize("fault", ["lost_after", "no_id", "html", "conflict"])
def test_resubmit_pays_twice_at_most(fault: SubmitFault, volatile: bool) -> None:
    world = Try(policy="resubmit", volatile=volatile)
    world.service.submit_faults = [fault] * 20
    for _ in range(12):
        with pytest.raises((OutcomeUnknownError, WaitUntilError)) as raised:
            world.run()
        if volatile:
            # The try that fails so is the last: it is not retried.
            assert isinstance(raised.value, OutcomeUnknownError)
            break
    assert len(world.made) == 2


@pytest.mark.parametrize("policy", ["fail", "reconcile"])
def test_an_unknown_outcome_without_a_record_is_never_sent_again(policy: OnUnknownSubmit) -> None:
    world = Try(policy=policy, volatile=True)
    world.service.submit_faults = ["lost_after"]
    with pytest.raises(OutcomeUnknownError, match="got no reply") as raised:
        world.run()
    assert world.made[0] not in raised.value.message
    assert len(world.made) == 1


def test_a_job_that_is_found_counts_from_the_submit() -> None:
    world = Try(policy="reconcile")
    world.service.submit_faults = ["lost_after"]
    with pytest.raises(WaitUntilError):
        world.run()
    intended = world.state["dashscope_submission"]["intended_at"]
    with pytest.raises(WaitUntilError) as later:
        world.run()
    assert later.value.moment == intended + 60
    world.time.sleep(100)
    assert [world.run()] == world.made
    assert world.state["dashscope_submission"]["submitted_at"] == intended
    [job] = world.made
    assert world.state["dashscope_submission"]["request_id"] == f"r-{job}"
    assert world.spent == [
        ("lost_reply", "unknown", "the submit was sent, but no usable reply arrived: got no reply"),
        ("adopt", job, "The list shows it as the one job of a submit of unknown outcome."),
        ("duplicate_prevented", job, "It is not submitted again."),
    ]
    assert world.known == [None, job, job], "it is written down first"


def test_a_job_that_the_service_forgot_is_not_bought_again_by_a_clear() -> None:
    world = Try()
    world.run()
    [job] = world.service.jobs
    world.time.sleep(300)
    world.service.jobs.clear()
    for _ in range(2):
        world.max_tries += 2
        with pytest.raises(DashScopeError, match="does not know it now"):
            world.run()
    assert world.made == []
    world.service.jobs.append(job)
    assert world.run() == job.task_id


def test_the_services_time_is_measured_before_the_post() -> None:
    world = Try(policy="reconcile")
    world.service.offset = 3600
    world.run()
    record: dict[str, Any] = world.state["dashscope_submission"]
    ahead = record["service_time"]["earliest"] - record["intended_at"]
    assert 3590 < ahead < 3605
    # Of the list, one row is enough for that.
    assert [(method, path, size) for method, path, size in world.requests] == [
        ("GET", "tasks", "1"),
        ("POST", "services/x", None),
    ]


@pytest.mark.parametrize(("policy", "pause"), [("reconcile", 5.0), ("resubmit", 5.0)])
def test_a_lost_reply_is_looked_at_five_seconds_later(policy: OnUnknownSubmit, pause: float) -> None:
    world = Try(policy=policy)
    world.service.submit_faults = ["lost_after"]
    with pytest.raises(WaitUntilError) as later:
        world.run()
    assert later.value.moment == world.time.now + pause
    assert str(later.value) == "the service may not show its render job yet"


def test_a_list_that_may_be_late_is_read_again_in_a_minute() -> None:
    world = Try(policy="reconcile")
    world.service.submit_faults = ["lost_before"]
    with pytest.raises(WaitUntilError):
        world.run()
    world.time.sleep(61)
    with pytest.raises(WaitUntilError) as later:
        world.run()
    assert str(later.value) == "the list does not show its render job yet"
    assert later.value.moment == world.time.now + 60
    world.deadline = world.time.now + 20
    with pytest.raises(WaitUntilError) as later:
        world.run()
    assert later.value.moment == world.deadline


def test_nothing_is_submitted_or_decided_at_the_deadline() -> None:
    world = Try()
    world.deadline = world.time.now
    with pytest.raises(TaskTimeoutError, match="before a render job was submitted"):
        world.run()
    assert world.made == []
    world.deadline += 0.001
    assert [world.run()] == world.made
    lost = Try(policy="reconcile")
    lost.service.submit_faults = ["lost_after"]
    lost.deadline = lost.time.now + 2
    with pytest.raises((TaskTimeoutError, WaitUntilError)):
        lost.run()
    lost.time.now = lost.deadline
    with pytest.raises(TaskTimeoutError):
        lost.run()


@pytest.mark.parametrize(("seconds", "made"), [(5.5, 2), (4.9, 1)])
def test_no_second_submit_is_sent_after_the_deadline(seconds: float, made: int) -> None:
    """It is sent five seconds after the first one, whose reply takes less than half a second."""
    world = Try(policy="resubmit", volatile=True)
    world.service.submit_faults = ["no_id", "no_id"]
    world.deadline = world.time.now + seconds
    with pytest.raises(OutcomeUnknownError):
        world.run()
    assert len(world.made) == made


def test_a_second_submit_waits_five_seconds() -> None:
    world = Try(policy="resubmit", volatile=True)
    world.service.submit_faults = ["no_id"]
    world.run()
    first, second = world.service.jobs
    assert 5.0 <= second.created - first.created <= 5.5


def know_another_job(world: Try) -> Job:
    """A job of this Airflow, which the list shows."""
    job = world.service.create("other")
    intent = Intent(
        task_instance="other",
        connection_id="c",
        fingerprint="other",
        model=MODEL,
        clear_count=ClearCount(max_tries=1, clear_number=0),
    )
    known = Record(intent=intent, intended_at=world.time.now, task_id=job.task_id, submitted_at=world.time.now)
    SubmissionRegistry(world.variables).write(known)
    world.time.sleep(400)
    return job


@pytest.mark.parametrize(("seconds", "made"), [(905, 0), (912, 1)])
def test_absence_counts_as_late_as_the_policy_says(seconds: float, made: int) -> None:
    """Without a Date, ten seconds later: the workers' clocks may differ."""
    world = Try(policy="reconcile", reconcile_after=900.0)
    world.service.has_date = False
    know_another_job(world)
    world.service.submit_faults = ["lost_before"]
    with pytest.raises(WaitUntilError):
        world.run()
    world.time.now = world.state["dashscope_submission"]["intended_at"] + seconds
    if made:
        world.run()
    else:
        with pytest.raises(WaitUntilError, match="does not show its render job yet"):
            world.run()
    assert len(world.service.of("clip")) == made


def test_a_job_that_cannot_be_queried_is_resumed_after_one_query() -> None:
    """The wait that follows repeats the query."""
    world = Try()
    job = world.run()
    world.service.query_fails = 1e9
    world.requests.clear()
    assert world.run() == job
    assert world.requests == [("GET", f"tasks/{job}", None)]


def test_that_a_lost_submit_created_nothing_is_written_down() -> None:
    """And its copy is deleted, so that other tasks do not take it for lost."""
    world = Try(policy="reconcile")
    job = know_another_job(world)
    world.service.submit_faults = ["lost_before"]
    with pytest.raises(WaitUntilError):
        world.run()
    world.time.sleep(700)
    new = world.run()
    assert [job.task_id for job in world.service.of("clip")] == [new]
    assert [(kind, fact and fact.job_id, fact and fact.nothing_created) for kind, fact in world.noted] == [
        ("submitted", None, False),
        ("submitted", None, True),
        ("submitted", None, False),
        ("submitted", new, False),
    ]
    assert sorted(copy["task_id"] for copy in world.variables.values()) == sorted([job.task_id, new])


def test_an_earlier_job_that_was_cancelled_is_a_loss_that_the_history_knows() -> None:
    world = Try()
    first = world.run()
    world.service.jobs[0].canceled = True
    second = world.run()
    assert second != first
    assert world.spent == [
        ("submit", first, "Submitted, request_id s."),
        ("loss", first, "It ended CANCELED. A new job will be submitted."),
        ("submit", second, "Submitted, request_id s."),
    ]
    assert [kind for kind, _ in world.noted] == ["submitted", "submitted", "ended", "submitted", "submitted"]


def test_a_job_whose_connection_was_deleted_may_be_billed() -> None:
    world = Try()
    first = world.run()
    world.deleted, world.connection_id = {"c"}, "another"
    second = world.run()
    [_, (event, job, sentence), submit] = world.spent
    assert (event, job, submit[:2]) == ("cancel", first, ("submit", second))
    assert "could not be cancelled, and may run and be billed: there is no connection 'c'" in sentence


def test_a_job_of_earlier_inputs_that_renders_is_billed_as_long_as_it_was_expected() -> None:
    world = Try()
    first = world.run()
    world.time.sleep(100)
    world.fingerprint = "changed"
    second = world.run()
    [_, (event, job, sentence), submit] = world.spent
    assert (event, job, submit[:2]) == ("cancel", first, ("submit", second))
    assert "about 7.5 seconds will be billed" in sentence


def test_a_loss_is_recorded_once() -> None:
    """The new submit may be refused: then the next try finds the same lost job."""
    world = Try()
    first = world.run()
    world.service.jobs[0].canceled = True
    world.service.submit_faults = ["refused"]
    with pytest.raises(RequestError):
        world.run()
    second = world.run()
    assert world.spent == [
        ("submit", first, "Submitted, request_id s."),
        ("loss", first, "It ended CANCELED. A new job will be submitted."),
        ("submit", second, "Submitted, request_id s."),
    ]


def test_each_submit_may_delete_old_facts() -> None:
    world = Try()
    world.run()
    assert world.cleaned_up_at == [world.state["dashscope_submission"]["submitted_at"]]


def test_a_refused_submit_is_withdrawn_from_the_history() -> None:
    world = Try()
    world.service.submit_faults = ["refused"]
    with pytest.raises(RequestError):
        world.run()
    (_, submitted), (kind, withdrawn) = world.noted
    assert (kind, withdrawn) == ("withdrawn", submitted)


@pytest.mark.parametrize("volatile", [False, True])
def test_the_error_of_a_lost_reply_has_what_the_reply_said(volatile: bool) -> None:
    world = Try(volatile=volatile)
    world.service.submit_faults = ["no_id"]
    with pytest.raises(OutcomeUnknownError) as raised:
        world.run()
    error = raised.value
    assert (error.code, error.request_id, error.status) == ("InvalidParameter", "s", 200)


SENT = r"the submit of 2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d UTC on connection 'c'"


def test_a_lost_submit_without_a_record_names_no_job() -> None:
    """Its registry knows no other task's jobs. And a kill while it lists would be followed by another submit."""
    world = Try(volatile=True)
    world.service.submit_faults = ["no_id"]
    with pytest.raises(OutcomeUnknownError, match=rf"{SENT} has no known outcome: ") as raised:
        world.run()
    assert "PENDING" not in raised.value.message
    assert [method for method, *_ in world.requests] == ["POST"]


def test_a_lost_submit_names_its_time_its_connection_and_the_job_that_nobody_has() -> None:
    world = Try()
    world.service.offset = 3600
    world.run()
    [known] = world.made
    world.state.clear()
    old = world.service.create(None, at=world.time() - 3000)
    world.service.submit_faults = ["no_id"]
    with pytest.raises(OutcomeUnknownError, match=rf"{SENT} has no known outcome: ") as raised:
        world.run()
    _, lost = (job_id for job_id in world.made if job_id != old.task_id)
    assert f"{lost} (PENDING, created " in raised.value.message
    assert old.task_id not in raised.value.message
    assert known not in raised.value.message
    assert "wait for its id with a DashScopeTaskSensor" in raised.value.remedy


def test_a_later_try_names_them_too() -> None:
    world = Try()
    world.service.on_submitted = killed
    with pytest.raises(KilledError):
        world.run()
    [lost] = world.made
    world.time.sleep(300)
    message = rf"an earlier try sent {SENT}, and its outcome is unknown\. In the service's list, .*: {lost} \(SUCC"
    with pytest.raises(OutcomeUnknownError, match=f"^(?:{message})"):
        world.run()


def killed() -> None:
    raise KilledError


@pytest.mark.parametrize("lie", ["away", "empty"])
def test_a_lost_submit_without_a_list_is_still_told(lie: ListLie) -> None:
    world = Try()
    world.service.lie = lie
    world.service.submit_faults = ["no_id"]
    with pytest.raises(OutcomeUnknownError, match=SENT) as raised:
        world.run()
    assert "created" not in raised.value.message
    assert "Look into the service's list" in raised.value.remedy
