from __future__ import annotations

import pytest
from pydantic import ValidationError

from airflow_provider_videoretalk.emulator.faults import FaultPlan, FaultRule


def test_rule_affects_its_operation_as_often_as_it_says() -> None:
    plan = FaultPlan()
    rule = FaultRule(operation="query", effect="throttle", times=2)
    plan.arm(rule)
    assert plan.take("submit") is None
    assert [plan.take("query") for _ in range(3)] == [rule, rule, None]
    assert plan.pending() == []


def test_rule_skips_the_first() -> None:
    plan = FaultPlan()
    rule = FaultRule(operation="query", effect="html", after=2)
    plan.arm(rule)
    assert [plan.take("query") for _ in range(4)] == [None, None, rule, None]


def test_rules_apply_in_order_and_one_that_skips_passes_the_request_on() -> None:
    plan = FaultPlan()
    late = FaultRule(operation="submit", effect="drop_after", after=1)
    first = FaultRule(operation="submit", effect="throttle")
    plan.arm(late, first)
    assert [plan.take("submit") for _ in range(3)] == [first, late, None]


def test_pending_returns_the_remaining_rules_and_clear_removes_them() -> None:
    plan = FaultPlan()
    plan.arm(FaultRule(operation="query", effect="html", times=3, after=1))
    plan.take("query")
    plan.take("query")
    assert [(rule.times, rule.after) for rule in plan.pending()] == [(2, 0)]
    plan.clear()
    assert plan.take("query") is None


@pytest.mark.parametrize(
    "rule",
    [
        {"operation": "query", "effect": "explode"},
        {"operation": "everything", "effect": "html"},
        {"operation": "query", "effect": "fail_task"},
        {"operation": "query", "effect": "ignore"},
        {"operation": "query", "effect": "empty_list"},
        {"operation": "query", "effect": "date"},
        {"operation": "query", "effect": "truncate", "at_byte": 3},
        {"operation": "result", "effect": "truncate"},
        {"operation": "result", "effect": "result_cut"},
        {"operation": "submit", "effect": "result_html"},
        {"operation": "query", "effect": "html", "times": 0},
        {"operation": "query", "effect": "html", "typo": 1},
    ],
)
def test_wrong_rule_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FaultRule.model_validate(rule)
