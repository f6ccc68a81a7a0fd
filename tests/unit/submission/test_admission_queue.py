"""How a triggerer admits the submits that it holds back, on a virtual account and in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, cast

import pytest
from count_ceilings import check
from state_store import TaskStateStore
from unit.polling.virtual import EPOCH, VirtualLoop, run

from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, DashScopeError, RequestError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.submission import admission_queue
from airflow_provider_videoretalk.submission.admission import Admission, HeldBackError, JobToSubmit, Queue
from airflow_provider_videoretalk.submission.admission_queue import HeldBack, job_of_account, shared_admission_queue
from airflow_provider_videoretalk.submission.admitting_triggerers import AdmittingTriggerers
from airflow_provider_videoretalk.submission.record import ClearCount, Intent
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry

HOUR = 3600.0
RENDER = 100.0
_NUMBERS = itertools.count()


class Airflow(TaskStateStore):
    """Airflow's Variables, which count requests, and the values that secrets backends are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = self.asked_backends = 0

    def set(self, key: str, value: Any) -> None:
        self.requests += 1
        self.asked_backends += 1
        super().set(key, value)

    def delete(self, key: str) -> None:
        self.requests += 1
        super().delete(key)

    def names(self, prefix: str) -> list[str]:
        found = super().names(prefix)
        self.requests += 1 + len(found) // 1000
        return found


class Triggerer:
    """What a triggerer's process knows of the others."""

    def __init__(self, airflow: Airflow, clock: Callable[[], float]) -> None:
        self._triggerers = AdmittingTriggerers(airflow, "account", model="m", clock=clock)

    async def enter(self) -> int:
        return self._triggerers.enter()

    async def leave(self) -> None:
        await asyncio.sleep(0.3)
        self._triggerers.leave()


class Account:
    """An account whose jobs render one after another, and the submits that are held back.

    :param queued: jobs in its queue
    :param delay: seconds from an admission until a worker has submitted the job
    :param render: seconds of a render
    """

    def __init__(self, loop: VirtualLoop, *, queued: int, delay: float = 5.0, render: float = RENDER) -> None:
        self.loop, self.render_seconds = loop, render
        self.queued, self.delay = queued, delay
        self.has_list = True
        self.failure: DashScopeError | None = None
        self.longest_queue = 0
        self.airflow = Airflow()
        self.sent: Counter[str] = Counter()
        self.admitted: list[str] = []
        # Seconds since the beginning.
        self.looked_at: list[float] = []
        self.admitted_at: list[float] = []
        self.begun_at = loop.time()
        self.lines: list[str] = []
        self.open_clients = 0
        base_url = f"http://account-{next(_NUMBERS)}.invalid"
        self.endpoint = Endpoint(api_key="sk-virtual", base_url=base_url, queries_per_second=1000)
        self.waiting: list[asyncio.Task[None]] = []

    def client(self, endpoint: Endpoint, *, rate_limiter: object, note_request: object) -> Account:
        return self

    async def __aenter__(self) -> Account:
        if self.failure is not None:
            raise self.failure
        self.open_clients += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.open_clients -= 1

    async def send(self, request: Request[Any]) -> Any:
        await asyncio.sleep(0.05)
        return self.answer(request)

    def answer(self, request: Request[Any]) -> Any:
        status = request.query["status"]
        self.sent[status] += 1
        if status == "RUNNING":
            self.looked_at.append(self.loop.time() - self.begun_at)
        if not self.has_list:
            raise RequestError("no list")
        total = {"RUNNING": min(self.queued, 1), "PENDING": max(self.queued - 1, 0), "SUCCEEDED": 1}[status]
        begun = int(EPOCH) * 1000
        row = {
            "task_id": "t",
            "status": status,
            "start_time": begun,
            "end_time": begun + int(self.render_seconds * 1000),
        }
        return request.parse({"total": total, "total_page": 1, "data": [row]})

    @property
    def looks(self) -> int:
        return self.sent["RUNNING"]

    def hold_back(self, number: int, *, triggerer: Any = None, model: str = "m", first: int = 0) -> None:
        """Task instances that arrive one after another, and wait on one triggerer."""
        for each in range(first, first + number):
            held = self.held(f"task-{each:05}", since=EPOCH + each, model=model, triggerer=triggerer)
            self.waiting.append(self.loop.create_task(held))

    async def held(self, name: str, *, since: float, model: str, triggerer: Any, limit: float = 3 * HOUR) -> None:
        triggerer = triggerer or self.triggerer()
        async with shared_admission_queue(
            self.endpoint, model=model, triggerers=lambda: triggerer, clock=self.loop.clock
        ) as queue:
            job = JobToSubmit(model=model, limit=limit)
            await queue.wait(HeldBack(since=since, task_instance=name, job=job, on_position=self.lines.append))
        self.admitted.append(name)
        self.admitted_at.append(self.loop.time() - self.begun_at)
        await asyncio.sleep(self.delay)
        self.queued += 1
        self.longest_queue = max(self.longest_queue, self.queued)
        # The trigger that waits for the job.
        with job_of_account(self.endpoint, task_instance=name):
            await asyncio.sleep(1.0)

    def triggerer(self) -> Triggerer:
        return Triggerer(self.airflow, self.loop.clock)

    async def render(self, number: int) -> None:
        """Ends jobs one after another. A trigger waits for each."""
        for _ in range(number):
            with job_of_account(self.endpoint, task_instance="another"):
                await asyncio.sleep(self.render_seconds)
                self.queued -= 1

    async def stop(self) -> None:
        for task in self.waiting:
            task.cancel()
        await asyncio.gather(*self.waiting, return_exceptions=True)


