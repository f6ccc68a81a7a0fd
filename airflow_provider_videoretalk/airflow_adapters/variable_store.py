"""Airflow's Variables as a store that all DAGs share. Clearing a task does not delete them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from airflow.sdk import Variable

from airflow_provider_videoretalk.polling.stored_json import unreadable

DESCRIPTION = "airflow-provider-videoretalk keeps this, so that nothing is paid for twice, or is forgotten."


HAS_KEYS = hasattr(Variable, "keys")
"""Whether a task can list the keys of Variables. Airflow 3.3 and newer can."""


class VariableStore:
    """JSON values of Variables. Needs :data:`HAS_KEYS`."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a Variable.

        :raises StateReadError: it is not JSON
        """
        text = Variable.get(key, default=None)
        if text is None:
            return default
        try:
            return json.loads(text)
        except (TypeError, ValueError, RecursionError):
            raise unreadable(f"Variable {key}", "it is not JSON") from None

    def set(self, key: str, value: Any) -> None:
        Variable.set(key, value, description=DESCRIPTION, serialize_json=True)

    def delete(self, key: str) -> None:
        Variable.delete(key)

    def names(self, prefix: str) -> Sequence[str]:
        """The keys that begin with a prefix."""
        return list(Variable.keys(prefix=prefix))
