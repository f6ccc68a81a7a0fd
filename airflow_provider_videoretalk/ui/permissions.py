"""Access control: dependencies of Airflow's own API, which ask its auth manager. The database session is one of them.

Airflow's own routes are built from ``airflow.api_fastapi``. It differs less between versions than the tables do, and
its dependencies belong to routes, not to queries. So this file uses it, and not ``airflow_db``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from fastapi import Depends

__all__ = ["CAN_READ_LOGS", "CAN_READ_RUNS", "LOGGED_IN", "CanReadLogs", "ReadableDags", "SessionDep"]

LOGGED_IN = [Depends(get_user)]
"""Requires a login."""

CAN_READ_RUNS = [
    Depends(requires_access_dag("GET", entity))
    for entity in (DagAccessEntity.RUN, DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
]
"""Requires read access to the runs, task instances and XComs of the DAG in the path; without one, of any DAG."""

CAN_READ_LOGS = [*CAN_READ_RUNS, Depends(requires_access_dag("GET", DagAccessEntity.TASK_LOGS))]
"""Also requires read access to the task logs of the DAG."""


def _readable_dags(user: GetUserDep) -> frozenset[str]:
    return frozenset(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))


def _log_permission(user: GetUserDep) -> Callable[[str], bool]:
    def can_read_logs(dag_id: str) -> bool:
        return get_auth_manager().is_authorized_dag(
            method="GET", access_entity=DagAccessEntity.TASK_LOGS, details=DagDetails(id=dag_id), user=user
        )

    return can_read_logs


CanReadLogs = Annotated[Callable[[str], bool], Depends(_log_permission)]
"""Whether the caller may read the task logs of a DAG."""

ReadableDags = Annotated[frozenset[str], Depends(_readable_dags)]
"""The ids of the DAGs that the caller may read."""
