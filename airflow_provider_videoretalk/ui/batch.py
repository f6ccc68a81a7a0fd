"""A batch: the rows of its plan, each with what became of it in one DAG run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal

from airflow_provider_videoretalk.ui.airflow_db.batch_queries import RowTask
from airflow_provider_videoretalk.ui.airflow_db.task_row import TaskKey
from airflow_provider_videoretalk.ui.batch_plan import BatchPlan, PlannedRow
from airflow_provider_videoretalk.ui.related_tasks import BatchTasks
from airflow_provider_videoretalk.ui.stored_values import as_amount, as_name
from airflow_provider_videoretalk.ui.word_search import WordSearch, folded

RowState = Literal["waiting", "review", "done", "kept", "failed", "missing", "refused", "planned"]
"""What became of a row.

- ``waiting``: its tasks have not ended
- ``review``: a person has to answer, before its tasks go on
- ``done``: its video was made in this run, and is where it belongs
- ``kept``: its video was there already
- ``failed``: one of its tasks failed
- ``missing``: its tasks have ended, or never begin, and Airflow has no video
- ``refused``: the row has a fault
- ``planned``: the run was a dry run
"""

Show = Literal["waiting", "missing", "failed", "review", "kept", "done"]
"""The filters. ``missing`` has all rows without a video for which nothing goes on."""

Sort = Literal["line", "name", "state", "cost"]

PAGE_SIZE = 50

_SHOWN: Mapping[Show, tuple[RowState, ...]] = {
    "waiting": ("waiting", "review"),
    "missing": ("missing", "failed", "refused"),
    "failed": ("failed",),
    "review": ("review",),
    "kept": ("kept",),
    "done": ("done", "kept"),
}
_ORDER: Sequence[RowState] = ("failed", "refused", "missing", "review", "waiting", "planned", "done", "kept")
_NEVER_BEGAN = ("upstream_failed", "skipped", "removed")
_ENDED_RUN = ("success", "failed")
_BEGUN = ("running", "deferred", "up_for_reschedule")


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRow:
    """
    :param step: the state in words
    :param cost: what it did cost in this run; ``None`` as long as nothing is known
    """

    plan: PlannedRow
    state: RowState
    step: str
    cost: float | None = None
    currency: str = ""
    seconds: float | None = None
    ready_at: datetime | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether its render has not ended."""
        return self.state in ("waiting", "planned", "review") and self.cost is None

    @property
    def sort_cost(self) -> float:
        return self.cost if self.cost is not None else self.plan.cost or 0.0


@dataclass(frozen=True, kw_only=True)
class RunTasks:
    """What Airflow has of a run.

    :param state: of the run
    :param tasks: the task instances of the rows
    :param to_answer: the ids of the tasks that wait for a person's answer, by map index
    """

    state: str | None
    tasks: Mapping[TaskKey, RowTask] = field(default_factory=dict)
    to_answer: Mapping[int, str] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED_RUN


@dataclass(frozen=True, kw_only=True)
class Batch:
    """
    :param rows: in the order of the table
    """

    plan: BatchPlan
    rows: Sequence[BatchRow]
    run: RunTasks

    @cached_property
    def counts(self) -> Counter[RowState]:
        return Counter(row.state for row in self.rows)

    @property
    def videos(self) -> int:
        """How many rows have their video."""
        return self.counts["done"] + self.counts["kept"]

    @property
    def cost(self) -> float:
        """What the renders of this run did cost so far."""
        return sum(row.cost for row in self.rows if row.cost is not None)

    @property
    def expected_cost(self) -> float:
        """The cost so far, and the most that what waits may cost."""
        return self.cost + sum(row.plan.cost or 0.0 for row in self.rows if row.is_ahead)

    @property
    def ready_at(self) -> datetime | None:
        """When the last render should be through."""
        return max((row.ready_at for row in self.rows if row.ready_at), default=None)

    @property
    def goes_on(self) -> bool:
        return not self.run.has_ended

    @property
    def asking_task(self) -> str | None:
        """The id of the task for which a person has to answer before the batch goes on."""
        return self.run.to_answer.get(-1)


