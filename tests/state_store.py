"""Airflow's task state store, and its Variables, without Airflow."""

from __future__ import annotations

from collections import UserDict
from typing import Any


class TaskStateStore(UserDict[str, Any]):
    """As Airflow's: it outlives the process."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)

    def names(self, prefix: str) -> list[str]:
        return [key for key in self if key.startswith(prefix)]
