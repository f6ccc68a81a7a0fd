"""The tasks of a DAG that can belong to the same video."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cachetools import TTLCache, cached

from airflow_provider_videoretalk.links import WATCH
from airflow_provider_videoretalk.ui.airflow_db.stored_dags import load_dag

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# A video has a handful of tasks, but a DAG may chain any number.
_MAX_NEIGHBOURS = 12


@dataclass(frozen=True, kw_only=True)
class RelatedTasks:
    """This package's tasks upstream and downstream of a task.

    :param task_ids: the task itself, then the others, nearest first. At equal distance, upstream tasks come first
    :param downstream: the ids of the downstream ones
    :param submitters: the ids of those that submit a render job
    :param plan: the id of the nearest upstream task that plans a batch; ``None`` without one
    """

    task_ids: tuple[str, ...]
    downstream: frozenset[str] = frozenset()
    submitters: frozenset[str] = frozenset()
    plan: str | None = None


@dataclass(frozen=True, kw_only=True)
class BatchTasks:
    """The tasks of a batch.

    :param plan: the id of the task that plans it
    :param make: the id of the mapped task that makes the video of a row; ``None`` if the DAG has none
    :param after: the ids of the mapped tasks of this package downstream of it, nearest first, but for those that ask a
        person
    :param related: the tasks related to ``make``
    """

    plan: str
    make: str | None = None
    after: tuple[str, ...] = ()
    related: RelatedTasks | None = None


def plans_videos(fields: Collection[str]) -> bool:
    """Whether a task with these template fields plans a batch."""
    return {"table", "folder", "batch"} <= set(fields)


def submits_job(fields: Collection[str]) -> bool:
    """Whether a task with these template fields submits a render job."""
    return "video_url" in fields or any(named <= set(fields) for named in ({"path", "input"}, {"row", "folder"}))


def _cache_key(session: Session, *, dag_version: UUID | None, task_id: str) -> tuple[UUID | None, str]:
    return dag_version, task_id


@cached(TTLCache(maxsize=1024, ttl=300.0), key=_cache_key, lock=Lock())
def find_related_tasks(session: Session, *, dag_version: UUID | None, task_id: str) -> RelatedTasks:
    """The related tasks of a task.

    :param dag_version: the DAG version of the task instance. With ``None``, or a deleted version, the result holds the
        task itself only
    """
    dag = load_dag(session, dag_version) if dag_version else None
    if dag is None or not dag.has_task(task_id):
        return RelatedTasks(task_ids=(task_id,))
    return nearest_related_tasks(dag, task_id)


def _dag_key(session: Session, *, dag_version: UUID) -> UUID:
    return dag_version


@cached(TTLCache(maxsize=256, ttl=300.0), key=_dag_key, lock=Lock())
def find_batches(session: Session, *, dag_version: UUID) -> tuple[BatchTasks, ...]:
    """The batches of a DAG, by the ids of the tasks that plan them."""
    dag = load_dag(session, dag_version)
    if dag is None:
        return ()
    plans = sorted(task_id for task_id in dag.task_ids if plans_videos(dag.get_task(task_id).template_fields))
    return tuple(_batch(dag, plan) for plan in plans)


def _batch(dag: Any, plan: str) -> BatchTasks:
    downstream = _distances(dag, plan, lambda task: task.downstream_task_ids)
    makes = [
        (distance, name)
        for name, distance in downstream.items()
        if {"row", "folder"} <= set(dag.get_task(name).template_fields) and dag.get_task(name).get_needs_expansion()
    ]
    if not makes:
        return BatchTasks(plan=plan)
    _, make = min(makes)
    related = nearest_related_tasks(dag, make)
    after = (name for name in related.task_ids if name in related.downstream and not _asks_person(dag.get_task(name)))
    return BatchTasks(
        plan=plan,
        make=make,
        after=tuple(name for name in after if dag.get_task(name).get_needs_expansion()),
        related=related,
    )


def nearest_related_tasks(dag: Any, task_id: str) -> RelatedTasks:
    """The related tasks of a task in a parsed DAG."""
    upstream = _distances(dag, task_id, lambda task: task.upstream_task_ids)
    downstream = _distances(dag, task_id, lambda task: task.downstream_task_ids)
    ordered = sorted(
        (
            *((distance, 0, name) for name, distance in upstream.items()),
            *((distance, 1, name) for name, distance in downstream.items()),
        )
    )
    nearest_upstream = [name for _, side, name in ordered if side == 0]
    neighbours = [name for _, _, name in ordered if _has_watch_link(dag.get_task(name))][:_MAX_NEIGHBOURS]
    task_ids = (task_id, *neighbours)
    return RelatedTasks(
        task_ids=task_ids,
        downstream=frozenset(downstream).intersection(neighbours),
        submitters=frozenset(name for name in task_ids if submits_job(dag.get_task(name).template_fields)),
        plan=next((name for name in nearest_upstream if plans_videos(dag.get_task(name).template_fields)), None),
    )


def _distances(dag: Any, task_id: str, neighbours: Callable[[Any], Collection[str]]) -> dict[str, int]:
    """The number of edges from the task to each task in one direction."""
    distances: dict[str, int] = {}
    border, distance = {task_id}, 0
    while border:
        distance += 1
        reached = {name for current in border for name in neighbours(dag.get_task(current))}
        border = reached - distances.keys() - {task_id}
        distances |= dict.fromkeys(border, distance)
    return distances


def _asks_person(task: Any) -> bool:
    """Whether a task asks about a video. What becomes of the row is known by the tasks after it."""
    return {"metadata", "ask"} <= set(task.template_fields)


def _has_watch_link(task: Any) -> bool:
    return any(link.name == WATCH for link in task.operator_extra_links)
