"""Airflow's Variables as a store that all DAGs share and no clear discards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

DESCRIPTION = "Kept for some hours by airflow-provider-videoretalk, so that nothing is paid for twice."


class VariableStore:
    """JSON values under a Variable's key; needs Airflow 3.3, which can list keys."""

    def get(self, key: str, default: Any = None) -> Any:
        from airflow.sdk import Variable

        return Variable.get(key, default=default, deserialize_json=True)

    def set(self, key: str, value: Any) -> None:
        from airflow.sdk import Variable

        Variable.set(key, value, description=DESCRIPTION, serialize_json=True)

    def delete(self, key: str) -> None:
        from airflow.sdk import Variable

        Variable.delete(key)

    def names(self, prefix: str) -> Sequence[str]:
        """The keys that begin so."""
        from airflow.sdk import Variable

        return list(Variable.keys(prefix=prefix))
