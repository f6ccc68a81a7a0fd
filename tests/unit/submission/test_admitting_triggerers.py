"""How triggerers that hold submits of an account back know of each other."""

from __future__ import annotations

import pytest
from state_store import TaskStateStore

from airflow_provider_videoretalk.submission.admitting_triggerers import AdmittingTriggerers

NOW = 1_800_000_000.0


class Airflow:
    def __init__(self) -> None:
        self.now = NOW
        self.variables = TaskStateStore()

    def triggerer(self, account: str = "account", model: str = "m") -> AdmittingTriggerers:
        return AdmittingTriggerers(self.variables, account, model=model, clock=lambda: self.now)


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


def test_each_counts_the_others(airflow: Airflow) -> None:
    one, two = airflow.triggerer(), airflow.triggerer()
    assert one.enter() == 0
    assert two.enter() == 1
    assert one.enter() == 1
    assert airflow.triggerer().others(airflow.now) == 2
    one.leave()
    assert two.enter() == 0
    two.leave()
    assert dict(airflow.variables) == {}


def test_other_accounts_and_models_do_not_count(airflow: Airflow) -> None:
    airflow.triggerer(account="another").enter()
    airflow.triggerer(model="another").enter()
    assert airflow.triggerer().enter() == 0


def test_a_triggerer_that_was_killed_counts_for_an_hour(airflow: Airflow) -> None:
    airflow.triggerer().enter()
    airflow.now += 3599
    assert airflow.triggerer().others(airflow.now) == 1
    airflow.now += 1
    assert airflow.triggerer().others(airflow.now) == 0
    # Whoever writes a key next deletes those that do not count any more.
    airflow.triggerer().enter()
    assert len(airflow.variables) == 1


def test_a_triggerer_renews_its_key_in_half_an_hour(airflow: Airflow) -> None:
    one, two = airflow.triggerer(), airflow.triggerer()
    one.enter()
    (first,) = airflow.variables
    airflow.now += 1800
    one.enter()
    assert list(airflow.variables) == [first]
    airflow.now += 1
    one.enter()
    (second,) = airflow.variables
    assert second != first
    airflow.now += 3000
    assert two.enter() == 1


def test_leaving_twice_is_once(airflow: Airflow) -> None:
    one = airflow.triggerer()
    one.leave()
    one.enter()
    one.leave()
    one.leave()
    assert one.enter() == 0
    assert len(airflow.variables) == 1


def test_a_key_that_could_not_be_written_is_written_next_time(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = airflow.triggerer()

    def away(key: str, value: object) -> None:
        raise RuntimeError("away")

    with monkeypatch.context() as patch:
        patch.setattr(airflow.variables, "set", away)
        with pytest.raises(RuntimeError):
            one.enter()
    assert one.enter() == 0
    assert len(airflow.variables) == 1
