"""The cost of a render job before it is submitted."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.price import Price, parse_amount


@dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """The expected length and cost of a render job.

    :param seconds: of output
    :param exact: ``False`` if ``seconds`` is an upper bound, because the duration or the frame rate of an input is not
        known
    """

    seconds: float
    exact: bool
    price: Price

    @property
    def cost(self) -> Decimal:
        """In the price's currency."""
        return self.price.cost(self.seconds)

    def __str__(self) -> str:
        bound = "" if self.exact else "at most "
        besides = f" and {self.price.per_job} for the job" if self.price.per_job else ""
        price = f"{self.price.per_second} {self.price.currency} a second{besides} as of {self.price.as_of}"
        return f"{bound}{self.seconds:g} s of output, {bound}{self.cost.normalize():f} {self.price.currency} ({price})"


def check_max_cost(estimate: CostEstimate, max_cost: Decimal | float | str | None) -> None:
    """Returns if a job may cost the estimate.

    :param max_cost: highest cost, in the price's currency; ``None`` for no limit
    :raises InputError: the job would cost more, or could cost more because a duration is not known; or ``max_cost`` is
        not a number of 0 or more
    """
    if max_cost is None:
        return
    try:
        limit = parse_amount(max_cost)
    except ValueError:
        raise InputError(
            f"max_cost is {max_cost!r}, allowed is a number of 0 or more",
            remedy="Give an amount, or None for no limit.",
        ) from None
    if estimate.cost > limit:
        raise InputError(
            f"the job costs {estimate}, allowed is at most {limit} {estimate.price.currency} (max_cost)",
            remedy="Nothing was submitted. Shorten the speech or the video, or raise max_cost.",
        )
