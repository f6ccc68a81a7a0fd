"""What a submit is recorded with: for which task instance, after which clear, under which name."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk import Context
from state_store import TaskStateStore

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.airflow_adapters.job_history_writer import open_history
from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.job_history.fact_keys import day_of
from airflow_provider_videoretalk.operators.job_submission import admission_of, intent_of, job_of, open_ledger
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob
from airflow_provider_videoretalk.submission.admitting_triggerers import AdmittingTriggerers
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record

NOW = 1_800_000_000.0


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str, *values: object) -> None:
        self.lines.append(text % values)

    warning = info


class Inputs:
    """An operator, as far as it describes its inputs."""

    model = "m"
    dashscope_conn_id = "c"

    def __init__(self, *, readable: bool = True) -> None:
        self.readable = readable
        self.log = Log()

    def identity(self) -> Mapping[str, Any]:
        if not self.readable:
            raise TransportError("the disk is away")
        return {"b": 1, "a": "x"}

    def input_locations(self) -> Mapping[str, Any]:
        return {"a": "file:///x"}


def context(**others: Any) -> Context:
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=3, max_tries=5, **others)
    found = {"ti": ti, "dag_run": SimpleNamespace(clear_number=2), "task_state_store": TaskStateStore()}
    return cast("Context", found)


INTENT = Intent(
    task_instance="d/r/t/3",
    connection_id="c",
    account_id="account",
    # The SHA-256 of {"a": "x", "b": 1} and of {"a": "file:///x"}.
    fingerprint="385820f0096fd558f4091319e7fa742cebf877dc3baca180981889f1c40eca84",
    location_fingerprint="1723726dc70feb4ec54fb51b751c59545cb5cfacaceec5c83044dbc7b96802e0",
    model="m",
    clear_count=ClearCount(max_tries=5, clear_number=2),
)


def test_what_a_try_is_about_to_submit() -> None:
    assert intent_of(Inputs(), context(), account_id="account") == INTENT


def test_an_airflow_that_does_not_count_the_clears_of_a_run_has_cleared_none() -> None:
    run = cast("Context", {**context(), "dag_run": SimpleNamespace()})
    intent = intent_of(Inputs(), run, account_id="account")
    assert intent.clear_count == ClearCount(max_tries=5, clear_number=0)


def test_inputs_that_cannot_be_read_now_have_a_location_all_the_same() -> None:
    unread = Inputs(readable=False)
    intent = intent_of(unread, context(), account_id="account")
    assert (intent.fingerprint, intent.location_fingerprint) == (None, INTENT.location_fingerprint)
    assert unread.log.lines == ["The inputs cannot be compared with those of an earlier try now: the disk is away"]


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize(("others", "label"), [({"rendered_map_index": "Ada"}, "Ada"), ({}, None)])
def test_the_history_has_the_name_of_a_mapped_clip(
    monkeypatch: pytest.MonkeyPatch, durable: bool, others: dict[str, Any], label: str | None
) -> None:
    """Also if no record is kept."""
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)
    log, run = Log(), context(**others)
    open_ledger(run, durable=durable, log=log).record_intent(INTENT, now=NOW)
    (found,) = open_history().load(day_of(NOW))
    assert (found.task_instance, found.submitted.label) == ("d/r/t/3", label)
    assert bool(run["task_state_store"]) is durable  # type: ignore[typeddict-item]
    why = "A retry submits a new job: durable is False, or Airflow is older than 3.3 and keeps no task state"
    assert log.lines == ([] if durable else [why])


@pytest.mark.parametrize(("submitted_at", "expected"), [(NOW + 1, NOW + 1), (None, NOW)])
def test_the_job_of_a_record(submitted_at: float | None, expected: float) -> None:
    intent = Intent(
        task_instance="d/r/t/3",
        connection_id="c",
        fingerprint=None,
        model="m",
        clear_count=ClearCount(max_tries=0, clear_number=0),
        expected_seconds=9.5,
        cost_estimate={"currency": "CNY"},
    )
    record = Record(intent=intent, intended_at=NOW, task_id="j", request_id="r", submitted_at=submitted_at)
    assert job_of(record) == AwaitedJob(
        task_id="j", request_id="r", submitted_at=expected, expected_seconds=9.5, cost_estimate={"currency": "CNY"}
    )


@pytest.mark.parametrize("has_keys", [True, False])
def test_whoever_holds_back_submits_of_the_account_and_model_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, variables: TaskStateStore, has_keys: bool
) -> None:
    """Where Airflow's Variables can be listed."""
    monkeypatch.setattr(variable_store, "HAS_KEYS", has_keys)
    ledger, client = open_ledger(context(), durable=True, log=Log()), cast("Client", object())
    admission = admission_of(client, ledger, INTENT, queue_timeout=60.0)
    assert (admission.client, admission.registry, admission.limit) == (client, ledger.registry, 60.0)
    for account, model in (("account", "other"), ("other", "m"), ("account", "m")):
        AdmittingTriggerers(variables, account, model=model, clock=lambda: NOW).enter()
    assert admission.triggerers.others(NOW) == int(has_keys)
