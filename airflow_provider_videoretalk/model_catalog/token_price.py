"""The price of a model that is billed by tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from airflow_provider_videoretalk.model_catalog.price import parse_amount

_MILLION = 1_000_000
_SMALLEST_AMOUNT = Decimal("0.000001")


@dataclass(frozen=True, kw_only=True)
class TokenPrice:
    """
    :param per_million_input: of a million tokens of input, in ``currency``
    :param per_million_output: of a million tokens of output, in ``currency``
    :param currency: such as ``CNY``
    :param as_of: the day on which the price was read
    """

    per_million_input: Decimal
    per_million_output: Decimal
    currency: str
    as_of: date

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> TokenPrice:
        """Reads the fields of this class.

        :raises KeyError, TypeError, ValueError: ``data`` has another form
        """
        return cls(
            per_million_input=parse_amount(data["per_million_input"]),
            per_million_output=parse_amount(data["per_million_output"]),
            currency=str(data["currency"]),
            as_of=date.fromisoformat(str(data["as_of"])),
        )

    def cost(self, *, input_tokens: int, output_tokens: int) -> Decimal:
        """In ``currency``, to six decimal places: a sentence costs less than a hundredth of a cent."""
        amount = self.per_million_input * input_tokens + self.per_million_output * output_tokens
        return (amount / _MILLION).quantize(_SMALLEST_AMOUNT)
