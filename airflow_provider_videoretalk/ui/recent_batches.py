"""The latest batches: DAG runs that make the videos of a table, also those that have submitted nothing yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cachetools import TTLCache, cached

from airflow_provider_videoretalk.links import batch_path
from airflow_provider_videoretalk.ui.airflow_db.batch_queries import tasks_to_answer
from airflow_provider_videoretalk.ui.airflow_db.batch_runs import (
    LatestRun,
    PlanSums,
    count_made,
    latest_runs,
    plan_sums,
)
from airflow_provider_videoretalk.ui.airflow_db.stored_dags import batch_dags
from airflow_provider_videoretalk.ui.board import Filters
from airflow_provider_videoretalk.ui.clip_name import cut
from airflow_provider_videoretalk.ui.related_tasks import BatchTasks, find_batches
from airflow_provider_videoretalk.ui.stored_values import as_amount, as_name

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SIZE = 8
"""Batches that are shown."""

# Runs that are looked at. A DAG may have made a batch in another version only.
_SCAN_LIMIT = 50
_MAX_NAME = 80
_ENDED = ("success", "failed")


@dataclass(frozen=True, kw_only=True)
class RecentBatch:
    """A batch in a DAG run.

    :param name: of the batch, or of its DAG as long as there is no plan
    :param path: of its page, relative to the root of these pages
    :param plan_state: Airflow's state of the task that plans it
    :param rows: of its table; ``None`` without a plan
    :param videos: how many of them have their video: made in this run, or kept
    :param kept: how many were there already
    :param to_make: how many a dry run would make
    :param asks_person: whether a person has to answer before it goes on
    """

    run: LatestRun
    name: str
    path: str
    plan_state: str | None
    rows: int | None = None
    videos: int = 0
    kept: int = 0
    to_make: int = 0
    is_dry_run: bool = False
    asks_person: bool = False

    @property
    def has_ended(self) -> bool:
        return self.run.state in _ENDED

    @property
    def missing(self) -> int:
        """How many videos are not there, and are not going to be made. A dry run makes none."""
        return (self.rows or 0) - self.videos if self.has_ended else 0


@dataclass(frozen=True, kw_only=True)
class RecentBatches:
    """
    :param has_more: whether there may be older ones
    """

    batches: Sequence[RecentBatch]
    has_more: bool


def load_recent_batches(session: Session, *, dag_ids: Collection[str], filters: Filters) -> RecentBatches:
    """The latest batches, those of the newest run first. A handful of queries for each, of its run only.

    :param dag_ids: the DAGs that the caller may read
    :param filters: those by DAG and day apply
    """
    selected = batch_dags.intersection(session, filters.dags_of(dag_ids))
    runs = latest_runs(session, dag_ids=selected, day=filters.day, limit=_SCAN_LIMIT) if selected else []
    found = list(_batches(session, runs))
    shown = found[:SIZE]
    numbers, plans = {run.number for run, *_ in shown}, {tasks.plan for _, tasks, _ in shown}
    sums = plan_sums(session, run_numbers=numbers, task_ids=plans) if shown else {}
    return RecentBatches(
        batches=[
            _batch(session, run, tasks, sums.get((run.number, tasks.plan)), is_only=is_only)
            for run, tasks, is_only in shown
        ],
        has_more=len(found) > len(shown) or len(runs) == _SCAN_LIMIT,
    )


def _batches(session: Session, runs: Sequence[LatestRun]) -> Iterator[tuple[LatestRun, BatchTasks, bool]]:
    """The batches of the runs, each with whether its run has no other."""
    for run in runs:
        batches = find_batches(session, dag_version=run.dag_version) if run.dag_version else ()
        yield from ((run, tasks, len(batches) == 1) for tasks in batches)


def _batch(session: Session, run: LatestRun, tasks: BatchTasks, plan: PlanSums | None, *, is_only: bool) -> RecentBatch:
    sums = plan.sums if plan and isinstance(plan.sums, Mapping) else {}
    counts = sums.get("counts")
    path = batch_path(dag_id=run.dag_id, run_id=run.run_id) + ("" if is_only else f"?plan={quote(tasks.plan)}")
    name = cut(as_name(sums.get("batch")) or run.dag_id, longest=_MAX_NAME)
    batch = RecentBatch(run=run, name=name, path=path, plan_state=plan.state if plan else None)
    asks_person = not batch.has_ended and -1 in tasks_to_answer(session, dag_id=run.dag_id, run_id=run.run_id)
    if not isinstance(counts, Mapping):
        return replace(batch, asks_person=asks_person)
    to_make, kept, refused = (int(as_amount(counts.get(name)) or 0) for name in ("make", "keep", "refuse"))
    is_dry_run = sums.get("dry_run") is True
    made = _made(session, batch, tasks) if to_make and not is_dry_run else 0
    return replace(
        batch,
        rows=to_make + kept + refused,
        videos=kept + made,
        kept=kept,
        to_make=to_make,
        is_dry_run=is_dry_run,
        asks_person=asks_person,
    )


def _made(session: Session, batch: RecentBatch, tasks: BatchTasks) -> int:
    if tasks.make is None:
        return 0
    asked: dict[str, Any] = {
        "dag_id": batch.run.dag_id,
        "run_id": batch.run.run_id,
        "make": tasks.make,
        "after": tasks.after,
    }
    # Of a run that goes on, every reader's look is counted anew.
    return _count_once(session, batch.run, **asked) if batch.has_ended else count_made(session, **asked)


def _count_key(session: Session, run: LatestRun, *, make: str, **_: Any) -> Any:
    # A run that is cleared ends once more.
    return run.number, run.run_id, run.ended_at, make


@cached(TTLCache(maxsize=512, ttl=60.0), key=_count_key, lock=Lock())
def _count_once(session: Session, run: LatestRun, **asked: Any) -> int:
    return count_made(session, **asked)
