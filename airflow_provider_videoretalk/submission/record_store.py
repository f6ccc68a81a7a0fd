"""The key-value stores that keep records. Values are of JSON's types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Store(Protocol):
    """The part of Airflow's task state store that a ledger needs."""

    def get(self, key: str, default: Any = None) -> Any: ...

    def set(self, key: str, value: Any) -> None: ...

    def delete(self, key: str) -> None: ...


class SharedStore(Store, Protocol):
    """A store that all task instances share. It has no transactions, so only one task instance writes to a key.

    ``get`` raises :class:`~airflow_provider_videoretalk.dashscope.errors.StateReadError` for a value that is not JSON.
    """

    def names(self, prefix: str) -> Sequence[str]:
        """The keys that begin with a prefix."""
        ...


class VolatileStore(dict[str, Any]):
    """A store that ends with its process: for Airflow below 3.3, and for ``durable=False``."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)

    def names(self, prefix: str) -> list[str]:
        return [key for key in self if key.startswith(prefix)]
