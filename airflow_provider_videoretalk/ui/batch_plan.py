"""The plan of a batch as its XCom has it, with checked values. Whoever may write an XCom can store anything there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from airflow_provider_videoretalk.batches.plan_rows import COLUMNS, VERSION
from airflow_provider_videoretalk.batches.planned_video import PlannedState
from airflow_provider_videoretalk.batches.table_text import MAX_ROWS
from airflow_provider_videoretalk.ui.stored_values import as_amount, as_name, as_text, as_time

_MAX_PLACE = 2**31 - 1
# Seconds. A queue that takes longer has no time that could be shown.
_MAX_WAIT = 10 * 365 * 86400


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRow:
    """A row of the table.

    :param script: its first characters
    :param place: the map index of its tasks; ``None`` if its video is not made in this run
    :param cost: the most that it may cost, or what a kept one did cost
    :param render: how long its render takes, in seconds
    """

    line: int
    name: str
    language: str | None
    script: str
    state: PlannedState
    place: int | None
    seconds: float | None
    cost: float | None
    render: float
    uri: str | None
    problem: str | None

    @property
    def label(self) -> str:
        return f"{self.name} ({self.language})" if self.language else self.name


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """
    :param exact: whether the costs are known exactly, and not only at most
    :param plan_uri: of the document with all that the plan found
    """

    rows: Sequence[PlannedRow]
    name: str = ""
    planned_at: datetime | None = None
    dry_run: bool = False
    currency: str = ""
    exact: bool = False
    plan_uri: str | None = None


def read_plan(stored: object) -> BatchPlan | None:
    """The plan in a JSON value; ``None`` if it is none, or of another version."""
    if not isinstance(stored, Mapping) or stored.get("version") != VERSION:
        return None
    columns, rows = stored.get("columns"), stored.get("rows")
    if not isinstance(columns, list) or any(column not in columns for column in COLUMNS):
        return None
    prefix = as_text(stored.get("uri_prefix")) or ""
    places = [(column, columns.index(column)) for column in COLUMNS]
    values = [{column: row[at] for column, at in places} for row in _rows_of(rows, len(columns))]
    return BatchPlan(
        rows=[_row(row, prefix, render) for row, render in zip(values, _renders(values), strict=True)],
        name=as_name(stored.get("batch")) or "",
        planned_at=as_time(stored.get("planned_at")),
        dry_run=stored.get("dry_run") is True,
        currency=as_name(stored.get("currency")) or "",
        exact=stored.get("exact") is True,
        plan_uri=as_text(stored.get("plan_uri")),
    )


def _rows_of(rows: object, columns: int) -> list[list[Any]]:
    found = rows[:MAX_ROWS] if isinstance(rows, list) else []
    return [row for row in found if isinstance(row, list) and len(row) == columns]


def _renders(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """How long each render takes. The plan has when it ends, after those before it."""
    renders, ended = [], 0.0
    for row in rows:
        ends = as_amount(row["ready_after"])
        renders.append(max(ends - ended, 0.0) if ends is not None and ends <= _MAX_WAIT else 0.0)
        ended += renders[-1]
    return renders


def _row(values: Mapping[str, Any], prefix: str, render: float) -> PlannedRow:
    line = _whole(values["line"]) or 0
    known = isinstance(values["state"], str) and values["state"] in ("make", "keep", "refuse")
    state = values["state"] if known else "refuse"
    uri = as_text(values["uri"])
    return PlannedRow(
        line=line,
        name=as_name(values["name"]) or f"line {line}",
        language=as_name(values["language"]),
        script=as_name(values["script"]) or "",
        state=cast("PlannedState", state),
        place=_whole(values["row"]) if state == "make" else None,
        seconds=as_amount(values["seconds"]),
        cost=as_amount(values["cost"]),
        render=render,
        uri=prefix + uri if uri else None,
        problem=as_text(values["problem"]),
    )


def _whole(value: object) -> int | None:
    is_whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_PLACE
    return cast("int", value) if is_whole else None