def intent(name: str) -> Intent:
    clear_count = ClearCount(max_tries=1, clear_number=0)
    return Intent(task_instance=name, connection_id="c", fingerprint="f", model="m", clear_count=clear_count)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    admission_queue._JOBS.clear()
    yield
    admission_queue._JOBS.clear()


def on_account(
    monkeypatch: pytest.MonkeyPatch, scenario: Callable[[Account], Coroutine[Any, Any, None]], **arguments: Any
) -> Account:
    async def main(loop: VirtualLoop) -> Account:
        account = Account(loop, **arguments)
        monkeypatch.setattr(admission_queue, "AsyncClient", account.client)
        try:
            await scenario(account)
        finally:
            await account.stop()
        assert account.open_clients == 0
        assert dict(account.airflow) == {}
        return account

    return run(main)


@pytest.mark.parametrize("held", [1_000, 5_000])
def test_a_look_takes_as_many_requests_however_many_are_held_back(monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    async def scenario(account: Account) -> None:
        account.hold_back(held, triggerer=account.triggerer())
        await account.render(10)

    account = on_account(monkeypatch, scenario, queued=97)
    assert account.looks > 10
    assert account.sent["PENDING"] == account.sent["SUCCEEDED"] == account.looks
    # Each look lists the keys of the triggerers. One key is written for an hour.
    assert account.airflow.requests <= account.looks + 5
    assert account.airflow.asked_backends == 1
    assert len(account.lines) == held
    assert account.lines[2].startswith("97 render jobs are in the account's queue and 2 submits are held back before")


@pytest.mark.parametrize(("name", "clips"), [("1000 clips held back", 1_000), ("5000 clips held back", 5_000)])
def test_a_clip_starts_at_most_two_workers_before_its_submit(
    monkeypatch: pytest.MonkeyPatch, name: str, clips: int
) -> None:
    """All are mapped at once, without a pool. Eight workers take two seconds for each start."""
    starts: Counter[str] = Counter()
    workers = asyncio.Semaphore(8)
    most_for_a_decision = 0

    def decide(account: Account, name: str) -> None:
        nonlocal most_for_a_decision
        before = account.airflow.requests
        try:
            Admission(
                client=cast("Any", SimpleNamespace(send=account.answer)),
                registry=SubmissionRegistry(account.airflow, clock=account.loop.clock),
                triggerers=AdmittingTriggerers(account.airflow, "account", model="m", clock=account.loop.clock),
                limit=3 * HOUR,
            ).check(intent(name), now=account.loop.clock())
        finally:
            most_for_a_decision = max(most_for_a_decision, account.airflow.requests - before)

    async def clip(account: Account, name: str) -> None:
        async with workers:
            starts[name] += 1
            await asyncio.sleep(2)
            try:
                decide(account, name)
            except HeldBackError as error:
                held = error.job
            else:
                account.queued += 1
                return
        async with shared_admission_queue(
            account.endpoint, model="m", triggerers=account.triggerer, clock=account.loop.clock
        ) as queue:
            since = account.loop.clock()
            await queue.wait(HeldBack(since=since, task_instance=name, job=held, on_position=account.lines.append))
        async with workers:
            starts[name] += 1
            await asyncio.sleep(2)
            account.queued += 1
            account.longest_queue = max(account.longest_queue, account.queued)
        with job_of_account(account.endpoint, task_instance=name):
            await asyncio.sleep(1)

    async def scenario(account: Account) -> None:
        for number in range(clips):
            account.waiting.append(account.loop.create_task(clip(account, f"task-{number:05}")))
        await asyncio.sleep(10)
        await account.render(clips)
        assert account.queued == 0

    render = 25_000 / clips
    account = on_account(monkeypatch, scenario, queued=0, render=render)
    assert len(starts) == clips
    of_a_look = max(most_for_a_decision, account.airflow.requests / account.looks)
    check(name, {"worker starts": max(starts.values()), "requests to Airflow": of_a_look})
    assert len(account.lines) > clips / 2
    # All jobs would end within three hours of their submit.
    assert account.longest_queue * render < 3 * HOUR
    # One key of the triggerer in half an hour.
    assert account.airflow.asked_backends <= 1 + 25_000 / 1_800


def test_each_line_is_logged_in_the_context_of_its_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its context, a triggerer tells in which log a line belongs."""
    owner: ContextVar[str] = ContextVar("owner")
    owners: list[str] = []

    async def scenario(account: Account) -> None:
        for name in ("first", "second"):
            owner.set(name)
            held = HeldBack(
                since=1.0,
                task_instance=name,
                job=JobToSubmit(model="m", limit=HOUR),
                on_position=lambda _: owners.append(owner.get()),
            )
            account.waiting.append(account.loop.create_task(waits(account, held)))
        owner.set("another")
        await asyncio.sleep(20)

    async def waits(account: Account, held: HeldBack) -> None:
        async with shared_admission_queue(account.endpoint, model="m", triggerers=lambda: None) as queue:
            await queue.wait(held)

    on_account(monkeypatch, scenario, queued=97)
    assert owners == ["first", "second"]


def test_the_end_of_a_render_admits_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine tenths of three hours less a render are room for 96 jobs."""
    moments: list[float] = []

    async def scenario(account: Account) -> None:
        account.hold_back(5)
        for ended in range(1, 4):
            await account.render(1)
            moments.append(account.loop.time())
            await asyncio.sleep(10)
            assert account.admitted == [f"task-{number:05}" for number in range(ended - 1)]
            await asyncio.sleep(60)

    account = on_account(monkeypatch, scenario, queued=98)
    assert account.longest_queue <= 97


def test_renders_that_turn_out_shorter_leave_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another triggerer waits for these jobs, so nothing wakes this one."""

    async def scenario(account: Account) -> None:
        held = account.held("first", since=EPOCH, model="m", triggerer=None, limit=200.0)
        account.waiting.append(account.loop.create_task(held))
        await asyncio.sleep(10.1)
        # Five jobs of 100 s each were expected.
        while account.queued and not account.admitted:
            await asyncio.sleep(33.0)
            account.queued -= 1
            assert account.queued > 1 or account.admitted

    on_account(monkeypatch, scenario, queued=5)


def test_those_who_come_at_once_have_a_place_each(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(account: Account) -> None:
        triggerer = account.triggerer()
        for name in ("a", "b", "c", "d", "e", "f"):
            held = account.held(name, since=EPOCH, model="m", triggerer=triggerer)
            account.waiting.append(account.loop.create_task(held))
        await asyncio.sleep(20)

    account = on_account(monkeypatch, scenario, queued=500)
    assert [line.partition(" submits are")[0].rpartition(" ")[2] for line in account.lines] == list("012345")
    assert len({line.partition("begin: ")[2] for line in account.lines}) == 6


def test_they_are_admitted_in_the_order_of_their_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if their triggers start in another order, as after the restart of a triggerer."""

    async def scenario(account: Account) -> None:
        triggerer = account.triggerer()
        for first in (20, 10, 0):
            account.hold_back(10, triggerer=triggerer, first=first)
            await asyncio.sleep(2)
        await asyncio.sleep(200)

    account = on_account(monkeypatch, scenario, queued=80)
    assert account.admitted == [f"task-{number:05}" for number in range(17)]


def test_admissions_do_not_overfill_the_queue_before_they_are_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(account: Account) -> None:
        account.hold_back(200)
        await asyncio.sleep(500)
        assert len(account.admitted) == 47

    account = on_account(monkeypatch, scenario, queued=50, delay=400.0)
    assert account.longest_queue <= 97


def test_an_admission_that_is_never_used_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task instance may have been marked as failed."""

    async def scenario(account: Account) -> None:
        account.hold_back(3)
        await asyncio.sleep(100)
        assert account.admitted == ["task-00000"]
        await asyncio.sleep(900)
        assert account.admitted == ["task-00000", "task-00001"]

    on_account(monkeypatch, scenario, queued=96, delay=1e6)


def test_a_trigger_that_is_killed_leaves_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(account: Account) -> None:
        account.hold_back(5)
        await asyncio.sleep(20)
        for killed in account.waiting[:2]:
            killed.cancel()
        account.queued -= 1
        await asyncio.sleep(100)
        assert account.admitted == ["task-00002"]

    on_account(monkeypatch, scenario, queued=97)


@pytest.mark.parametrize("after", [10.0, 10.1, 10.2, 10.3, 10.4, 10.5])
def test_who_joins_while_the_last_one_leaves_is_not_forgotten(monkeypatch: pytest.MonkeyPatch, after: float) -> None:
    """A triggerer takes 0.3 s to remove its key from Airflow."""

    async def scenario(account: Account) -> None:
        triggerer = account.triggerer()
        account.hold_back(1, triggerer=triggerer)
        await asyncio.sleep(after)
        account.hold_back(1, triggerer=triggerer, first=1)
        await asyncio.sleep(60)
        assert len(account.admitted) == 2

    on_account(monkeypatch, scenario, queued=0)


def test_triggerers_share_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has an event loop of its own; here, they have one and differ in the account's URL."""

    async def scenario(account: Account) -> None:
        one, two = account.triggerer(), account.triggerer()
        account.hold_back(100, triggerer=one)
        await asyncio.sleep(0)
        (jobs,) = admission_queue._JOBS.values()
        admission_queue._JOBS.clear()
        account.hold_back(100, triggerer=two, first=100)
        await asyncio.sleep(400)
        assert jobs is not next(iter(admission_queue._JOBS.values()))
        shares = Counter(int(name[-5:]) >= 100 for name in account.admitted)
        assert abs(shares[True] - shares[False]) <= 2

    account = on_account(monkeypatch, scenario, queued=50, delay=300.0)
    assert 90 <= account.longest_queue <= 99


def test_without_a_list_the_jobs_that_triggers_wait_for_count(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(account: Account) -> None:
        account.has_list = False
        times = admission_queue.account_of(account.endpoint).render_times
        times.note(RENDER, output_seconds=None)
        rendering = [account.loop.create_task(account.render(1)) for _ in range(98)]
        account.hold_back(5)
        await asyncio.sleep(90)
        assert account.admitted == []
        (jobs,) = admission_queue._JOBS.values()
        assert jobs.count == 98
        await asyncio.gather(*rendering)
        assert jobs.count == 0
        await asyncio.sleep(20)
        assert len(account.admitted) == 5

    on_account(monkeypatch, scenario, queued=98)


def test_an_account_that_cannot_be_used_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(account: Account) -> None:
        account.failure = ConfigurationError("no such CA bundle")
        account.hold_back(3)
        done = await asyncio.gather(*account.waiting, return_exceptions=True)
        assert [type(error) for error in done] == [ConfigurationError] * 3

    on_account(monkeypatch, scenario, queued=97)


def test_nothing_is_held_back_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that alone takes longer than its limit does not end in time later either."""

    async def scenario(account: Account) -> None:
        held = account.held("long", since=1.0, model="m", triggerer=None, limit=0.0)
        account.waiting.append(account.loop.create_task(held))
        await account.render(1)
        await asyncio.sleep(20)
        assert account.admitted == []
        await account.render(1)
        await asyncio.sleep(20)
        assert account.admitted == ["long"]

    on_account(monkeypatch, scenario, queued=5)


@pytest.mark.parametrize(
    ("queued", "render", "looked_at"),
    [
        # Each look takes 0.15 s. Of 10,800 s, nine tenths less a render are time: 9,630 s with renders of 100 s.
        (500, 100.0, [10.05, 310.20, 610.35]),
        (97, 100.0, [10.05, 80.20, 150.35]),
        (102, 95.0, [10.05, 70.20, 130.35]),
    ],
)
def test_the_next_look_is_when_the_first_one_may_have_time(
    monkeypatch: pytest.MonkeyPatch, queued: int, render: float, looked_at: list[float]
) -> None:
    """After a minute at the earliest, and five minutes at the latest."""

    async def scenario(account: Account) -> None:
        account.hold_back(1, triggerer=None)
        await asyncio.sleep(looked_at[-1] + 10)

    account = on_account(monkeypatch, scenario, queued=queued, render=render)
    assert account.looked_at == pytest.approx(looked_at)


@pytest.mark.parametrize(("joins_at", "looks_at"), [(12.0, 15.2), (100.0, 100.05)])
def test_who_joins_is_looked_at_soon(monkeypatch: pytest.MonkeyPatch, joins_at: float, looks_at: float) -> None:
    """Five seconds after another look at the earliest."""

    async def scenario(account: Account) -> None:
        account.hold_back(1)
        await asyncio.sleep(joins_at)
        account.hold_back(1, first=1)
        await asyncio.sleep(20)

    account = on_account(monkeypatch, scenario, queued=500)
    assert account.looked_at == pytest.approx([10.05, looks_at])


def test_a_triggerer_that_starts_without_a_list_waits_for_its_triggers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(account: Account) -> None:
        account.has_list = False
        account.hold_back(1)
        await asyncio.sleep(80)

    account = on_account(monkeypatch, scenario, queued=0)
    assert account.looked_at == pytest.approx([10.05, 70.1])
    assert account.admitted_at == pytest.approx([70.1], abs=0.35)


@pytest.mark.parametrize(("others", "seconds"), [(None, 1.0), (0, 1.0), (1, 2.0), (2, 3.0)])
def test_all_triggerers_together_admit_one_a_second(
    monkeypatch: pytest.MonkeyPatch, others: int | None, seconds: float
) -> None:
    """The service takes a submit a second."""

    async def scenario(account: Account) -> None:
        known = [AdmittingTriggerers(account.airflow, "account", model="m") for _ in range(others or 0)]
        for triggerer in known:
            triggerer.enter()
        account.waiting = [
            account.loop.create_task(waits(account, number, triggerer=None if others is None else account.triggerer()))
            for number in range(4)
        ]
        await asyncio.gather(*account.waiting)
        for triggerer in known:
            triggerer.leave()

    async def waits(account: Account, number: int, *, triggerer: Triggerer | None) -> None:
        async with shared_admission_queue(account.endpoint, model="m", triggerers=lambda: triggerer) as queue:
            job = JobToSubmit(model="m", limit=HOUR)
            name = f"task-{number}"
            await queue.wait(HeldBack(since=number, task_instance=name, job=job, on_position=account.lines.append))
        account.admitted_at.append(account.loop.time() - account.begun_at)

    account = on_account(monkeypatch, scenario, queued=0)
    # The last one leaves Airflow, too.
    assert account.admitted_at == pytest.approx([10.1 + number * seconds for number in range(4)], abs=0.35)


def test_a_share_of_the_room_without_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other triggerer may wait for as many jobs."""

    async def scenario(account: Account) -> None:
        account.has_list = False
        admission_queue.account_of(account.endpoint).render_times.note(RENDER, output_seconds=None)
        other = AdmittingTriggerers(account.airflow, "account", model="m", clock=account.loop.clock)
        other.enter()
        rendering = [account.loop.create_task(account.render(1)) for _ in range(49)]
        account.hold_back(1)
        await asyncio.sleep(90)
        assert account.lines == [
            "98 render jobs are in the account's queue and 0 submits are held back before this "
            "one, at about 100 s each. Expected to begin: 14:07 UTC, or later"
        ]
        assert account.admitted == []
        other.leave()
        await asyncio.gather(*rendering)

    on_account(monkeypatch, scenario, queued=98)


def test_the_position_counts_what_the_other_triggerers_admit_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(account: Account) -> None:
        other = AdmittingTriggerers(account.airflow, "account", model="m", clock=account.loop.clock)
        other.enter()
        account.hold_back(3)
        await asyncio.sleep(20)
        other.leave()

    account = on_account(monkeypatch, scenario, queued=97)
    # 97 renders of 100 s each, then one held back and one of the other triggerer, then two of each.
    assert [line[-19:] for line in account.lines] == [
        "14:05 UTC, or later",
        "14:08 UTC, or later",
        "14:11 UTC, or later",
    ]


def test_an_admission_counts_for_a_quarter_of_a_short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 s. Nine tenths of the limit are room for seven renders."""

    async def scenario(account: Account) -> None:
        for number in range(2):
            held = account.held(f"task-{number}", since=number, model="m", triggerer=None, limit=800.0)
            account.waiting.append(account.loop.create_task(held))
        await asyncio.sleep(300)

    account = on_account(monkeypatch, scenario, queued=7, delay=1e6)
    assert account.admitted_at == pytest.approx([10.15, 256.9], abs=0.35)


def test_one_task_instance_may_be_held_back_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A triggerer that was taken for dead may go on while another one, or itself, starts the trigger again."""
    ended: list[int] = []

    async def waits(account: Account, number: int) -> None:
        async with shared_admission_queue(account.endpoint, model="m", triggerers=lambda: None) as queue:
            job = JobToSubmit(model="m", limit=HOUR + number)
            await queue.wait(HeldBack(since=1.0, task_instance="t", job=job, on_position=lambda _: None))
        ended.append(number)

    async def scenario(account: Account) -> None:
        account.waiting = [account.loop.create_task(waits(account, number)) for number in range(3)]
        await asyncio.sleep(5)
        account.waiting[1].cancel()
        await asyncio.sleep(20)
        assert sorted(ended) == [0, 2]

    on_account(monkeypatch, scenario, queued=0)


def test_what_counts_at_the_very_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An admission counts until its time, and a triggerer without a list waits for a minute."""

    class Client:
        async def send(self, request: object) -> None:
            raise RequestError("no list")

    async def scenario(account: Account) -> None:
        client = cast("Any", Client())
        async with shared_admission_queue(account.endpoint, model="m", triggerers=lambda: None) as queue:
            now = account.loop.time()
            queue._admitted = {"a": now, "b": now + 0.001}
            assert queue._admitted_jobs() == 1
            queue._begun_at = now - 59.999
            assert await queue._queue(client) is None
            queue._begun_at = now - 60.0
            assert await queue._queue(client) == Queue(ahead=0)
        assert not queue.is_idle
        queue._admitted = {"a": account.loop.time()}
        assert queue.is_idle

    on_account(monkeypatch, scenario, queued=0)


def test_one_that_leaves_has_no_place_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if it cannot be told from others but by its object."""

    async def scenario(account: Account) -> None:
        for _ in range(3):
            held = account.held("t", since=EPOCH, model="m", triggerer=None)
            account.waiting.append(account.loop.create_task(held))
        await asyncio.sleep(5)
        account.waiting[1].cancel()
        await asyncio.sleep(10)
        account.hold_back(1, first=10)
        await asyncio.sleep(100)

    lines = on_account(monkeypatch, scenario, queued=500).lines
    places = [line.partition(" and ")[2].partition(" submits")[0] for line in lines]
    assert places == ["0", "0", "2"]


def test_many_lines_leave_turns_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: set[int] = set()

    class Lines(list[str]):
        def append(self, line: str) -> None:
            asyncio.get_running_loop().call_soon(lambda: counts.add(len(self)))
            super().append(line)

    async def scenario(account: Account) -> None:
        account.lines = Lines()
        account.hold_back(250, triggerer=account.triggerer())
        await asyncio.sleep(20)

    on_account(monkeypatch, scenario, queued=500)
    assert counts == {100, 200, 250}


def test_airflow_need_not_know_the_triggerers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Submits are admitted while its API server is away."""

    class Away:
        async def enter(self) -> int:
            raise RuntimeError("away")

        leave = enter

    async def scenario(account: Account) -> None:
        account.hold_back(2, triggerer=Away())
        await asyncio.sleep(30)

    account = on_account(monkeypatch, scenario, queued=0)
    assert account.admitted_at == pytest.approx([10.1, 11.1])


def test_an_account_is_forgotten_when_nothing_of_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An admission that is not known to be used counts for ten minutes."""

    async def scenario(account: Account) -> None:
        def is_known() -> bool:
            with job_of_account(another, task_instance="x"):
                return any(endpoint == account.endpoint for _, endpoint in admission_queue._JOBS)

        another = Endpoint(api_key="sk-other", base_url="http://another.invalid")
        with job_of_account(account.endpoint, task_instance="y"):
            assert is_known()
        assert not is_known()
        account.hold_back(1)
        await asyncio.sleep(5)
        assert is_known()
        await asyncio.sleep(605)
        assert account.admitted == ["task-00000"]
        assert is_known()
        await asyncio.sleep(1)
        assert not is_known()

    on_account(monkeypatch, scenario, queued=0, delay=1e6)


def test_an_event_loop_that_is_closed_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(account: Account) -> None:
        with job_of_account(account.endpoint, task_instance="x"):
            assert [endpoint for _, endpoint in admission_queue._JOBS] == [account.endpoint]

    for _ in range(2):
        on_account(monkeypatch, scenario, queued=0)
