"""The spend chart: a bar for each day, of one segment for each group, from which the template makes a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from airflow_provider_videoretalk.ui.spend import Spend

COLOURS = 6
"""The number of colours in the style sheet."""

_WIDTH = 100.0

# A bar that is narrower cannot be seen.
_LEAST = 0.4


@dataclass(frozen=True, kw_only=True)
class Segment:
    """The spend of a group on a day. Position and width are in hundredths of the chart's width."""

    name: str
    amount: float
    colour: int
    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Bar:
    """
    :param amount: of the day, in the unit of the spend
    :param is_kept: whether the history is whole on this day
    """

    day: date
    amount: float
    is_kept: bool
    segments: Sequence[Segment]


def spend_bars(spend: Spend) -> list[Bar]:
    """The bars of all days of the span, the latest first."""
    names = _names(spend)
    amounts = {day: _amounts(spend, names, day) for day in spend.span.days}
    highest = max((sum(each) for each in amounts.values()), default=0.0)
    return [
        Bar(
            day=day,
            amount=sum(each),
            is_kept=day >= spend.kept_since,
            segments=list(_segments(names, each, scale=_WIDTH / highest if highest else 0.0)),
        )
        for day, each in reversed(amounts.items())
    ]


def _names(spend: Spend) -> list[str]:
    """The names of the groups in the order of their colours. The last one stands for all further groups."""
    names = [str(group) for group in spend.totals]
    others = len(names) - COLOURS + 1
    return names if others <= 1 else [*names[: COLOURS - 1], f"{others} others"]


def _amounts(spend: Spend, names: Sequence[str], day: date) -> list[float]:
    amounts = [0.0] * len(names)
    for place, group in enumerate(spend.totals):
        if figures := spend.figures[group].get(day):
            amounts[min(place, COLOURS - 1)] += figures.amount
    return amounts


def _segments(names: Sequence[str], amounts: Sequence[float], *, scale: float) -> Iterator[Segment]:
    x = 0.0
    for colour, (name, amount) in enumerate(zip(names, amounts, strict=True)):
        if amount:
            width = max(amount * scale, _LEAST)
            yield Segment(name=name, amount=amount, colour=colour, x=round(x, 2), width=round(width, 2))
            x += width
