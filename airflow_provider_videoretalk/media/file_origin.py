"""Files that lie on this machine or in a store that Airflow has a connection to."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError, TransportError
from airflow_provider_videoretalk.media.ranged import Meter


@runtime_checkable
class StorePath(Protocol):
    """The part of Airflow's ``ObjectStoragePath`` by which it is known. It has a filesystem (``fs``) as well, which is
    not looked for here, since that opens the store's connection.
    """

    @property
    def protocol(self) -> str: ...

    @property
    def path(self) -> str: ...


class LocalOrigin:
    """A regular file on this machine.

    :raises InputError: there is none, or it can't be opened
    """

    forward_only = False
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, *, field: str, meter: Meter) -> None:
        self._meter = meter
        self._field = field
        try:
            facts = path.stat()
            # A pipe would block for ever, a device never end.
            if not stat.S_ISREG(facts.st_mode):
                raise InputError(f"{field} is {str(path)!r}, allowed is a regular file", remedy="Give a file's path.")
            self._file = path.open("rb", buffering=0)
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{field} is {str(path)!r}, which can't be opened ({type(error).__name__})",
                remedy="Check the path and its permissions on the machine where the task runs.",
            ) from None
        self.size: int | None = facts.st_size

    def fetch(self, start: int, length: int) -> bytes:
        self._meter.charge(size=length)
        try:
            self._file.seek(start)
            return self._file.read(length)
        except OSError as error:
            raise TransportError(f"{self._field} can't be read: {type(error).__name__}") from None

    def close(self) -> None:
        self._file.close()


class StoreOrigin:
    """An object in a store, by the store's own library.

    :raises InputError: there is none, or it may not be read
    :raises ConfigurationError: the store's connection can't be used
    :raises TransportError: the store does not answer
    """

    forward_only = False
    notes: tuple[str, ...] = ()

    def __init__(self, location: StorePath, *, field: str, meter: Meter) -> None:
        self._location = location
        self._field = field
        self._meter = meter
        self._meter.charge()
        self._store = filesystem_of(location, field)
        size = self._ask(self._store.info, location.path).get("size")
        self.size: int | None = int(size) if size is not None else None

    def fetch(self, start: int, length: int) -> bytes:
        self._meter.charge(size=length)
        content: bytes = self._ask(self._store.cat_file, self._location.path, start=start, end=start + length)
        return content[:length]

    def close(self) -> None:
        """Nothing is open: the store's library keeps its own connections."""

    def _ask(self, method: Callable[..., Any], path: str, **options: Any) -> Any:
        try:
            return method(path, **options)
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise InputError(
                f"{self._field} can't be read from the store ({type(error).__name__})",
                code="InvalidURL",
                remedy="Check the path, and what the connection's user may read.",
            ) from None
        except Exception as error:
            # Each store's library has errors of its own, whose texts may hold signed URLs.
            raise TransportError(f"{self._field} can't be read from the store: {type(error).__name__}") from None


def filesystem_of(location: Any, field: str) -> Any:
    """The store's library, with the store's connection.

    :raises ConfigurationError: there is none, or it can't be used
    """
    try:
        return location.fs
    except Exception as error:
        raise ConfigurationError(
            f"{field} lies in a store ({location.protocol}) that can't be opened: {type(error).__name__}",
            remedy="Check that the store's provider is installed, and the connection that the path names.",
        ) from None