def batch_of(plan: BatchPlan, tasks: BatchTasks, run: RunTasks, *, now: datetime) -> Batch:
    """The batch, with the times by which its rows should be ready, if its renders begin now and go one by one."""
    rows, busy = [], 0.0
    for planned in plan.rows:
        row = _row(planned, plan, tasks, run)
        if row.is_ahead:
            busy += planned.render
            row = replace(row, ready_at=now + timedelta(seconds=round(busy)))
        rows.append(row)
    return Batch(plan=plan, rows=rows, run=run)


def _row(planned: PlannedRow, plan: BatchPlan, tasks: BatchTasks, run: RunTasks) -> BatchRow:
    if planned.state == "keep":
        return BatchRow(plan=planned, state="kept", step="Kept", seconds=planned.seconds)
    if planned.state == "refuse":
        return BatchRow(plan=planned, state="refused", step="Refused")
    if plan.dry_run:
        return BatchRow(plan=planned, state="planned", step="Would be made", seconds=planned.seconds)
    make = _task(run, tasks.make, planned.place)
    state, step = _state(planned, tasks, run, make)
    cost = make.cost if isinstance(make.cost, Mapping) else {}
    return BatchRow(
        plan=planned,
        state=state,
        step=step,
        cost=as_amount(cost.get("cost")),
        currency=as_name(cost.get("currency")) or plan.currency,
        seconds=as_amount(cost.get("billed_seconds")),
    )


def _task(run: RunTasks, task_id: str | None, place: int | None) -> RowTask:
    """A task instance of a row, or what stands for it until Airflow maps the task."""
    if task_id is None or place is None:
        return RowTask(state=None)
    return run.tasks.get((task_id, place)) or run.tasks.get((task_id, -1)) or RowTask(state=None)


def _state(planned: PlannedRow, tasks: BatchTasks, run: RunTasks, make: RowTask) -> tuple[RowState, str]:
    if planned.place in run.to_answer:
        return "review", "Waits for a review"
    if make.state == "failed":
        return "failed", "Failed in Airflow"
    if make.state == "skipped" and isinstance(make.cost, Mapping) and make.cost.get("kept") is True:
        return "kept", "Published by another run"
    if make.state in _NEVER_BEGAN:
        return "missing", "Not made"
    if make.state != "success":
        return _unfinished(make.state, run)
    if not make.has_result:
        return "missing", "Success in Airflow, without a video"
    return _after([_task(run, task_id, planned.place) for task_id in tasks.after], run)


def _unfinished(state: str | None, run: RunTasks) -> tuple[RowState, str]:
    if run.has_ended:
        return "missing", "Not made"
    if state == "up_for_retry":
        return "waiting", "Waits for another try"
    return "waiting", "Being made" if state in _BEGUN else "Not started"


def _after(tasks: Sequence[RowTask], run: RunTasks) -> tuple[RowState, str]:
    """The state of a row whose video was made."""
    states = {task.state for task in tasks}
    if states & {"failed", "upstream_failed"}:
        return "failed", "Made, not published"
    if states & {"skipped", "removed"}:
        return "missing", "Made, not published"
    if states - {"success"}:
        return ("missing", "Made, not published") if run.has_ended else ("waiting", "Made, being published")
    if not all(task.has_result for task in tasks):
        return "missing", "Success in Airflow, not published"
    return "done", "Published" if tasks else "Made"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which rows are shown, and in which order.

    :param page: from 0
    """

    show: Show | None = None
    search: WordSearch = field(default_factory=WordSearch)
    sort: Sort = "line"
    page: int = 0

    def rows_of(self, batch: Batch) -> list[BatchRow]:
        """All rows that match, in order."""
        states = _SHOWN[self.show] if self.show else None
        found = [row for row in batch.rows if states is None or row.state in states]
        if self.search:
            found = [row for row in found if self.search.finds((row.plan.name, row.plan.language, row.plan.script))]
        return sorted(found, key=_KEYS[self.sort])

    def page_of(self, rows: Sequence[BatchRow]) -> Sequence[BatchRow]:
        return rows[self.page * PAGE_SIZE : (self.page + 1) * PAGE_SIZE]


_KEYS: Mapping[Sort, Callable[[BatchRow], Any]] = {
    "line": lambda row: row.plan.line,
    "name": lambda row: (folded(row.plan.name), row.plan.language or "", row.plan.line),
    "state": lambda row: (_ORDER.index(row.state), row.plan.line),
    "cost": lambda row: (-row.sort_cost, row.plan.line),
}
