"""What the latest videos cost, by day and DAG."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from airflow.models.xcom import XComModel
from sqlalchemy import and_, select

from airflow_provider_videoretalk.links import WatchLink
from airflow_provider_videoretalk.ui.board import Filters, latest
from airflow_provider_videoretalk.ui.records import RESULT
from airflow_provider_videoretalk.ui.told import kind_of, number, plain, text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

DAYS = 14

MOST = 6_000
"""Tasks whose bills are added up: the chart says so where there are more."""


@dataclass(frozen=True, kw_only=True)
class Spend:
    """What was spent.

    :param unit: the currency of the costs; ``s`` where only the seconds that were billed are known
    :param days: the last fourteen, the latest last
    :param by_dag: what each DAG spent on each of these days
    :param unknown: how many videos of these days are left out, since their cost is not known
    :param complete_since: the first day that is added up as a whole
    """

    unit: str
    days: Sequence[date]
    by_dag: Mapping[str, Sequence[float]]
    unknown: int
    complete_since: date

    @property
    def total(self) -> float:
        return sum(sum(row) for row in self.by_dag.values())

    @property
    def highest(self) -> float:
        """The dearest day's sum."""
        return max((sum(day) for day in zip(*self.by_dag.values(), strict=True)), default=0.0)


def spend_of(session: Session, *, dags: Collection[str], filters: Filters, today: date | None = None) -> Spend:
    """What the videos of the last days cost, as far as the latest :data:`MOST` tasks of this package tell. A video is
    counted once, whether the task that submitted it told of its end, or a sensor, or both.
    """
    today = today or datetime.now(timezone.utc).date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    found = latest(session, key=WatchLink().xcom_key, dags=dags, filters=Filters(dag=filters.dag), count=MOST)
    told = XComModel
    rows = session.execute(
        select(found.c.dag_id, found.c.timestamp, told.value)
        .outerjoin(
            told,
            and_(
                told.dag_run_id == found.c.run,
                told.task_id == found.c.task_id,
                told.map_index == found.c.map_index,
                told.key == RESULT,
            ),
        )
        .where(found.c.timestamp >= datetime.combine(days[0], datetime.min.time(), tzinfo=timezone.utc))
    ).all()
    results = {
        result["task_id"]: (dag, at.date(), result)
        for dag, at, value in rows
        if (result := plain(value)) and kind_of(result) == "result"
    }
    bills = results.values()
    units = {
        unit for _, _, result in bills if number(result, "cost") is not None and (unit := text(result, "currency"))
    }
    unit = units.pop() if len(units) == 1 else "s"
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * DAYS)
    unknown = 0
    for dag, day, result in bills:
        amount = number(result, "billed_seconds" if unit == "s" else "cost")
        unknown += amount is None and day in days
        if amount and day in days:
            sums[dag][days.index(day)] += amount
    complete = min((at.date() for _, at, _ in rows), default=days[0]) + timedelta(days=1)
    return Spend(
        unit=unit,
        days=days,
        by_dag=dict(sums),
        unknown=unknown,
        complete_since=complete if len(rows) == MOST else days[0],
    )
