"""Which tasks of a DAG have to do with the same video."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cachetools import TTLCache, cached

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


@dataclass(frozen=True, kw_only=True)
class Kin:
    """This package's tasks around one.

    :param names: the task itself, then those before and after it, nearest first; of equally near ones those before it
    :param after: which of them come after it
    :param submits: which of them submit a task
    """

    names: tuple[str, ...]
    after: frozenset[str] = frozenset()
    submits: frozenset[str] = frozenset()


def submits(fields: Collection[str]) -> bool:
    """Whether a task with these templated fields submits one of DashScope's."""
    return "video_url" in fields or {"path", "input"} <= set(fields)


def _key(session: Session, *, dag_version: UUID | None, task_id: str) -> tuple[UUID | None, str]:
    return dag_version, task_id


@cached(TTLCache(maxsize=1024, ttl=300.0), key=_key, lock=Lock())
def kin_of(session: Session, *, dag_version: UUID | None, task_id: str) -> Kin:
    """The kin of a task.

    :param dag_version: of the task instance; without, or where it is gone, only the task itself is known
    """
    dag = dag_bag().get_dag(dag_version, session) if dag_version else None
    return _nearest(dag, task_id) if dag is not None and dag.has_task(task_id) else Kin(names=(task_id,))


def _nearest(dag: Any, task_id: str) -> Kin:
    up = _walk(dag, task_id, lambda task: task.upstream_task_ids)
    down = _walk(dag, task_id, lambda task: task.downstream_task_ids)
    distances = sorted((*((d, 0, name) for name, d in up.items()), *((d, 1, name) for name, d in down.items())))
    names = [name for _, _, name in distances if _is_ours(dag.get_task(name))][:_MOST]
    return Kin(
        names=(task_id, *names),
        after=frozenset(down).intersection(names),
        submits=frozenset(name for name in (task_id, *names) if submits(dag.get_task(name).template_fields)),
    )


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
