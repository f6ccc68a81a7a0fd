"""The estimate of a render job as it is stored with the job, and the result with its cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from airflow_provider_videoretalk.dashscope.task import SubmissionResult, TaskResult
from airflow_provider_videoretalk.inputs.cost_estimate import CostEstimate
from airflow_provider_videoretalk.model_catalog.price import Price


class StoredEstimate(TypedDict):
    """A :class:`~airflow_provider_videoretalk.inputs.cost_estimate.CostEstimate` as JSON-safe values, without secrets.

    :param inputs: the location of each input, followed by ``#`` and the version if that is known
    :param estimated_seconds: of output; an upper bound if ``exact`` is ``False``
    :param estimated_cost: in the price's currency
    :param exact: whether the length of the output is known
    :param price: of a second of output: ``per_second``, ``currency``, ``as_of``
    """

    inputs: dict[str, str]
    estimated_seconds: float
    estimated_cost: float
    exact: bool
    price: dict[str, str]


class PricedSubmission(SubmissionResult, StoredEstimate):
    """A submitted render job with its estimate: the return value of an operator that does not wait.

    :param expected_seconds: of output, by which a wait is planned; ``None`` if only the model's maximum is known
    """

    expected_seconds: float | None


class PricedResult(TaskResult, total=False):
    """A finished render job with its estimate and its cost.

    The added keys are missing if no estimate was stored, as after a record was lost.

    :param cost: in ``currency``, by the billed seconds; ``None`` if the service did not report them
    :param currency: such as ``CNY``
    """

    inputs: dict[str, str]
    estimated_seconds: float
    estimated_cost: float
    exact: bool
    price: dict[str, str]
    cost: float | None
    currency: str


def stored_estimate_of(estimate: CostEstimate, *, inputs: Mapping[str, str]) -> StoredEstimate:
    """
    :param inputs: see :class:`StoredEstimate`
    """
    return {
        "inputs": dict(inputs),
        "estimated_seconds": estimate.seconds,
        "estimated_cost": float(estimate.cost),
        "exact": estimate.exact,
        "price": estimate.price.to_json(),
    }


def stated_estimate(stored_estimate: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a :class:`StoredEstimate`, as far as they are there. An operator may store others beside them."""
    return {name: stored_estimate[name] for name in StoredEstimate.__annotations__ if name in stored_estimate}


def with_cost(result: TaskResult, stored_estimate: Mapping[str, Any]) -> PricedResult:
    """Adds the estimate and the cost to a result.

    :param stored_estimate: a :class:`StoredEstimate`; other keys are ignored, and so is a mapping without a price
    """
    if "price" not in stored_estimate:
        return cast("PricedResult", result)
    price, seconds = Price.parse(stored_estimate["price"]), result["billed_seconds"]
    cost = None if seconds is None else float(price.cost(seconds))
    known = stated_estimate(stored_estimate)
    return cast("PricedResult", {**result, **known, "cost": cost, "currency": price.currency})
