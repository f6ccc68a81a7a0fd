"""An object in a store that Airflow has a connection to, read by ranges of bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError, TransportError
from airflow_provider_videoretalk.optional_dependencies import missing_store_library
from airflow_provider_videoretalk.outbound.read_budget import BudgetMeter


@runtime_checkable
class StorePath(Protocol):
    """The part of Airflow's ``ObjectStoragePath`` that identifies it.

    Its file system (``fs``) is not part of the protocol, because reading that attribute opens the store's connection.
    """

    @property
    def protocol(self) -> str: ...

    @property
    def path(self) -> str: ...


# What stores say of an object's version, each by its own library.
_VERSION_FIELDS = ("size", "ETag", "etag", "LastModified", "last_modified", "mtime", "updated", "generation")


class StoreObject:
    """An object in a store, read with the store's own library.

    :ivar version: what the store said of the object's version when it was opened
    :raises InputError: the object does not exist, or may not be read
    :raises ConfigurationError: the store's connection cannot be used
    :raises TransportError: the store does not answer
    """

    forward_only = False
    notes: tuple[str, ...] = ()

    def __init__(self, path: StorePath, *, field: str, meter: BudgetMeter) -> None:
        self._path = path
        self._field = field
        self._meter = meter
        self._meter.charge()
        self._filesystem = open_filesystem(path, field=field)
        info = self._call(self._filesystem.info, path.path)
        self.version = {name: info[name] for name in _VERSION_FIELDS if name in info}
        size = info.get("size")
        self.size: int | None = int(size) if size is not None else None

    def fetch(self, start: int, length: int) -> bytes:
        """See :meth:`~airflow_provider_videoretalk.media.ranged_reader.RangedFile.fetch`."""
        self._meter.charge(size=length)
        content: bytes = self._call(self._filesystem.cat_file, self._path.path, start=start, end=start + length)
        return content[:length]

    def close(self) -> None:
        """Does nothing: the store's library manages its own connections."""

    def _call(self, method: Callable[..., Any], path: str, **options: Any) -> Any:
        try:
            return method(path, **options)
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise InputError(
                f"{self._field} cannot be read from the store ({type(error).__name__})",
                code="InvalidURL",
                remedy="Check the path and the permissions of the connection's user.",
            ) from None
        except Exception as error:
            # Each store's library has its own errors, whose texts may hold signed URLs.
            raise TransportError(f"{self._field} cannot be read from the store: {type(error).__name__}") from None


def open_filesystem(path: Any, *, field: str) -> Any:
    """The file system of an ``ObjectStoragePath``, with the store's connection.

    :raises ConfigurationError: the store's library or connection is missing, or cannot be used
    """
    try:
        return path.fs
    except ConfigurationError:
        raise
    except Exception as error:
        missing = missing_store_library(path.protocol)
        raise ConfigurationError(
            f"{field} is in a store ({path.protocol}) that cannot be opened: "
            + (missing.message if missing else type(error).__name__),
            remedy=missing.remedy if missing else "Check the connection that the path names.",
        ) from None
