"""What a record says, by the facts that it has."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from airflow_provider_videoretalk.job_history.facts import Fact, FactKind, JobReport, Published, Submitted
from airflow_provider_videoretalk.job_history.job_record import Billing, JobRecord
from airflow_provider_videoretalk.job_history.job_table import table_of

NOW = 1_800_000_000.0
HOUR = 3600.0
SUBMITTED = Submitted(
    task_instance="dag/manual/with/slashes/retalk/3",
    connection_id="c",
    model="videoretalk",
    intended_at=NOW,
    job_id="t1",
    estimated_cost=0.9,
    currency="CNY",
)
LOST = replace(SUBMITTED, job_id=None)


def report(status: str, *, at: float = 60.0, **fields: Any) -> JobReport:
    return JobReport(job_id="t1", status=status, reported_at=NOW + at, **fields)


BILLED = report("SUCCEEDED", billed_seconds=7.5, cost=0.6, currency="CNY", expires_at=NOW + 86400)
FREE = report("FAILED", billed_seconds=0.0)


@pytest.mark.parametrize(
    ("record", "hours", "billing"),
    [
        (JobRecord(submitted=SUBMITTED, ended=BILLED), 1, "billed"),
        (JobRecord(submitted=SUBMITTED, checked=BILLED), 1, "billed"),
        (JobRecord(ended=BILLED), 1, "billed"),
        (JobRecord(submitted=SUBMITTED, ended=FREE), 1, "free"),
        (JobRecord(submitted=SUBMITTED, ended=report("FAILED", billed_seconds=3.0)), 1, "billed"),
        (JobRecord(submitted=SUBMITTED, ended=report("SUCCEEDED")), 1, "unknown"),
        (JobRecord(submitted=SUBMITTED, ended=report("UNKNOWN")), 1, "unknown"),
        (JobRecord(submitted=SUBMITTED), 1, "open"),
        (JobRecord(submitted=SUBMITTED, checked=report("RUNNING")), 3, "open"),
        (JobRecord(submitted=SUBMITTED), 4, "unknown"),
        (JobRecord(submitted=SUBMITTED, checked=report("RUNNING")), 4, "unknown"),
        (JobRecord(submitted=LOST), 0, "unknown"),
        (JobRecord(submitted=replace(LOST, nothing_created=True)), 0, "free"),
        (JobRecord(published=Published(job_id="t1", uri="s3://b/k", published_at=NOW)), 0, "unknown"),
    ],
)
def test_billing(record: JobRecord, hours: float, billing: Billing) -> None:
    assert record.billing(now=NOW + hours * HOUR) == billing


@pytest.mark.parametrize(
    ("ended", "checked", "status"),
    [
        # A cancel that was believed, and did not happen.
        ("CANCELED", "SUCCEEDED", "SUCCEEDED"),
        # The service forgets a job after a day.
        ("SUCCEEDED", "UNKNOWN", "SUCCEEDED"),
        ("FAILED", "UNKNOWN", "FAILED"),
        ("UNKNOWN", "SUCCEEDED", "SUCCEEDED"),
        ("UNKNOWN", "FAILED", "FAILED"),
        ("CANCELED", "FAILED", "FAILED"),
    ],
)
def test_what_says_most_counts(ended: str, checked: str, status: str) -> None:
    record = JobRecord(submitted=SUBMITTED, ended=report(ended), checked=report(checked, at=90))
    assert record.status == status


def test_the_task_instance_of_a_record() -> None:
    record = JobRecord(submitted=SUBMITTED, ended=BILLED)
    assert (record.dag_id, record.run_id, record.task_id, record.map_index) == (
        "dag",
        "manual/with/slashes",
        "retalk",
        3,
    )
    waited = JobRecord(ended=replace(BILLED, task_instance="other/run/wait/-1"))
    assert (waited.dag_id, waited.run_id, waited.task_id, waited.map_index) == ("other", "run", "wait", -1)


@pytest.mark.parametrize("name", ["", "dag", "dag/run/task", "dag/run/task/first"])
def test_a_damaged_name_of_a_task_instance_has_no_index(name: str) -> None:
    assert JobRecord(submitted=replace(SUBMITTED, task_instance=name)).map_index is None


def test_amounts() -> None:
    record = JobRecord(submitted=SUBMITTED, ended=BILLED)
    assert (record.billed_seconds, record.cost, record.currency) == (7.5, 0.6, "CNY")
    assert (record.estimated_cost, record.expires_at) == (0.9, NOW + 86400)
    free = JobRecord(submitted=SUBMITTED, ended=FREE)
    assert (free.billed_seconds, free.cost, free.currency) == (0.0, 0.0, "CNY")
    unknown = JobRecord(submitted=SUBMITTED)
    assert (unknown.billed_seconds, unknown.cost, unknown.currency) == (None, None, "CNY")


FACTS: list[tuple[FactKind, Fact]] = [
    ("submitted", LOST),
    ("submitted", SUBMITTED),
    ("ended", report("UNKNOWN", at=99)),
    ("ended", BILLED),
]


@pytest.mark.parametrize("facts", list(permutations(FACTS)))
def test_the_order_of_facts_does_not_matter(facts: list[tuple[FactKind, Fact]]) -> None:
    (record,) = table_of([*facts, *facts]).records()
    assert record == JobRecord(submitted=SUBMITTED, ended=BILLED)


def test_a_job_that_two_submits_claim_is_billed_once() -> None:
    twin = replace(SUBMITTED, intended_at=NOW + 1)
    facts: list[tuple[FactKind, Fact]] = [("submitted", SUBMITTED), ("submitted", twin), ("ended", BILLED)]
    assert len(list(table_of(facts).records())) == 1


def test_submits_of_one_task_instance_are_told_apart() -> None:
    facts: list[tuple[FactKind, Fact]] = [("submitted", replace(LOST, intended_at=NOW + n)) for n in range(3)]
    assert len(list(table_of(facts).records())) == 3
