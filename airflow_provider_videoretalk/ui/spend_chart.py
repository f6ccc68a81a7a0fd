"""The bars of the spend chart: positions and sizes, from which the template makes an SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from airflow_provider_videoretalk.ui.spend import Spend

WIDTH, HEIGHT = 560, 160
_GAP = 6

# An amount below it is not drawn.
_LEAST = 0.001

COLOURS = 6
"""The number of colours in the style sheet. Further DAGs reuse them."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """The spend of one DAG on one day. Positions and sizes are in SVG units from the upper left corner."""

    dag: str
    day: date
    amount: float
    colour: int
    x: float
    y: float
    width: float
    height: float


def spend_bars(spend: Spend) -> Iterator[Bar]:
    """The bars of the chart. Those of one day are stacked."""
    step = WIDTH / len(spend.days)
    scale = (HEIGHT - _GAP) / spend.highest if spend.highest >= _LEAST else 0.0
    for column, day in enumerate(spend.days):
        top = float(HEIGHT)
        for colour, (dag, amounts) in enumerate(sorted(spend.by_dag.items())):
            height = amounts[column] * scale
            if height:
                top -= height
                yield Bar(
                    dag=dag,
                    day=day,
                    amount=amounts[column],
                    colour=colour % COLOURS,
                    x=round(column * step + _GAP / 2, 1),
                    y=round(top, 1),
                    width=round(step - _GAP, 1),
                    height=round(height, 1),
                )
