"""Makes the report of a job from what the service said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_videoretalk.dashscope.reply_values import line
from airflow_provider_videoretalk.dashscope.result_expiry import expiry_time
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.job_history.facts import JobReport
from airflow_provider_videoretalk.model_catalog.catalog import find_model
from airflow_provider_videoretalk.model_catalog.price import Price
from airflow_provider_videoretalk.polling.stored_json import storable_number


def report_of(
    task: Task,
    *,
    now: float,
    model: str = "",
    price: Mapping[str, Any] | None = None,
    task_instance: str | None = None,
    task_state: str | None = None,
) -> JobReport:
    """The report of the reply to a status query.

    :param now: in seconds since the epoch
    :param model: whose reply it is; "" if unknown
    :param price: of a second of output, as it was stored; ``None`` if unknown
    """
    billed = billed_seconds_of(task, model=model)
    cost, currency = _cost(price, billed)
    return JobReport(
        job_id=task.task_id,
        status=task.status,
        reported_at=now,
        billed_seconds=billed,
        cost=cost,
        currency=currency,
        expires_at=storable_number(task.expires_at.timestamp()) if task.expires_at else None,
        code=line(task.output.get("code"), max_length=100),
        task_instance=task_instance,
        task_state=task_state,
    )


def report_of_result(result: Mapping[str, Any], *, now: float, task_instance: str | None = None) -> JobReport:
    """The report of a job that succeeded.

    :param result: the return value of its task
    :param now: in seconds since the epoch
    """
    end = expiry_time(result.get("expires_at"))
    return JobReport(
        job_id=str(result["task_id"]),
        status="SUCCEEDED",
        reported_at=now,
        billed_seconds=storable_number(result.get("billed_seconds")),
        cost=storable_number(result.get("cost")),
        currency=result.get("currency"),
        expires_at=storable_number(end.timestamp()) if end else None,
        task_instance=task_instance,
    )


def cancelled_report(job_id: str, *, now: float, task_instance: str | None = None) -> JobReport:
    """The report of a job that was cancelled while it queued, which is free."""
    return JobReport(job_id=job_id, status="CANCELED", reported_at=now, billed_seconds=0.0, task_instance=task_instance)


def billed_seconds_of(task: Task, *, model: str) -> float | None:
    """The billed seconds of a job; ``None`` if the service did not say. It bills only what it made."""
    entry = find_model(model)
    billed = entry.billed_seconds(task.usage) if entry else None
    billed = task.billed_seconds if billed is None else billed
    return 0.0 if billed is None and task.status in ("FAILED", "CANCELED") else billed


def _cost(price: Mapping[str, Any] | None, billed_seconds: float | None) -> tuple[float | None, str | None]:
    """The cost of billed seconds and its currency, as far as known."""
    try:
        parsed = Price.parse(price or {})
    except (KeyError, TypeError, ValueError):
        return None, None
    return None if billed_seconds is None else float(parsed.cost(billed_seconds)), parsed.currency
