"""Which tasks of a DAG have to do with the same video."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow_provider_videoretalk.links import WATCH

if TYPE_CHECKING:
    from airflow.models.dagbag import DBDagBag
    from sqlalchemy.orm import Session

# A video has a handful; a DAG may chain any number.
_MOST = 12


@lru_cache(maxsize=1)
def dag_bag() -> DBDagBag:
    """Airflow's own cache of parsed DAGs, which this process's pages share."""
    from airflow.api_fastapi.common.dagbag import create_dag_bag

    return create_dag_bag()


def kin_of(session: Session, *, dag_version: UUID | None, task_id: str) -> list[str]:
    """The task itself, then this package's tasks before and after it, nearest first.

    :param dag_version: of the task instance; without, or where it is gone, only the task itself is known
    """
    dag = dag_bag().get_dag(dag_version, session) if dag_version else None
    return [task_id, *_nearest(dag, task_id)] if dag is not None and dag.has_task(task_id) else [task_id]


def _nearest(dag: Any, task_id: str) -> list[str]:
    up = _walk(dag, task_id, lambda task: task.upstream_task_ids)
    down = _walk(dag, task_id, lambda task: task.downstream_task_ids)
    distances = sorted((distance, name) for found in (up, down) for name, distance in found.items())
    return [name for _, name in distances if _is_ours(dag.get_task(name))][:_MOST]


def _walk(dag: Any, task_id: str, neighbours: Callable[[Any], Collection[str]]) -> dict[str, int]:
    """How many steps away each task is, in one direction."""
    distances: dict[str, int] = {}
    border, distance = {task_id}, 0
    while border:
        distance += 1
        border = {name for here in border for name in neighbours(dag.get_task(here))} - distances.keys() - {task_id}
        distances |= dict.fromkeys(border, distance)
    return distances


def _is_ours(task: Any) -> bool:
    return any(link.name == WATCH for link in task.operator_extra_links)
