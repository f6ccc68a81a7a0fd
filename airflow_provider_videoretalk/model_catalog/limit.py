"""The range that a model accepts for one property of an input."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limit:
    """An inclusive range for one property of one input.

    :param field: the property, as messages name it
    :param low: smallest accepted value, ``None`` for no lower bound
    :param high: largest accepted value, ``None`` for no upper bound
    :param unit: unit of both bounds
    :param code: the service's error code for a value outside the range
    :param remedy: what to do about a value outside the range; by default what the code means for any model
    :param way_above: a sentence that says how a larger value is possible after all, if it is
    """

    field: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    code: str
    remedy: str = ""
    way_above: str = ""

    def allows(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def refusal(self, value: float) -> str:
        """The message for a value outside the range: property, value and accepted range."""
        return f"{self.field} is {value:g} {self.unit}".rstrip() + f", allowed is {self.range}"

    @property
    def range(self) -> str:
        if self.low is None:
            return f"at most {self.high:g} {self.unit}".rstrip()
        if self.high is None:
            return f"at least {self.low:g} {self.unit}".rstrip()
        return f"{self.low:g} to {self.high:g} {self.unit}".rstrip()
