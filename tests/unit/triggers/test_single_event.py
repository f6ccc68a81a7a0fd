"""No trigger of this package fires within a few seconds of its start: Airflow's scheduler could fail the task then."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import time
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger
from unit.polling.virtual import VirtualLoop, run

from airflow_provider_videoretalk import triggers
from airflow_provider_videoretalk.triggers import client as trigger_client
from airflow_provider_videoretalk.triggers.admission import AdmissionTrigger
from airflow_provider_videoretalk.triggers.dashscope import DashScopeTaskTrigger
from airflow_provider_videoretalk.triggers.retry_later import RetryLaterTrigger
from airflow_provider_videoretalk.triggers.single_event import SingleEventTrigger

SHORTEST_DEFERRAL = 15.0
# Each of them ends its wait at its first step.
ENDS_AT_ONCE: dict[type[BaseTrigger], list[dict[str, Any]]] = {
    DashScopeTaskTrigger: [{"dashscope_conn_id": "c", "dashscope_task_id": "t", "version": 99}],
    AdmissionTrigger: [
        {"dashscope_conn_id": "c", "model": "m", "held_since": 1.0, "limit": 60.0, "version": 99},
        {"dashscope_conn_id": "c", "model": "m", "held_since": 1.0, "limit": 60.0, "deadline": 1.0},
    ],
    RetryLaterTrigger: [
        {"moment": 0.0, "note": {"refusals": 1}},
        {"moment": time.time() + 0.5, "note": {}},
        {"moment": 0.0, "note": {}, "version": 99},
    ],
}


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual loop has no threads, on which heavy modules would be loaded."""
    monkeypatch.setattr(trigger_client, "_LOADED", [trigger_client])


def own_triggers() -> set[type[BaseTrigger]]:
    modules = [
        importlib.import_module(f"{triggers.__name__}.{found.name}")
        for found in pkgutil.iter_modules(triggers.__path__)
    ]
    return {
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, BaseTrigger) and kind not in (BaseTrigger, SingleEventTrigger)
    }


def fired_after(trigger: BaseTrigger, *, trigger_id: int | None) -> float:
    """The seconds from a trigger's start to its event."""
    trigger.trigger_id = trigger_id

    async def main(loop: VirtualLoop) -> float:
        begun = loop.time()
        events = [loop.time() - begun async for _ in trigger.run()]
        assert len(events) == 1
        return events[0]

    return run(main)


def test_all_triggers_are_tried() -> None:
    assert own_triggers() == set(ENDS_AT_ONCE)


@pytest.mark.parametrize(("kind", "arguments"), [(kind, each) for kind, all_ in ENDS_AT_ONCE.items() for each in all_])
def test_no_trigger_fires_right_after_the_deferral(kind: type[BaseTrigger], arguments: dict[str, Any]) -> None:
    assert fired_after(kind(**arguments), trigger_id=7) == pytest.approx(SHORTEST_DEFERRAL)


@pytest.mark.parametrize(("kind", "arguments"), [(kind, each) for kind, all_ in ENDS_AT_ONCE.items() for each in all_])
def test_without_a_scheduler_nothing_is_delayed(kind: type[BaseTrigger], arguments: dict[str, Any]) -> None:
    # They spread their start over half a second.
    assert fired_after(kind(**arguments), trigger_id=None) < 0.6


def test_a_long_wait_is_not_made_longer() -> None:
    trigger = RetryLaterTrigger(moment=time.time() + 4 * SHORTEST_DEFERRAL, note={})
    assert fired_after(trigger, trigger_id=7) < 4 * SHORTEST_DEFERRAL + 0.1
