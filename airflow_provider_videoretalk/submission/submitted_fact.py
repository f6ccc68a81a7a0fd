"""The fact about a submit that the job history keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.job_history.facts import Submitted
from airflow_provider_videoretalk.polling.stored_json import storable_number

if TYPE_CHECKING:
    from airflow_provider_videoretalk.submission.record import Record


def submitted_fact(record: Record, *, label: str | None = None) -> Submitted:
    """
    :param label: the clip's name among mapped ones
    """
    intent, estimate = record.intent, record.intent.cost_estimate
    price = estimate.get("price")
    price = price if isinstance(price, Mapping) else None
    return Submitted(
        task_instance=intent.task_instance,
        connection_id=intent.connection_id,
        model=intent.model,
        intended_at=record.intended_at,
        job_id=record.task_id,
        request_id=record.request_id,
        submitted_at=record.submitted_at,
        account_id=_text(getattr(intent, "account_id", None)),
        label=_text(label),
        expected_seconds=intent.expected_seconds,
        estimated_cost=storable_number(estimate.get("estimated_cost")),
        currency=_text(price.get("currency")) if price else None,
        price=price,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
