"""How long a render takes, as far as this Airflow knows."""

from __future__ import annotations

import time
from typing import Any

import pytest
from state_store import TaskStateStore

from airflow_provider_videoretalk.airflow_adapters import variable_store
from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.operators.render_forecast import render_seconds
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry


def rendered(name: str, seconds: float | None, *, of: float | None = 10.0, ago: float = 60.0, **changes: Any) -> Record:
    intent = Intent(
        task_instance=name,
        connection_id="c",
        fingerprint="f",
        model=changes.get("model", "videoretalk"),
        clear_count=ClearCount(max_tries=1, clear_number=0),
    )
    return Record(intent=intent, intended_at=time.time() - ago, task_id=name, render_seconds=seconds, billed_seconds=of)


@pytest.fixture
def known(variables: TaskStateStore, monkeypatch: pytest.MonkeyPatch) -> SubmissionRegistry:
    monkeypatch.setattr(variable_store, "HAS_KEYS", True)
    return SubmissionRegistry(variable_store.VariableStore())


def warned(*message: object) -> None:
    raise AssertionError(message)


def test_as_the_last_ones_for_each_second(known: SubmissionRegistry) -> None:
    for record in (
        rendered("one", 40.0),
        rendered("two", 60.0),
        rendered("three", 80.0),
        rendered("another model", 1.0, model="animation"),
        rendered("four hours ago", 1.0, ago=4 * 3600),
        rendered("goes on", None),
    ):
        known.write(record)
    # Six seconds for each one of output.
    assert render_seconds(warned)(20.0, "videoretalk") == 120.0


def test_as_the_last_one_where_its_length_is_unknown(known: SubmissionRegistry) -> None:
    known.write(rendered("one", 40.0, of=None))
    assert render_seconds(warned)(20.0, "videoretalk") == 40.0


def test_as_the_vendors_sample_before_any(known: SubmissionRegistry) -> None:
    assert render_seconds(warned)(20.0, "videoretalk") == 20.0 * VIDEORETALK.render_factor


@pytest.mark.parametrize("has_keys", [True, False])
def test_a_forecast_needs_no_registry(
    known: SubmissionRegistry, monkeypatch: pytest.MonkeyPatch, has_keys: bool
) -> None:
    def away(*_: object, **__: object) -> Any:
        raise TransportError("Airflow is away")

    warnings: list[str] = []
    monkeypatch.setattr(variable_store, "HAS_KEYS", has_keys)
    monkeypatch.setattr(SubmissionRegistry, "records", away)
    forecast = render_seconds(lambda message, *given: warnings.append(message % given))
    assert forecast(20.0, "videoretalk") == 20.0 * VIDEORETALK.render_factor
    assert warnings == (["The last renders cannot be read: Airflow is away"] if has_keys else [])
