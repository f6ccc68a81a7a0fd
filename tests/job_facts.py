"""Facts of the job history, as tasks write them. Each job is of the same run, unless the test says otherwise."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow_provider_videoretalk.job_history.charges import Charged
from airflow_provider_videoretalk.job_history.facts import JobReport, Submitted

DAG, OTHER = "videoretalk_quickstart", "videoretalk_submit_and_sense"
NOW = datetime.now(timezone.utc).timestamp()
HOUR = 3600.0


def submit(job_id: str | None, *, dag: str = DAG, run: str = "run", hours_ago: float = 5.0, **fields: Any) -> Submitted:
    given = {"estimated_cost": 0.9, "currency": "CNY", "expected_seconds": 9.0, **fields}
    return Submitted(
        task_instance=f"{dag}/{run}/retalk/{job_id or -1}",
        connection_id="c",
        model="videoretalk",
        intended_at=NOW - hours_ago * HOUR,
        job_id=job_id,
        **given,
    )


def end(job_id: str, status: str = "SUCCEEDED", **fields: Any) -> JobReport:
    return JobReport(job_id=job_id, status=status, reported_at=NOW - HOUR, **fields)


def billed(job_id: str, cost: float = 0.8, currency: str = "CNY") -> JobReport:
    return end(job_id, billed_seconds=cost * 10, cost=cost, currency=currency)


def charge(paid_for: str = "speech", *, dag: str = DAG, cost: float = 0.25, **fields: Any) -> Charged:
    """Two requests, without a job."""
    given = {"requests": 2, "currency": "CNY", "first_at": NOW - HOUR, **fields}
    task_instance = f"{dag}/run/speak/-1"
    return Charged(
        task_instance=task_instance,
        connection_id="c",
        paid_for=paid_for,
        model="cosyvoice-v3-flash",
        cost=cost,
        **given,
    )
