"""Airflow's stored DAGs."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from airflow.models.serialized_dag import SerializedDagModel
from sqlalchemy import Text, cast, func, or_, select

from airflow_provider_videoretalk.links import BatchLink, WatchLink

if TYPE_CHECKING:
    from uuid import UUID

    from airflow.models.dagbag import DBDagBag
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

# The time between a version's timestamp and its commit.
_MAX_COMMIT_DELAY = timedelta(minutes=5)


@lru_cache(maxsize=1)
def _dag_bag() -> DBDagBag:
    """Airflow's cache of parsed DAGs. All pages of this process share it."""
    # Late: it loads Airflow's DAG parsing, which an import of these pages does not need.
    from airflow.api_fastapi.common.dagbag import create_dag_bag

    return create_dag_bag()


def load_dag(session: Session, version: UUID) -> Any:
    """A version of a DAG; ``None`` if Airflow has deleted it, or cannot read it."""
    bag = _dag_bag()
    # Airflow 3.1 has the private name only.
    get_dag = getattr(bag, "get_dag", None) or bag._get_dag
    try:
        return get_dag(version, session)
    except Exception:
        # Another release of Airflow may have stored it. The page then shows the task alone.
        log.warning("The version %s of a DAG cannot be read", version, exc_info=True)
        return None


class ProviderDags:
    """The ids of the DAGs of which any version has a task with a link of this package. Each version is searched once.

    :param link: the key of the link's XCom
    """

    def __init__(self, link: str = WatchLink().xcom_key) -> None:
        self._link = link
        self._lock = Lock()
        self._dag_ids: set[str] = set()
        self._last_updated: datetime | None = None

    def intersection(self, session: Session, dag_ids: Collection[str]) -> frozenset[str]:
        """The given ids that belong to such DAGs."""
        # Whoever holds the lock must have a database connection. If it waited for one, those that have all connections
        # could wait for the lock.
        session.connection()
        with self._lock:
            self._refresh(session)
            return self._dag_ids.intersection(dag_ids)  # type: ignore[return-value]

    def _refresh(self, session: Session) -> None:
        model = SerializedDagModel
        newest = session.scalar(select(func.max(model.last_updated)))
        if newest is None or newest == self._last_updated:
            return
        # A compressed version cannot be searched in SQL, so its DAG counts as one with such tasks.
        may_have_link = or_(model._data.is_(None), cast(model._data, Text).contains(f'"{self._link}"'))
        statement = select(model.dag_id).where(may_have_link)
        if self._last_updated is not None:
            statement = statement.where(model.last_updated > self._last_updated - _MAX_COMMIT_DELAY)
        self._dag_ids.update(session.scalars(statement))
        self._last_updated = newest


provider_dags = ProviderDags()
"""The DAGs with tasks that belong to a video."""

batch_dags = ProviderDags(BatchLink().xcom_key)
"""The DAGs with tasks that belong to a batch."""
