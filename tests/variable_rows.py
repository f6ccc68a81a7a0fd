"""Airflow's Variables in its database, without the tasks that write them."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import delete
from state_store import TaskStateStore


class VariableRows(TaskStateStore):
    """A store whose values are also rows of Airflow's own table, encrypted as Airflow does it."""

    def set(self, key: str, value: Any) -> None:
        # As a value that was JSON in between.
        super().set(key, json.loads(json.dumps(value)))
        self._replace_row(key, value)

    def delete(self, key: str) -> None:
        super().delete(key)
        self._replace_row(key, None)

    def delete_history(self) -> None:
        """Deletes the job history of other tests from the table."""
        from airflow.models import Variable
        from airflow.utils.session import create_session

        with create_session(scoped=False) as session:
            session.execute(delete(Variable).where(Variable.key.startswith("dashscope_history_")))

    def _replace_row(self, key: str, value: Any) -> None:
        from airflow.models import Variable
        from airflow.utils.session import create_session

        with create_session(scoped=False) as session:
            session.execute(delete(Variable).where(Variable.key == key))
            if value is not None:
                session.add(Variable(key=key, val=json.dumps(value)))
