"""Who may see what: Airflow's own answer, by the dependencies of its own API."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from fastapi import Depends

ANYBODY = [Depends(get_user)]
"""Whoever has logged in."""

READER = [
    Depends(requires_access_dag("GET", entity))
    for entity in (DagAccessEntity.RUN, DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
]
"""Whoever may read the runs, task instances and XComs of the DAG in the path; without one there, of DAGs at all."""

LOG_READER = [*READER, Depends(requires_access_dag("GET", DagAccessEntity.TASK_LOGS))]
"""Who may read its tasks' logs besides."""


def _readable(user: GetUserDep) -> frozenset[str]:
    return frozenset(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))


Readable = Annotated[frozenset[str], Depends(_readable)]
"""The ids of the DAGs that the caller may read."""
