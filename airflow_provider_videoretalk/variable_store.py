"""Airflow's Variables as a store that all DAGs share and no clear discards."""

from __future__ import annotations

from typing import Any

DESCRIPTION = "What airflow-provider-videoretalk submitted in the last day, so that nothing is paid for twice."


class VariableStore:
    """JSON values under a Variable's key."""

    def get(self, key: str, default: Any = None) -> Any:
        from airflow.sdk import Variable

        return Variable.get(key, default=default, deserialize_json=True)

    def set(self, key: str, value: Any) -> None:
        from airflow.sdk import Variable

        Variable.set(key, value, description=DESCRIPTION, serialize_json=True)

    def delete(self, key: str) -> None:
        from airflow.sdk import Variable

        Variable.delete(key)
