"""Holding submits back that the account's queue would not begin in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore
from werkzeug import Request as Received
from werkzeug import Response

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.waiting.admission import Admission, HeldBackError, render_seconds
from airflow_provider_videoretalk.waiting.record import Generation, Intent, Record
from airflow_provider_videoretalk.waiting.register import Register
from airflow_provider_videoretalk.waiting.waitlist import Waitlist

NOW = 1_800_000_000.0
HOUR = 3600.0


def intent(
    owner: str = "me", *, expected_seconds: float | None = None, connection: str = "c", model: str = "videoretalk"
) -> Intent:
    return Intent(
        owner=owner,
        connection=connection,
        fingerprint="f",
        model=model,
        generation=Generation(max_tries=1, clear_number=0),
        expected_seconds=expected_seconds,
    )


class Account:
    """An account whose list tells how many tasks render and how many queue.

    :param render: seconds that each of its finished renders took, per 10 s of output
    """

    def __init__(self, service: HTTPServer, client: Client) -> None:
        self.rendering, self.queued, self.now = 1, 0, NOW
        self.has_list = True
        self.store = TaskStateStore()
        self.register = Register(self.store, clock=lambda: self.now)
        self.waitlist = Waitlist(self.store, "c", clock=lambda: self.now)
        self.client = client
        service.expect_request("/api/v1/tasks").respond_with_handler(self._list)

    def _list(self, request: Received) -> Response:
        if not self.has_list:
            return Response('{"code": "NotFound", "message": "no list"}', status=404, content_type="application/json")
        total = {"RUNNING": self.rendering, "PENDING": self.queued}[request.args["status"]]
        return Response(f'{{"total": {total}, "total_page": {total}, "data": []}}', content_type="application/json")

    def rendered(self, seconds: float, **of: str) -> None:
        """A render that took so long, of 10 s of output."""
        self.register.write(
            Record(
                intent=intent(f"done-{len(self.register.records())}", **of),
                intended_at=NOW - 100,
                task_id="t",
                finished=True,
                over=True,
                render_seconds=seconds,
                billed_seconds=10.0,
            )
        )

    def check(self, who: Intent, *, limit: float = 3 * HOUR) -> None:
        Admission(
            client=self.client, register=self.register, waitlist=self.waitlist, model="videoretalk", limit=limit
        ).check(who, now=self.now)

    def held_back(self, who: Intent, **arguments: Any) -> HeldBackError:
        with pytest.raises(HeldBackError) as caught:
            self.check(who, **arguments)
        return caught.value


@pytest.fixture
def account(httpserver: HTTPServer) -> Iterator[Account]:
    endpoint = Endpoint(base_url=httpserver.url_for("/api/v1"), api_key="sk-x", queries_per_second=1000)
    with Client(endpoint) as client:
        yield Account(httpserver, client)


def test_what_would_be_in_time_is_let_in(account: Account) -> None:
    account.rendered(100)
    account.queued = 94
    account.check(intent())


def test_what_would_not_be_in_time_is_held_back_until_it_would(account: Account) -> None:
    account.rendered(100)
    account.queued = 119
    held = account.held_back(intent())
    assert held.expected_start == NOW + 120 * 100
    # Room is nine tenths of three hours less its own render.
    assert held.moment == pytest.approx(NOW + 12_000 - 0.9 * (3 * HOUR - 100))
    assert "120 tasks are ahead in the account's queue and 0 held back, at about 100 s each" in str(held)


def test_its_own_queue_timeout_counts(account: Account) -> None:
    account.rendered(100)
    account.queued = 40
    account.check(intent())
    account.held_back(intent(), limit=HOUR)


def test_first_come_first_served(account: Account) -> None:
    account.rendered(100)
    account.queued = 119
    first = account.held_back(intent("first"))
    account.now += 60
    second = account.held_back(intent("second"))
    assert second.expected_start - account.now == first.expected_start - NOW + 100
    # When the queue has become short enough for one of them, that is who came first.
    account.now, account.queued = first.moment, 95
    account.held_back(intent("second"))
    account.check(intent("first"))
    account.check(intent("second"))


def test_who_never_came_back_is_passed(account: Account) -> None:
    account.rendered(100)
    account.queued = 119
    held = account.held_back(intent("gone"))
    account.now = held.moment + HOUR
    assert account.waitlist.ahead_of("me") == 0


def test_a_queue_that_is_nearly_empty_lets_in_who_asks(account: Account) -> None:
    """Those who are held back may have been killed, and keep their places for a while."""
    account.rendered(100)
    account.queued = 119
    for number in range(200):
        account.held_back(intent(f"held-{number}"))
    account.queued = 2
    account.check(intent("a newcomer"))


def test_many_at_once(account: Account) -> None:
    account.rendered(100)
    account.rendering, account.queued = 20, 400
    account.check(intent())


def test_a_longer_speech_takes_longer(account: Account) -> None:
    account.rendered(100)
    account.queued = 94
    account.check(intent(expected_seconds=10))
    account.held_back(intent(expected_seconds=120))


def test_nothing_is_held_back_for_ever(account: Account) -> None:
    """What alone takes longer than the service gives is its own affair."""
    account.rendered(100)
    account.rendering, account.queued = 0, 0
    account.check(intent(expected_seconds=5_000))


def test_nothing_known_holds_nothing_back(account: Account) -> None:
    account.queued = 1_000
    account.check(intent())
    account.rendered(100, connection="another")
    account.rendered(100, model="another")
    account.check(intent())


def test_without_a_list_this_airflow_counts_its_own(account: Account) -> None:
    account.has_list = False
    account.rendered(1_000)
    for number in range(40):
        ended = Record(intent=intent(f"failed-{number}"), intended_at=NOW - 10, task_id=f"f{number}", over=True)
        account.register.write(ended)
    account.check(intent())
    for number in range(12):
        account.register.write(Record(intent=intent(f"open-{number}"), intended_at=NOW - 10, task_id=f"t{number}"))
    assert "12 tasks are ahead" in str(account.held_back(intent()))


def test_what_a_render_takes() -> None:
    def done(render: float, billed: float | None) -> Record:
        return Record(intent=intent(), intended_at=NOW, finished=True, render_seconds=render, billed_seconds=billed)

    assert render_seconds([], expected_seconds=None) is None
    # The vendor's sample, as long as nothing better is known.
    assert render_seconds([], expected_seconds=10) == 90
    assert render_seconds([Record(intent=intent(expected_seconds=20), intended_at=NOW)], expected_seconds=None) == 180
    known = [done(10, 10), done(20, 10), done(60, 10), done(5, None)]
    assert render_seconds(known, expected_seconds=30) == 60
    assert render_seconds(known, expected_seconds=None) == 20
