"""An auth manager whose users may each read some DAGs: the user's name says which, separated by commas."""

from __future__ import annotations

from inspect import signature
from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser


class DagReaders(SimpleAuthManager):
    """Airflow's own auth manager for trials, with rights by DAG."""

    def is_authorized_dag(self, *, method: str, user: Any, access_entity: Any = None, details: Any = None) -> bool:
        mine = user.username.split(",")
        return method == "GET" and bool(mine) and (details is None or details.id is None or details.id in mine)


def reader_of(*dags: str) -> SimpleAuthManagerUser:
    # Airflow 3.1 has no teams, and later lines want them named.
    teams = {"teams": None} if "teams" in signature(SimpleAuthManagerUser).parameters else {}
    return SimpleAuthManagerUser(username=",".join(dags), role="VIEWER", **teams)
