"""Where records are kept: JSON values under keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Store(Protocol):
    """The part of Airflow's task state store that a ledger needs. Values are of JSON's types."""

    def get(self, key: str, default: Any = None) -> Any: ...

    def set(self, key: str, value: Any) -> None: ...

    def delete(self, key: str) -> None: ...


class SharedStore(Store, Protocol):
    """A store that all task instances share. It has no transactions: a key is written by one owner alone."""

    def names(self, prefix: str) -> Sequence[str]:
        """The keys that begin so."""
        ...


class VolatileStore(dict[str, Any]):
    """A store that forgets with its process: for Airflow below 3.3, and for ``durable=False``."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)

    def names(self, prefix: str) -> list[str]:
        return [key for key in self if key.startswith(prefix)]
