"""What the service billed for the latest videos, by day and DAG, as the job history has it.

The history has every render job, whatever became of its task: also those of tasks that failed, were cleared, or were
marked, and of runs that were deleted.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from airflow_provider_videoretalk.job_history.job_record import JobRecord
from airflow_provider_videoretalk.ui.airflow_db.own_session import call_with_session
from airflow_provider_videoretalk.ui.job_history import IS_KEPT, load_jobs
from airflow_provider_videoretalk.ui.shared_answers import SharedAnswers, Unanswered

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

DAYS = 14

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


@dataclass(frozen=True, kw_only=True)
class Spend:
    """The spend of the last days, by the service's word.

    :param unit: the currency of the costs; ``s`` for billed seconds, if the costs have no common currency
    :param days: the last fourteen days, the latest last. A video belongs to the day of its submit, in UTC
    :param by_dag: the amounts of each DAG, one for each of these days
    :param videos: how many were billed
    :param open: videos that queue or render, as far as known
    :param unknown: videos of which nobody knows what was billed, and submits of which nobody knows whether they created
        a render job
    :param unreadable: how many Variables of the history cannot be read
    :param is_kept: whether this Airflow keeps a history
    """

    unit: str
    days: Sequence[date]
    by_dag: Mapping[str, Sequence[float]] = field(default_factory=dict)
    videos: int = 0
    open: NotIncluded = NotIncluded()
    unknown: NotIncluded = NotIncluded()
    unreadable: int = 0
    is_kept: bool = True

    @property
    def total(self) -> float:
        return sum(sum(amounts) for amounts in self.by_dag.values())

    @property
    def highest(self) -> float:
        """The highest amount of a day, over all DAGs."""
        return max((sum(amounts) for amounts in zip(*self.by_dag.values(), strict=True)), default=0.0)


async def spend_of(*, dag_ids: frozenset[str], dag: str | None = None) -> Spend | None:
    """The spend of the DAGs that the caller may read; ``None`` if the history cannot be read in time.

    Runs in a thread of these pages' own. Readers of the same DAGs share the answer.

    :param dag: of one of these DAGs alone
    """
    selected = dag_ids if dag is None else dag_ids.intersection({dag})
    if not IS_KEPT:
        return Spend(unit="s", days=_last_days(None), is_kept=False)
    found = await _SPENDS.get(
        selected, lambda: call_with_session(lambda session: load_spend(session, dag_ids=selected)), source="history"
    )
    return None if isinstance(found, Unanswered) else found


def load_spend(session: Session, *, dag_ids: Collection[str], now: float | None = None) -> Spend:
    """
    :param dag_ids: the DAGs that the caller may read
    :param now: in seconds since the epoch
    """
    now = time.time() if now is None else now
    days = _last_days(now)
    found = load_jobs(session, dag_ids=dag_ids, since=days[0])
    unit = _common_unit(found.jobs)
    column_of = {day: column for column, day in enumerate(days)}
    by_dag: dict[str, list[float]] = defaultdict(lambda: [0.0] * DAYS)
    videos, open_jobs, unknown = 0, [], []
    for job in found.jobs:
        billing, amount = job.billing(now=now), job.billed_seconds if unit == "s" else job.cost
        if billing == "open":
            open_jobs.append(job)
        elif billing == "unknown" or amount is None:
            unknown.append(job)
        elif billing == "billed" and job.day in column_of:
            videos += 1
            by_dag[job.dag_id or ""][column_of[job.day]] += amount
    return Spend(
        unit=unit,
        days=days,
        by_dag=dict(by_dag),
        videos=videos,
        open=_not_included(open_jobs, unit),
        unknown=_not_included(unknown, unit),
        unreadable=len(found.unreadable),
    )


def _last_days(now: float | None) -> list[date]:
    today = datetime.fromtimestamp(time.time() if now is None else now, tz=timezone.utc).date()
    return [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]


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
