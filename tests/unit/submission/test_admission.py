"""How a worker decides whether a submit is held back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore
from werkzeug import Request as Received
from werkzeug import Response

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.polling.render_times import RenderTimes
from airflow_provider_videoretalk.submission.admission import (
    Admission,
    ExpectedStart,
    HeldBackError,
    JobToSubmit,
    Queue,
    expected_start,
    held_back_sentence,
    own_render,
    queue_requests,
)
from airflow_provider_videoretalk.submission.admitting_triggerers import AdmittingTriggerers
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry

NOW = 1_800_000_000.0
HOUR = 3600.0
# When the last renders began, in milliseconds since the epoch.
BEGUN = 1_790_000_000_000


def intent(
    owner: str = "me", *, expected_seconds: float | None = None, connection: str = "c", model: str = "videoretalk"
) -> Intent:
    return Intent(
        task_instance=owner,
        connection_id=connection,
        fingerprint="f",
        model=model,
        clear_count=ClearCount(max_tries=1, clear_number=0),
        expected_seconds=expected_seconds,
    )


class Airflow(TaskStateStore):
    """Airflow's Variables. Reading or writing one asks each secrets backend; listing keys asks none."""

    def __init__(self) -> None:
        super().__init__()
        self.listed = self.asked_backends = 0

    def get(self, key: str, default: Any = None) -> Any:
        self.asked_backends += 1
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.asked_backends += 1
        super().set(key, value)

    def names(self, prefix: str) -> list[str]:
        found = super().names(prefix)
        # Airflow lists a thousand keys in a request.
        self.listed += 1 + len(found) // 1000
        return found


class Account:
    """An account whose list tells how many jobs render and how many queue, and how long the last renders took."""

    def __init__(self, service: HTTPServer, client: Client) -> None:
        self.rendering, self.queued = 1, 0
        self.renders: list[float] = []
        self.has_list = True
        self.airflow = Airflow()
        self.registry = SubmissionRegistry(self.airflow, clock=lambda: NOW)
        self.client = client
        service.expect_request("/api/v1/tasks").respond_with_handler(self._list)

    def _list(self, request: Received) -> Response:
        if not self.has_list:
            return Response('{"code": "NotFound", "message": "no list"}', status=404, content_type="application/json")
        totals = {"RUNNING": self.rendering, "PENDING": self.queued, "SUCCEEDED": len(self.renders)}
        total, status = totals[request.args["status"]], request.args["status"]
        rows = [
            {"task_id": f"t{number}", "status": status, "start_time": BEGUN, "end_time": BEGUN + int(render * 1000)}
            for number, render in enumerate(self.renders)
            if status == "SUCCEEDED"
        ]
        page = {"total": total, "total_page": total, "data": rows}
        return Response(json.dumps(page), content_type="application/json")

    def submitted(self, number: int, *, ago: float, account: str = "c", ended: bool = False) -> None:
        """Submits of this Airflow."""
        for each in range(number):
            who = intent(f"task-{ago}-{each}", connection=account)
            self.registry.write(Record(intent=who, intended_at=NOW - ago, task_id=f"t{each}", ended=ended))

    def hold_back_elsewhere(self, model: str = "videoretalk") -> AdmittingTriggerers:
        triggerer = AdmittingTriggerers(self.airflow, "c", model=model, clock=lambda: NOW)
        triggerer.enter()
        return triggerer

    def check(self, who: Intent, *, limit: float = 3 * HOUR) -> None:
        self.airflow.listed = self.airflow.asked_backends = 0
        triggerers = AdmittingTriggerers(self.airflow, "c", model=who.model, clock=lambda: NOW)
        try:
            Admission(client=self.client, registry=self.registry, triggerers=triggerers, limit=limit).check(
                who, now=NOW
            )
        finally:
            assert self.airflow.listed <= 5
            assert self.airflow.asked_backends <= (0 if self.has_list else 3)

    def held_back(self, who: Intent, **arguments: Any) -> HeldBackError:
        with pytest.raises(HeldBackError) as caught:
            self.check(who, **arguments)
        return caught.value


@pytest.fixture
def account(httpserver: HTTPServer) -> Iterator[Account]:
    endpoint = Endpoint(base_url=httpserver.url_for("/api/v1"), api_key="sk-x", queries_per_second=1000)
    with Client(endpoint) as client:
        yield Account(httpserver, client)


def test_a_worker_admits_to_the_first_half_of_the_time(account: Account) -> None:
    """Many workers decide at once, and do not know of each other."""
    account.renders = [90, 100, 300]
    # Half of nine tenths of three hours less its own render is 4815 s.
    account.queued = 47
    account.check(intent())
    account.queued = 48
    held = account.held_back(intent())
    assert held.expected_start == NOW + 49 * 100
    assert held.job == JobToSubmit(model="videoretalk", limit=3 * HOUR, expected_seconds=None)
    assert "49 render jobs are in the account's queue, at about 100 s each. Expected to begin: 09:21 UTC" in str(held)


