"""Airflow's task state store, without Airflow."""

from __future__ import annotations

from collections import UserDict
from typing import Any


class TaskStateStore(UserDict[str, Any]):
    """As Airflow's: it outlives the process."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)
