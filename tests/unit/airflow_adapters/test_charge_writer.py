"""What a try pays for is written as it is paid, and no failure to write it fails the task."""

from __future__ import annotations

import logging
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from state_store import TaskStateStore

from airflow_provider_videoretalk.airflow_adapters import charge_writer, variable_store
from airflow_provider_videoretalk.airflow_adapters.charge_writer import ChargeWriter
from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.job_history.history import JobHistory


def writer(context: dict[str, Any]) -> ChargeWriter:
    return ChargeWriter(context=context, connection_id="c", paid_for="speech")  # type: ignore[arg-type]


def written(variables: TaskStateStore) -> list[Charged]:
    return JobHistory(variables).load_with_charges(date(1970, 1, 1))[1]


@pytest.fixture(autouse=True)
def with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)


def test_each_request_is_added(variables: TaskStateStore, context: dict[str, Any]) -> None:
    charges = writer(context)
    charges.add(Decimal("0.0026"), currency="CNY", model="m")
    (first,) = written(variables)
    assert (first.requests, first.cost, first.unpriced) == (1, 0.0026, 0)
    charges.add(None, currency="CNY", model="m")
    charges.add(Decimal("0.0011"), currency="CNY", model="m")
    (found,) = written(variables)
    assert (found.requests, found.cost, found.unpriced, found.currency) == (3, 0.0037, 1, "CNY")
    assert (found.connection_id, found.paid_for, found.model) == ("c", "speech", "m")
    ti = context["ti"]
    assert found.task_instance == f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}"


@pytest.mark.parametrize(("moment", "looks"), [(1_000.000, 1), (1_000.001, 0), (1_000.016, 1)])
def test_one_task_of_sixteen_looks_for_old_facts(
    variables: TaskStateStore, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, moment: float, looks: int
) -> None:
    """A deployment without render jobs has no submit that does."""
    seen: list[str] = []
    monkeypatch.setattr(JobHistory, "drop_expired", lambda self: seen.append("looked"))
    monkeypatch.setattr(charge_writer, "time", SimpleNamespace(time=lambda: moment))
    charges = writer(context)
    charges.add(Decimal(1), currency="CNY", model="m")
    charges.add(Decimal(1), currency="CNY", model="m")
    assert len(seen) == looks


def test_a_store_that_fails_fails_no_task(
    monkeypatch: pytest.MonkeyPatch, context: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(TaskStateStore):
        def set(self, key: str, value: Any) -> None:
            raise OSError("the database is away")

    monkeypatch.setattr(variable_store, "VariableStore", Broken)
    with caplog.at_level(logging.WARNING):
        writer(context).add(Decimal(1), currency="CNY", model="m")
        writer({}).add(Decimal(1), currency="CNY", model="m")
    assert "paid for speech (OSError: the database is away)" in caplog.text
    assert "The job history lacks what was paid for speech (KeyError)" in caplog.text


def test_an_airflow_without_keys_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, variables: TaskStateStore, context: dict[str, Any]
) -> None:
    monkeypatch.setattr(variable_store, "HAS_KEYS", False)
    writer(context).add(Decimal(1), currency="CNY", model="m")
    assert not variables