def test_the_very_half_of_the_time_is_admitted(account: Account) -> None:
    """Half of nine tenths of 2,000 s, with nine jobs before it."""
    account.renders, account.queued = [100], 8
    account.check(intent(), limit=2000.0)
    account.queued = 9
    account.held_back(intent(), limit=2000.0)


def test_its_own_queue_timeout_counts(account: Account) -> None:
    account.renders, account.queued = [100], 20
    account.check(intent())
    assert account.held_back(intent(), limit=HOUR).job.limit == HOUR


def test_while_others_are_held_back_nobody_passes_them(account: Account) -> None:
    account.renders, account.queued = [100], 20
    account.hold_back_elsewhere(model="another")
    account.check(intent())
    triggerer = account.hold_back_elsewhere()
    account.held_back(intent())
    triggerer.leave()
    account.check(intent())


def test_a_queue_that_is_nearly_empty_lets_in_who_asks(account: Account) -> None:
    """The triggerer that holds others back may have been killed."""
    account.renders, account.queued = [100], 2
    account.hold_back_elsewhere()
    account.check(intent())
    assert account.airflow.listed == 0


def test_many_at_once(account: Account) -> None:
    account.renders, account.rendering, account.queued = [100], 20, 400
    account.check(intent())


def test_a_longer_speech_takes_longer(account: Account) -> None:
    account.renders, account.queued = [100], 40
    account.check(intent(expected_seconds=10))
    account.held_back(intent(expected_seconds=300))


def test_nothing_known_holds_nothing_back(account: Account) -> None:
    account.queued = 100_000
    account.check(intent())
    # Rows whose times cannot be true teach nothing.
    account.renders = [0, -5, 1e9]
    account.check(intent())


def test_without_a_list_this_airflow_counts_its_own(account: Account) -> None:
    account.has_list = False
    account.submitted(60, ago=3 * HOUR + 1)
    account.submitted(40, ago=10)
    account.check(intent(expected_seconds=10))
    account.submitted(12, ago=20)
    account.check(intent(expected_seconds=10))
    account.submitted(3, ago=30)
    assert "55 render jobs are in the account's queue" in str(account.held_back(intent(expected_seconds=10)))


def test_without_a_list_the_last_end_says_that_those_before_have_ended(account: Account) -> None:
    account.has_list = False
    account.submitted(60, ago=100)
    account.submitted(1, ago=30, ended=True)
    account.submitted(2, ago=10)
    account.check(intent())


def test_without_a_list_jobs_of_other_accounts_do_not_count(account: Account) -> None:
    account.has_list = False
    account.submitted(3, ago=100)
    account.submitted(60, ago=10, account="another")
    account.check(intent())
    account.submitted(1, ago=200)
    assert "4 render jobs may be" in str(account.held_back(intent()))


def test_without_a_list_and_any_times_a_triggerer_decides(account: Account) -> None:
    """It knows how long the last renders took."""
    account.has_list = False
    account.submitted(3, ago=10)
    account.check(intent())
    account.submitted(1, ago=20)
    assert account.held_back(intent()).expected_start is None


@pytest.mark.parametrize("records", [205, 4_000])
@pytest.mark.parametrize("has_list", [True, False])
def test_a_look_takes_few_requests(account: Account, records: int, has_list: bool) -> None:
    """However many records there are; ``check`` counts the requests."""
    account.has_list, account.renders, account.queued = has_list, [100], 500
    account.submitted(records, ago=10)
    account.held_back(intent(expected_seconds=10))


def job(*, expected_seconds: float | None = None, model: str = "videoretalk", limit: float = 3 * HOUR) -> JobToSubmit:
    return JobToSubmit(model=model, limit=limit, expected_seconds=expected_seconds)


def test_what_a_render_takes() -> None:
    unknown, known, times = Queue(ahead=9), Queue(ahead=9, typical_render=50.0), RenderTimes()
    assert own_render(job(), unknown, None) is None
    assert own_render(job(), unknown, times) is None
    # The vendor's sample, as long as nothing better is known.
    assert own_render(job(expected_seconds=10), unknown, times) == 90
    assert own_render(job(expected_seconds=10, model="another"), unknown, times) is None
    assert own_render(job(expected_seconds=10, model="another"), known, times) == 50
    assert own_render(job(), known, times) == 50
    for render, billed in ((10, 10), (20, 10), (60, 10), (5, None)):
        times.note(render, output_seconds=billed)
    assert own_render(job(expected_seconds=30), known, times) == 60
    assert own_render(job(), unknown, times) == 20


def test_when_a_render_begins() -> None:
    queue = Queue(ahead=9, parallel=2, typical_render=50.0)
    start = expected_start(job(), queue, ahead=12)
    assert start is not None
    assert (start.seconds, start.limit, start.typical_render) == (300, 0.9 * (3 * HOUR - 50), 50)
    # A job that alone takes longer than the service gives does not end in time later either.
    alone = expected_start(job(expected_seconds=5_000), queue, ahead=12)
    assert alone is not None
    assert alone.limit == 0


