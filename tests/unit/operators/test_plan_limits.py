"""What a plan is refused for, at each limit."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_videoretalk.batches.table_text import Fault
from airflow_provider_videoretalk.operators import plan_limits as module
from airflow_provider_videoretalk.operators.plan_limits import check_plan


def check(*faults: Fault, cost: str = "1", planned: Any = (), exact: bool = True, **arguments: Any) -> None:
    given: dict[str, Any] = {"max_cost": None, "skip_bad_rows": False, "tasks": 1}
    document = {"counts": {"refuse": len(faults)}, "currency": "CNY", "exact": exact}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "total_cost", lambda planned: Decimal(cost))
        check_plan(document, planned, faults, **(given | arguments))


def fault(line: int) -> Fault:
    return Fault(line=line, column="text", value="it is empty", remedy="Fill it.")


def test_a_plan_may_cost_what_is_allowed() -> None:
    check(max_cost=Decimal("1"))
    with pytest.raises(AirflowFailException, match=r"^the batch costs 1\.01 CNY, allowed is at most 1 CNY \(max_cost"):
        check(max_cost=Decimal("1"), cost="1.01")
    with pytest.raises(AirflowFailException, match=r"^the batch costs at most 1\.01 CNY"):
        check(max_cost=Decimal("1"), cost="1.01", exact=False)


def test_a_plan_may_have_as_many_tasks_as_airflow_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "conf", SimpleNamespace(getint=lambda *name, fallback: {"core": fallback}[name[0]]))
    check(tasks=1024)
    with pytest.raises(AirflowFailException, match=r"^1025 videos are to be made, Airflow allows 1024 mapped tasks"):
        check(tasks=1025)


def test_the_setting_of_airflow_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "7")
    check(tasks=7)
    with pytest.raises(AirflowFailException, match="Airflow allows 7 mapped tasks"):
        check(tasks=8)


@pytest.mark.parametrize(
    ("count", "last"), [(30, "line 30, column text: it is empty. Fill it."), (32, "... and 2 more")]
)
def test_thirty_faults_are_named_in_the_order_of_their_lines(
    count: int, last: str, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [fault(line) for line in range(count, 0, -1)]
    with pytest.raises(AirflowFailException) as caught:
        check(*faults)
    first, *lines = str(caught.value).splitlines()
    assert first == f"{count} rows have faults, and nothing was submitted. Correct them, or set skip_bad_rows:"
    assert lines[0] == "line 1, column text: it is empty. Fill it."
    assert lines[29] == "line 30, column text: it is empty. Fill it."
    assert lines[-1].startswith(last)
    # The log has all.
    assert len(caplog.records) == count


def test_faults_of_planned_rows_count_too() -> None:
    planned = [SimpleNamespace(faults=[fault(3)])]
    with pytest.raises(AirflowFailException, match="line 3, column text"):
        check(planned=planned)
    check(planned=planned, skip_bad_rows=True)
