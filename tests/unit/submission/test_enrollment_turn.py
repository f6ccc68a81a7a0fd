"""Whose turn it is to enrol a voice, in every order of the steps of the task instances."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from state_store import TaskStateStore
from unit.submission.enrolling import CrashError

from airflow_provider_videoretalk.submission.enrollment_turn import EnrollmentTurn

NOW = 1_800_000_000.0


class Airflow:
    def __init__(self) -> None:
        self.now = NOW
        self.variables = TaskStateStore()

    def turn(
        self, run: str = "a", *, voice: str = "anna", account: str = "account", store: Any = None
    ) -> EnrollmentTurn:
        return EnrollmentTurn(
            self.variables if store is None else store,
            account=account,
            voice=voice,
            task_instance=f"dag/{run}/voice/-1",
            clock=lambda: self.now,
        )


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


def test_one_after_the_other(airflow: Airflow) -> None:
    a, b, c = airflow.turn("a"), airflow.turn("b"), airflow.turn("c")
    assert [turn.has_come() for turn in (b, a, c, b, c)] == [True, False, False, True, False]
    b.end()
    # In the order in which they came.
    assert [turn.has_come() for turn in (c, a)] == [False, True]
    # A number that is given up in between.
    c.end()
    a.end()
    assert dict(airflow.variables) == {}


def test_other_voices_and_accounts_do_not_wait(airflow: Airflow) -> None:
    assert airflow.turn("a").has_come()
    assert airflow.turn("b", voice="ben").has_come()
    assert airflow.turn("c", account="other").has_come()


def test_the_next_try_has_the_number_of_the_killed_one(airflow: Airflow) -> None:
    assert airflow.turn("a").has_come()
    assert not airflow.turn("b").has_come()
    assert airflow.turn("a").has_come()
    assert not airflow.turn("b").has_come()


def test_a_number_expires_after_ten_minutes(airflow: Airflow) -> None:
    assert airflow.turn("a").has_come()
    airflow.now += 599
    assert not airflow.turn("b").has_come()
    airflow.now += 1
    assert airflow.turn("b").has_come()
    # Who had it before takes a new one.
    assert not airflow.turn("a").has_come()


def test_a_number_that_is_waited_with_is_renewed(airflow: Airflow) -> None:
    a, b, c = airflow.turn("a"), airflow.turn("b"), airflow.turn("c")
    for _ in range(20):
        assert [a.has_come(), b.has_come(), c.has_come()] == [True, False, False]
        assert len(airflow.variables) == 3
        airflow.now += 61


def test_a_turn_that_has_come_lasts_for_nine_minutes(airflow: Airflow) -> None:
    a, b, c = airflow.turn("a"), airflow.turn("b"), airflow.turn("c")
    assert [a.has_come(), b.has_come()] == [True, False]
    airflow.now += 60
    a.end()
    assert b.has_come()
    airflow.now += 539
    assert not c.has_come()
    airflow.now += 1
    assert c.has_come()


def test_a_number_is_renewed_after_more_than_a_minute(airflow: Airflow) -> None:
    a, b = airflow.turn("a"), airflow.turn("b")
    assert [a.has_come(), b.has_come()] == [True, False]
    airflow.now += 60.5
    assert a.has_come()
    airflow.now += 599.5
    # The number of the first one has half a second left; that of the other one has expired.
    assert not b.has_come()


@pytest.mark.parametrize(("elapsed", "is_kept"), [(539.5, True), (540, False)])
def test_a_number_with_more_than_a_minute_left_is_kept(airflow: Airflow, elapsed: float, is_kept: bool) -> None:
    a, b = airflow.turn("a"), airflow.turn("b")
    assert a.has_come()
    airflow.now += 300
    assert not b.has_come()
    airflow.now += elapsed - 300
    assert a.has_come() is is_kept


@pytest.mark.parametrize("skew", [0, 1, 59])
def test_a_number_that_has_nearly_expired_is_none(airflow: Airflow, skew: float) -> None:
    """Another task instance, whose clock is ahead or whose look comes later, may take it for expired already."""
    assert airflow.turn("a").has_come()
    airflow.now += 599 + skew
    other = airflow.turn("b").has_come()
    assert other == (skew > 0)
    airflow.now -= skew
    assert not airflow.turn("a").has_come()
    assert airflow.turn("b").has_come()


def test_what_airflow_does_not_delete_expires(airflow: Airflow, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(TaskStateStore):
        def names(self, prefix: str) -> list[str]:
            raise RuntimeError("the API server is away")

    airflow.turn("a").has_come()
    airflow.turn("a", store=Failing()).end()
    assert "The turn to enrol is not over for other runs before it expires: RuntimeError" in caplog.text
    assert len(airflow.variables) == 1


def test_whoever_takes_a_number_deletes_what_has_expired(airflow: Airflow) -> None:
    airflow.turn("a").has_come()
    airflow.turn("b", voice="ben").has_come()
    airflow.variables.set("dashscope_enrollment_v1_notes", "a person's")
    airflow.now += 600
    turn = airflow.turn("c", voice="eve")
    turn.has_come()
    turn.end()
    assert list(airflow.variables) == ["dashscope_enrollment_v1_notes"]


def test_the_log_names_the_variable_with_the_other_task_instance(
    airflow: Airflow, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    airflow.turn("a").has_come()
    ((key, value),) = airflow.variables.items()
    assert value == "dag/a/voice/-1"
    b = airflow.turn("b")
    b.has_come()
    b.has_come()
    assert [record.getMessage() for record in caplog.records] == [
        f"Waits: the task instance that the Variable {key} names enrols the same sample"
    ]


class SteppedStore:
    """A store that says before each use that its user is there."""

    def __init__(self, store: TaskStateStore, reach: Callable[[], None]) -> None:
        self._store, self._reach = store, reach

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def use(*arguments: Any) -> Any:
            self._reach()
            return getattr(self._store, name)(*arguments)

        return use


# Read, announce, read, take a number, delete the announcement, read.
USES = 6


class Run:
    """A run in a thread of its own. Each :meth:`step` is one use of the store."""

    def __init__(self, airflow: Airflow, name: str) -> None:
        self._may_step, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._turn = airflow.turn(name, store=SteppedStore(airflow.variables, self._reach))
        self._dies = False
        self.has_come: bool | None = None
        threading.Thread(target=self._ask, daemon=True).start()
        assert self._stopped.acquire(timeout=20)

    def _ask(self) -> None:
        with suppress(CrashError):
            self.has_come = self._turn.has_come()
        self._stopped.release()

    def _reach(self) -> None:
        self._stopped.release()
        assert self._may_step.acquire(timeout=20)
        if self._dies:
            raise CrashError

    def step(self) -> None:
        self._may_step.release()
        assert self._stopped.acquire(timeout=20)

    def die(self) -> None:
        self._dies = True
        self.step()


def orders(runs: str, *, steps: int) -> Iterator[tuple[str, ...]]:
    for chosen in itertools.combinations(range(2 * steps), steps):
        yield tuple(runs[at in chosen] for at in range(2 * steps))


def test_one_has_the_turn_in_every_order() -> None:
    for order in orders("ab", steps=USES):
        airflow = Airflow()
        runs = {name: Run(airflow, name) for name in "ab"}
        for name in order:
            runs[name].step()
        assert [runs[name].has_come for name in "ab"].count(None) == 0, order
        assert [runs[name].has_come for name in "ab"].count(True) <= 1, order
        # Both have a number now.
        later = [airflow.turn(name).has_come() for name in "ab"]
        assert later.count(True) == 1, order
        assert all(later[place] or not runs[name].has_come for place, name in enumerate("ab")), order


def prefixes(killed: str, other: str) -> Iterator[tuple[str, ...]]:
    """All orders in which one run takes some steps, and the other all of them."""
    for steps in range(USES):
        for chosen in itertools.combinations(range(USES + steps), steps):
            yield tuple(killed if at in chosen else other for at in range(USES + steps))


@pytest.mark.parametrize(("killed", "other"), [("a", "b"), ("b", "a")])
def test_wherever_a_try_dies_the_runs_go_on_one_after_the_other(killed: str, other: str) -> None:
    for order in prefixes(killed, other):
        airflow = Airflow()
        runs = {name: Run(airflow, name) for name in "ab"}
        for name in order:
            runs[name].step()
        runs[killed].die()
        # The next try, and then both in turn.
        later = [{name: airflow.turn(name).has_come() for name in (killed, other)} for _ in range(2)][-1]
        assert list(later.values()).count(True) == 1, order
        assert later[other] or not runs[other].has_come, order
        first, second = sorted(later, key=later.__getitem__, reverse=True)
        airflow.turn(first).end()
        assert airflow.turn(second).has_come(), order
        airflow.turn(second).end()
        assert airflow.variables.data == {}, order
