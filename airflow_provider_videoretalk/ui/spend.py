"""What the service billed in a span of days, by DAG, label or person, as the job history has it.

The history has every render job, whatever became of its task: also those of tasks that failed, were cleared, or were
marked, and of runs that were deleted.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.job_history.charges import ChargeTotal, add_totals
from airflow_provider_videoretalk.job_history.fold import KEPT_DAYS
from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.ui.airflow_db.own_session import call_with_session
from airflow_provider_videoretalk.ui.clip_name import cut
from airflow_provider_videoretalk.ui.day_span import DaySpan
from airflow_provider_videoretalk.ui.job_history import IS_KEPT, load_jobs
from airflow_provider_videoretalk.ui.shared_answers import SharedAnswers, Unanswered
from airflow_provider_videoretalk.ui.spend_charges import ChargesByDay, charges_by_day
from airflow_provider_videoretalk.ui.spend_group import Group, GroupBy, groups_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_MAX_UNIT = 12

# Reading two weeks of a large history takes a second or two.
_SPENDS: SharedAnswers[Spend] = SharedAnswers(seconds=15.0, kept_seconds=10.0, silent_seconds=5.0, threads=2)


@dataclass(frozen=True, kw_only=True)
class NotIncluded:
    """Videos whose bill is not known, and which are therefore in no amount.

    :param count: of them
    :param estimate: of those that were estimated, in the unit of the spend
    :param estimated: how many were
    """

    count: int = 0
    estimate: float = 0.0
    estimated: int = 0


@dataclass(kw_only=True, slots=True)
class Figures:
    """What is known of the videos of a group on a day.

    :param amount: billed, in the unit of the spend
    :param videos: how many were billed
    :param open: videos that queue or render, as far as known, and are not in the amount
    :param unknown: videos with an unknown bill, which are not in the amount either
    """

    amount: float = 0.0
    videos: int = 0
    open: int = 0
    unknown: int = 0


@dataclass(frozen=True, kw_only=True)
class Spend:
    """The spend of some days, by the service's word.

    :param unit: the currency of the costs; ``s`` for billed seconds, if the costs have no common currency
    :param span: the days. A video belongs to the day of its submit, in UTC
    :param figures: of each group, by the days on which it has any
    :param charges: what the same tasks paid for without a render job, by group and day
    :param open: videos that queue or render, as far as known
    :param unknown: videos of which nobody knows what was billed, and submits of which nobody knows whether they created
        a render job
    :param unreadable: how many Variables of the history cannot be read
    :param is_kept: whether this Airflow keeps a history
    """

    unit: str
    span: DaySpan
    by: GroupBy = "dag"
    figures: Mapping[Group, Mapping[date, Figures]] = field(default_factory=dict)
    charges: ChargesByDay = field(default_factory=dict)
    open: NotIncluded = NotIncluded()
    unknown: NotIncluded = NotIncluded()
    unreadable: int = 0
    is_kept: bool = True

    @cached_property
    def totals(self) -> Mapping[Group, Figures]:
        """The sums of the groups with billed videos, the highest amount first."""
        sums = {
            group: Figures(
                amount=sum(each.amount for each in days.values()), videos=sum(each.videos for each in days.values())
            )
            for group, days in self.figures.items()
        }
        billed = {group: total for group, total in sums.items() if total.videos}
        return dict(sorted(billed.items(), key=lambda pair: (-pair[1].amount, pair[0])))

    @property
    def total(self) -> float:
        return sum(total.amount for total in self.totals.values())

    @property
    def videos(self) -> int:
        """How many were billed."""
        return sum(total.videos for total in self.totals.values())

    @cached_property
    def charge_totals(self) -> Sequence[ChargeTotal]:
        """The charges of all groups and days."""
        return add_totals(total for days in self.charges.values() for totals in days.values() for total in totals)

    @property
    def in_all(self) -> float | None:
        """Videos and charges in :attr:`unit`; ``None`` if another currency is among them, or there are no charges."""
        currencies = {total.currency for total in self.charge_totals if total.cost}
        if self.unit == "s" or currencies != {self.unit}:
            return None
        return self.total + sum(total.cost for total in self.charge_totals)

    @property
    def kept_since(self) -> date:
        """The first day of which the history is whole. Jobs of earlier days may have been deleted from it."""
        return self.span.today - timedelta(days=KEPT_DAYS)


async def spend_of(
    *, dag_ids: frozenset[str], dag: str | None = None, span: DaySpan | None = None, by: GroupBy = "dag"
) -> Spend | None:
    """The spend of the DAGs that the caller may read; ``None`` if the history cannot be read in time.

    Runs in a thread of these pages' own. Readers of the same DAGs and days share the answer.

    :param dag: of one of these DAGs alone
    :param span: by default the last two weeks
    """
    selected = dag_ids if dag is None else dag_ids.intersection({dag})
    span = span or DaySpan.of()
    if not IS_KEPT:
        return Spend(unit="s", span=span, by=by, is_kept=False)
    found = await _SPENDS.get(
        (selected, span, by),
        lambda: call_with_session(lambda session: load_spend(session, dag_ids=selected, span=span, by=by)),
        source="history",
    )
    return None if isinstance(found, Unanswered) else found


def load_spend(
    session: Session,
    *,
    dag_ids: Collection[str],
    span: DaySpan | None = None,
    by: GroupBy = "dag",
    now: float | None = None,
) -> Spend:
    """
    :param dag_ids: the DAGs that the caller may read
    :param span: by default the last two weeks
    :param now: in seconds since the epoch
    """
    now = time.time() if now is None else now
    span = span or DaySpan.of(today=datetime.fromtimestamp(now, tz=timezone.utc).date())
    found = load_jobs(session, dag_ids=dag_ids, since=span.first, until=span.last)
    unit = _common_unit(found.jobs)
    figures: dict[Group, dict[date, Figures]] = defaultdict(lambda: defaultdict(Figures))
    open_jobs, unknown = [], []
    for job, group in zip(found.jobs, groups_of(session, found.jobs, by=by), strict=True):
        billing, amount = job.billing(now=now), job.billed_seconds if unit == "s" else job.cost
        if billing == "open":
            open_jobs.append(job)
            figures[group][job.day].open += 1
        elif billing == "unknown" or amount is None:
            unknown.append(job)
            figures[group][job.day].unknown += 1
        elif billing == "billed":
            figures[group][job.day].videos += 1
            figures[group][job.day].amount += amount
    return Spend(
        # Whoever may write Variables can store any text.
        unit=cut(unit, longest=_MAX_UNIT),
        span=span,
        by=by,
        figures={group: dict(days) for group, days in figures.items()},
        charges=charges_by_day(session, found.charges, by=by),
        open=_not_included(open_jobs, unit),
        unknown=_not_included(unknown, unit),
        unreadable=len(found.unreadable),
    )


def _common_unit(jobs: Sequence[JobRecord]) -> str:
    """The currency of all costs, or without costs that of all estimates; ``s`` if there are none or several."""
    costs = {job.currency for job in jobs if job.currency and job.billed_seconds}
    units = costs or {job.currency for job in jobs if job.currency}
    return str(units.pop()) if len(units) == 1 else "s"


def _not_included(jobs: Sequence[JobRecord], unit: str) -> NotIncluded:
    estimates = [_estimate(job, unit) for job in jobs]
    known = [estimate for estimate in estimates if estimate is not None]
    return NotIncluded(count=len(jobs), estimate=sum(known), estimated=len(known))


def _estimate(job: JobRecord, unit: str) -> float | None:
    if unit == "s":
        return job.submitted.expected_seconds if job.submitted else None
    return job.estimated_cost if job.currency == unit else None
