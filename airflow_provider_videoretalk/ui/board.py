"""The latest videos, page by page.

A video is found by the XCom ``dashscope_task_id``, which its job operator pushes once it was submitted. The pages walk
XCom's primary key from its end, so that each costs as much as the rows on it, however many there are in all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import String, and_, select, tuple_, type_coerce
from sqlalchemy.sql.expression import UnaryExpression, custom_op

from airflow_provider_videoretalk.ui.kin import Kin, kin_of
from airflow_provider_videoretalk.ui.place import Place
from airflow_provider_videoretalk.ui.records import RESULT, TASK_ID, Told, rendered, states, told
from airflow_provider_videoretalk.ui.video import Family, Phase, Video

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PAGE = 24

# A rare state is looked for among so many at a time, so that a page has an end.
WALK = 600


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which videos are meant; ``None`` for all.

    :param day: in UTC, on which their runs were due
    """

    dag: str | None = None
    state: Phase | None = None
    day: date | None = None


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in the order of the board: behind the last video that was looked at."""

    run: int
    task_id: str
    map_index: int

    def __str__(self) -> str:
        return f"{self.run}.{self.map_index}.{self.task_id}"

    @classmethod
    def parse(cls, text: str | None) -> Cursor | None:
        """The inverse of ``str``; ``None`` for what is none."""
        run, _, rest = (text or "").partition(".")
        map_index, _, task_id = rest.partition(".")
        try:
            return cls(run=int(run), map_index=int(map_index), task_id=task_id)
        except ValueError:
            return None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some videos, the latest first.

    :param older: where the next page begins, ``None`` at the end
    """

    videos: Sequence[Video]
    older: Cursor | None


def page_of(
    session: Session, *, dags: Collection[str], filters: Filters, after: Cursor | None = None, size: int = PAGE
) -> Page:
    """A page of the board.

    :param dags: the DAGs that the caller may read
    """
    walk = WALK if filters.state else size
    rows = _rows(session, dags, filters, after, walk)
    meant = [(row, video) for row, video in _videos(session, rows) if _is_meant(video, filters.state)][:size]
    last = meant[-1][0] if len(meant) == size else rows[-1] if len(rows) == walk else None
    older = Cursor(run=last.run, task_id=last.task_id, map_index=last.map_index) if last is not None else None
    return Page(videos=[video for _, video in meant], older=older)


def _rows(session: Session, dags: Collection[str], filters: Filters, after: Cursor | None, walk: int) -> Sequence[Any]:
    """The next ``walk`` videos with their task instances."""
    found = latest(session, key=TASK_ID, dags=dags, filters=filters, after=after, count=walk)
    ti = TaskInstance
    columns = (ti.state, ti.start_date, ti.dag_version_id, ti._rendered_map_index.label("label"))
    statement = (
        select(found, *columns)
        .join(
            ti,
            and_(
                ti.dag_id == found.c.dag_id,
                ti.task_id == found.c.task_id,
                ti.run_id == found.c.run_id,
                ti.map_index == found.c.map_index,
            ),
        )
        .order_by(found.c.run.desc(), found.c.task_id.desc(), found.c.map_index.desc())
    )
    return session.execute(statement).all()


def latest(
    session: Session,
    *,
    key: str,
    dags: Collection[str],
    filters: Filters,
    after: Cursor | None = None,
    count: int,
) -> Any:
    """A subquery of the latest XComs of a key, with their places.

    :param key: one that this package's tasks push
    """
    row = XComModel
    place = (row.dag_run_id, row.task_id, row.map_index)
    statement = select(
        row.dag_run_id.label("run"),
        row.task_id,
        row.map_index,
        row.dag_id,
        row.run_id,
        row.value.label("told"),
        row.timestamp,
    ).where(_without_index(session, row.key) == key)
    dag_id = _without_index(session, row.dag_id)
    if filters.dag is None:
        statement = statement.where(dag_id.in_(dags))
    else:
        statement = statement.where(dag_id == (filters.dag if filters.dag in dags else None))
    if after is not None:
        statement = statement.where(tuple_(*place) < tuple_(after.run, after.task_id, after.map_index))
    if filters.day is not None:
        begin = datetime.combine(filters.day, time.min, tzinfo=timezone.utc)
        due = select(DagRun.id).where(DagRun.run_after >= begin, DagRun.run_after < begin + timedelta(days=1))
        statement = statement.where(row.dag_run_id.in_(due))
    return statement.order_by(*(column.desc() for column in place)).limit(count).subquery()


def _is_meant(video: Video, state: Phase | None) -> bool:
    return state in (None, video.phase) or (state, video.phase) == ("failed", "unpublished")


def _without_index(session: Session, column: Any) -> Any:
    """A column by whose own index SQLite is not to look: it would collect all rows of a key, or DAG, and sort them."""
    if session.get_bind().dialect.name != "sqlite":
        return column
    return type_coerce(UnaryExpression(column, operator=custom_op("+")), String)


def _videos(session: Session, rows: Sequence[Any]) -> list[tuple[Any, Video]]:
    """The rows with their videos, with what other tasks of their runs told."""
    groups: dict[tuple[str, str, bool, Kin], list[Any]] = defaultdict(list)
    for row in rows:
        kin = kin_of(session, dag_version=row.dag_version_id, task_id=row.task_id)
        groups[row.dag_id, row.task_id, row.map_index >= 0, kin].append(row)
    videos: dict[Place, Video] = {}
    for (*_, kin), group in groups.items():
        videos |= _group(session, kin, group)
    return [(row, videos[_place(row)]) for row in rows]


def _group(session: Session, kin: Kin, rows: Sequence[Any]) -> dict[Place, Video]:
    """The videos of one task, of all versions of a DAG in which it has the same kin."""
    tasks = kin.names
    runs = {row.run: row.run_id for row in rows}
    indexes = {row.map_index for row in rows} | {-1}
    which: dict[str, Any] = {"dag_id": rows[0].dag_id, "runs": runs.values(), "tasks": tasks, "map_indexes": indexes}
    states_by, fields_by = states(session, **which), rendered(session, **which)
    told_by = told(session, runs=runs, tasks=tasks, map_indexes=indexes, keys=[RESULT])
    for row in rows:
        told_by[row.run][row.task_id, row.map_index, TASK_ID] = Told(value=row.told, at=row.timestamp)
    videos = {}
    for row in rows:
        family = Family(
            own=(row.task_id, row.map_index),
            kin=kin,
            states=states_by[row.run_id],
            told=told_by[row.run],
            fields=fields_by[row.run_id],
        )
        label = row.label if row.label and not row.label.isdigit() else None
        videos[_place(row)] = family.video(_place(row), state=row.state, label=label, began_at=row.start_date)
    return videos


def _place(row: Any) -> Place:
    return Place(dag_id=row.dag_id, run_id=row.run_id, task_id=row.task_id, map_index=row.map_index)