def drive(*totals: int, renders: tuple[float, ...] = ()) -> tuple[Queue, list[dict[str, str]]]:
    """The queue that a service's totals tell, and what it was asked."""
    asked: list[dict[str, str]] = []
    rows = [
        {"task_id": f"t{number}", "start_time": BEGUN, "end_time": BEGUN + int(seconds * 1000)}
        for number, seconds in enumerate(renders)
    ]
    answers = iter([*totals, len(rows)])
    requests = queue_requests("m")
    request = next(requests)
    while True:
        asked.append(dict(request.query))
        data = rows if request.query["status"] == "SUCCEEDED" else []
        try:
            request = requests.send(request.parse({"data": data, "total": next(answers)}))
        except StopIteration as end:
            return end.value, asked


def test_a_short_queue_takes_two_requests() -> None:
    queue, asked = drive(1, 2)
    assert queue == Queue(ahead=3, parallel=1, typical_render=None)
    assert asked == [
        {"model_name": "m", "status": "RUNNING", "page_no": "1", "page_size": "1"},
        {"model_name": "m", "status": "PENDING", "page_no": "1", "page_size": "1"},
    ]


def test_a_longer_one_takes_the_last_renders_too() -> None:
    queue, asked = drive(2, 2, renders=(100.0, 120.0, 300.0))
    assert queue == Queue(ahead=4, parallel=2, typical_render=120.0)
    assert asked[2:] == [{"model_name": "m", "status": "SUCCEEDED", "page_no": "1", "page_size": "10"}]


@pytest.mark.parametrize(
    ("limit", "render", "ahead", "parallel", "expected"),
    [
        # Nine tenths of the shorter of both: the limit of the begin, and three hours less the render.
        (1000.0, 100.0, 5, 1, (500.0, 900.0)),
        (3 * HOUR, 100.0, 5, 2, (250.0, 9630.0)),
        (3 * HOUR, 100.0, 5, 0, (500.0, 9630.0)),
        (3 * HOUR, 3 * HOUR + 1, 1, 1, (3 * HOUR + 1, 0.0)),
    ],
)
def test_when_a_render_begins_and_when_it_must(
    limit: float, render: float, ahead: int, parallel: int, expected: tuple[float, float]
) -> None:
    queue = Queue(ahead=9, parallel=parallel, typical_render=render)
    start = expected_start(JobToSubmit(model="m", limit=limit), queue, ahead=ahead)
    assert start is not None
    assert (start.seconds, start.limit, start.typical_render) == (*expected, render)


def test_nothing_is_expected_of_an_unknown_render() -> None:
    job = JobToSubmit(model="m", limit=HOUR)
    assert expected_start(job, Queue(ahead=9), ahead=9) is None
    times = RenderTimes()
    assert expected_start(job, Queue(ahead=9), ahead=9, render_times=times) is None
    times.note(50.0, output_seconds=None)
    start = expected_start(job, Queue(ahead=9), ahead=9, render_times=times)
    assert start is not None
    assert (start.seconds, start.typical_render) == (450.0, 50.0)


@pytest.mark.parametrize(("listed", "typical"), [(50.0, 50.0), (None, 20.0)])
def test_the_jobs_before_it_take_as_long_as_the_last_renders(listed: float | None, typical: float) -> None:
    """By the service's list, else by what this process has seen; not as long as its own, which is longer."""
    times = RenderTimes()
    times.note(20.0, output_seconds=0.1)
    queue = Queue(ahead=9, typical_render=listed)
    start = expected_start(job(expected_seconds=10.0), queue, ahead=6, render_times=times)
    assert start is not None
    assert (start.seconds, start.typical_render) == (6 * typical, typical)
    assert start.limit == pytest.approx(0.9 * (3 * HOUR - 2_000))


@pytest.mark.parametrize(
    ("start", "held", "sentence"),
    [
        (None, None, "7 render jobs may be in the account's queue"),
        (
            None,
            3,
            "7 render jobs may be in the account's queue and 3 submits are held back before this one",
        ),
        (
            ExpectedStart(seconds=600.0, limit=1.0, typical_render=99.6),
            None,
            "7 render jobs are in the account's queue, at about 100 s each. Expected to begin: 08:10 UTC, or later",
        ),
    ],
)
@pytest.mark.usefixtures("in_shanghai")
def test_why_a_submit_is_held_back(start: ExpectedStart | None, held: int | None, sentence: str) -> None:
    assert held_back_sentence(Queue(ahead=7), start, now=NOW, held=held) == sentence


def test_a_job_of_a_known_length_is_expected_by_the_catalog() -> None:
    """Its own render stands for the others', while nothing is known of them."""
    job = JobToSubmit(model="videoretalk", limit=HOUR, expected_seconds=10.0)
    start = expected_start(job, Queue(ahead=4), ahead=4)
    assert start is not None
    assert start.seconds == 4 * start.typical_render > 0
