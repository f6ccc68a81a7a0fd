"""What a task was expected to make and to cost, as it travels with the task and into the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from airflow_provider_videoretalk.dashscope.task import SubmissionResult, TaskResult
from airflow_provider_videoretalk.media.estimate import Estimate, Price


class Quote(TypedDict):
    """JSON-safe, and without secrets.

    :param inputs: where each input lay, and its version behind a ``#`` where that is known
    :param estimated_seconds: of output; the most that can come out where ``exact`` is ``False``
    :param estimated_cost: in the price's currency
    :param price: what a second of output was said to cost, see :meth:`Price.to_json`
    """

    inputs: dict[str, str]
    estimated_seconds: float
    estimated_cost: float
    exact: bool
    price: dict[str, str]


class QuotedSubmission(SubmissionResult, Quote):
    """A submission with its quote, for whoever waits for it."""


class QuotedResult(TaskResult, total=False):
    """A task's result with its quote and its cost. Where there is no quote, as after a record was lost, their keys are
    missing.

    :param cost: in ``currency``, by the seconds that were billed; ``None`` where the service does not tell them
    """

    inputs: dict[str, str]
    estimated_seconds: float
    estimated_cost: float
    exact: bool
    price: dict[str, str]
    cost: float | None
    currency: str


def quote_of(estimate: Estimate, *, inputs: Mapping[str, str]) -> Quote:
    """
    :param inputs: see :class:`Quote`
    """
    return {
        "inputs": dict(inputs),
        "estimated_seconds": estimate.seconds,
        "estimated_cost": float(estimate.cost),
        "exact": estimate.exact,
        "price": estimate.price.to_json(),
    }


def with_cost(result: TaskResult, quote: Mapping[str, Any]) -> QuotedResult:
    """
    :param quote: a :class:`Quote`, or nothing of one
    """
    if "price" not in quote:
        return cast("QuotedResult", result)
    price, seconds = Price.parse(quote["price"]), result["billed_seconds"]
    cost = None if seconds is None else float(price.cost(seconds))
    known = {name: quote[name] for name in Quote.__annotations__ if name in quote}
    return cast("QuotedResult", {**result, **known, "cost": cost, "currency": price.currency})
