"""The price of a model's output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

_SMALLEST_AMOUNT = Decimal("0.0001")


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price of a second of output.

    :param per_second: in ``currency``
    :param currency: such as ``CNY``
    :param as_of: the day on which the price was read
    :param per_job: what a job costs besides, however long its output is
    """

    per_second: Decimal
    currency: str
    as_of: date
    per_job: Decimal = Decimal(0)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Price:
        """Reads what :meth:`to_json` returns.

        :raises KeyError, TypeError, ValueError: ``data`` has another form
        """
        return cls(
            per_second=parse_amount(data["per_second"]),
            currency=str(data["currency"]),
            as_of=date.fromisoformat(str(data["as_of"])),
            per_job=parse_amount(data.get("per_job", 0)),
        )

    def to_json(self) -> dict[str, str]:
        """All values as strings: JSON's numbers cannot hold a decimal amount exactly."""
        stored = {"per_second": str(self.per_second), "currency": self.currency, "as_of": self.as_of.isoformat()}
        return stored | ({"per_job": str(self.per_job)} if self.per_job else {})

    def cost(self, seconds: float) -> Decimal:
        """The cost of a job with ``seconds`` of output, in ``currency``, to four decimal places."""
        return (Decimal(str(seconds)) * self.per_second + self.per_job).quantize(_SMALLEST_AMOUNT)


def parse_amount(value: object) -> Decimal:
    """Reads an amount of money.

    :raises ValueError: it is not a finite number of 0 or more
    """
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if isinstance(value, bool) or not number.is_finite() or number < 0:
        raise ValueError(f"{value!r} is not a number of 0 or more")
    return number
