"""What waits now, and when it should be through."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from statistics import median
from typing import TYPE_CHECKING

from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields as Rendered
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import Text, and_, cast, select

from airflow_provider_videoretalk.ui.place import Place
from airflow_provider_videoretalk.ui.records import EXPECTED_START, TASK_ID, rendered
from airflow_provider_videoretalk.ui.service import Account, account_now
from airflow_provider_videoretalk.ui.told import number, text
from airflow_provider_videoretalk.ui.video import DEFAULT_CONNECTION, Video

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_MOST = 50
_UNFINISHED = ("running", "deferred", "up_for_retry", "up_for_reschedule")


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A video that is not made yet.

    :param since: when it was submitted, or held back, or a sensor began to wait for it
    :param held_until: when one held back is expected to begin, ``None`` for one that was submitted
    """

    place: Place
    since: datetime
    held_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What waits.

    :param ours: of the DAGs that the caller may read, in the order of their submits
    :param more: whether there are others besides
    :param accounts: by connection, as the service tells; those of no answer are missing
    :param through: when all that the accounts have should be done, ``None`` where nothing tells
    """

    ours: Sequence[Waiting]
    more: bool
    accounts: dict[str, Account]
    through: datetime | None


def queue_of(session: Session, *, dags: Collection[str], latest: Sequence[Video]) -> Queue:
    """The queue now. Asks the service, and blocks for that.

    :param latest: the last videos, by which is known how long a render takes
    """
    waiting = sorted((*_submitted(session, dags), *_sensed(session, dags)), key=lambda one: one.since)
    ours = waiting[:_MOST]
    connections = _connections(session, ours)
    # No connection to the database is kept while the service is asked.
    session.close()
    found = {name: account_now(name) for name in connections}
    accounts = {name: account for name, account in found.items() if account is not None}
    rounds = max((account.rounds for account in accounts.values()), default=float(len(ours)))
    renders = [seconds for video in latest if (seconds := number(video.facts, "render_seconds"))]
    through = None
    if renders and rounds:
        through = datetime.now(timezone.utc) + timedelta(seconds=rounds * median(renders))
    return Queue(ours=ours, more=len(waiting) > _MOST, accounts=accounts, through=through)


def _submitted(session: Session, dags: Collection[str]) -> list[Waiting]:
    """By the index of task instances' states, so that only what is unfinished is looked at."""
    ti, told = TaskInstance, XComModel
    statement = (
        select(ti.dag_id, ti.run_id, ti.task_id, ti.map_index, told.key, told.value, told.timestamp)
        .join(DagRun, and_(DagRun.dag_id == ti.dag_id, DagRun.run_id == ti.run_id))
        .join(
            told,
            and_(
                told.dag_run_id == DagRun.id,
                told.task_id == ti.task_id,
                told.map_index == ti.map_index,
                told.key.in_((TASK_ID, EXPECTED_START)),
            ),
        )
        .where(ti.state.in_(_UNFINISHED), ti.dag_id.in_(dags))
        .order_by(told.timestamp)
        # One that was held back and then submitted has told both.
        .limit(2 * _MOST + 2)
    )
    found: dict[Place, Waiting] = {}
    for dag_id, run_id, task_id, map_index, key, value, at in session.execute(statement):
        place = Place(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
        held = key == EXPECTED_START and isinstance(value, int | float)
        until = datetime.fromtimestamp(value, tz=timezone.utc) if held else None
        if key == TASK_ID or place not in found:
            found[place] = Waiting(place=place, since=at, held_until=until)
    return list(found.values())


def _sensed(session: Session, dags: Collection[str]) -> list[Waiting]:
    """What sensors wait for, which are known by their field."""
    ti = TaskInstance
    statement = (
        select(ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.start_date)
        .join(
            Rendered,
            and_(
                Rendered.dag_id == ti.dag_id,
                Rendered.task_id == ti.task_id,
                Rendered.run_id == ti.run_id,
                Rendered.map_index == ti.map_index,
            ),
        )
        .where(ti.state.in_(_UNFINISHED), ti.dag_id.in_(dags))
        .where(cast(Rendered.rendered_fields, Text).contains(f'"{TASK_ID}":'))
        .order_by(ti.start_date)
        .limit(_MOST + 1)
    )
    return [
        Waiting(
            place=Place(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index),
            since=since,
            held_until=None,
        )
        for dag_id, run_id, task_id, map_index, since in session.execute(statement)
        if since
    ]


def _connections(session: Session, waiting: Sequence[Waiting]) -> set[str]:
    """The connections of what waits, or the default one."""
    names = set()
    for dag_id in {one.place.dag_id for one in waiting}:
        places = [one.place for one in waiting if one.place.dag_id == dag_id]
        fields = rendered(
            session,
            dag_id=dag_id,
            runs={place.run_id for place in places},
            tasks={place.task_id for place in places},
            map_indexes={place.map_index for place in places},
        )
        names |= {text(values, "dashscope_conn_id") for run in fields.values() for values in run.values()}
    return {name for name in names if name} or {DEFAULT_CONNECTION}
