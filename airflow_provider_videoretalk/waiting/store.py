"""Where records are kept: a few keys with JSON values."""

from __future__ import annotations

from typing import Any, Protocol


class Store(Protocol):
    """The part of Airflow's task state store that records need. Values are of JSON's types."""

    def get(self, key: str, default: Any = None) -> Any: ...

    def set(self, key: str, value: Any) -> None: ...

    def delete(self, key: str) -> None: ...


class VolatileStore(dict[str, Any]):
    """A store that forgets with its process: for Airflow below 3.3, and for ``durable=False``."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)
