"""Which of the latest tasks failed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow.models.taskinstance import TaskInstance
from sqlalchemy import and_, select

from airflow_provider_videoretalk.links import WatchLink
from airflow_provider_videoretalk.ui.board import WALK, Filters, latest
from airflow_provider_videoretalk.ui.place import Place

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_MOST = 10


@dataclass(frozen=True, kw_only=True)
class FailedTask:
    """A task that failed, whether or not it had submitted anything."""

    place: Place
    ended_at: datetime | None


def failed_tasks(session: Session, *, dags: Collection[str], filters: Filters) -> list[FailedTask]:
    """The latest that failed, by the XCom of the link that all tasks of this package have."""
    found = latest(
        session, key=WatchLink().xcom_key, dags=dags, filters=Filters(dag=filters.dag, day=filters.day), count=WALK
    )
    ti = TaskInstance
    rows = session.execute(
        select(ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.end_date)
        .select_from(found)
        .join(
            ti,
            and_(
                ti.dag_id == found.c.dag_id,
                ti.task_id == found.c.task_id,
                ti.run_id == found.c.run_id,
                ti.map_index == found.c.map_index,
            ),
        )
        .where(ti.state == "failed")
        .order_by(found.c.run.desc())
        .limit(_MOST)
    )
    return [
        FailedTask(
            place=Place(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index),
            ended_at=ended_at,
        )
        for dag_id, run_id, task_id, map_index, ended_at in rows
    ]
