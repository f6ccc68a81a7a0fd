"""Where a medium lies, and how its bytes are reached from here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from os import PathLike
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.media.file_origin import LocalOrigin, StoreOrigin, StorePath
from airflow_provider_videoretalk.media.http_origin import HttpOrigin
from airflow_provider_videoretalk.media.ranged import LOCAL, REMOTE, Budget, Meter, Origin, Ranged

Location: TypeAlias = str | PathLike[str] | StorePath
"""A URL (http, https, file), a path on this machine, or an ``ObjectStoragePath``."""


@contextmanager
def open_ranged(
    location: Location, *, field: str, allow_private: bool = False, budget: Budget | None = None
) -> Iterator[Ranged]:
    """The bytes at ``location``, until the block ends. A URL is not asked before the first read.

    :param field: what it is, for messages
    :param allow_private: also connect to addresses that are not of the public internet
    :param budget: what reading may cost; by default 8 MB, 64 requests and a minute, of files on this machine 64 MB
    :raises InputError: there is nothing that can be read
    :raises TransportError: the store does not answer
    """
    local = _local_path(location)
    meter = Meter(budget or (REMOTE if local is None else LOCAL))
    with closing(_origin(location, local, field=field, allow_private=allow_private, meter=meter)) as origin:
        yield Ranged(origin, meter)


def _origin(location: Location, local: Path | None, *, field: str, allow_private: bool, meter: Meter) -> Origin:
    if local is not None:
        return LocalOrigin(local, field=field, meter=meter)
    if isinstance(location, str):
        return HttpOrigin(location, field=field, allow_private=allow_private, meter=meter)
    if isinstance(location, StorePath):
        return StoreOrigin(location, field=field, meter=meter)
    raise InputError(
        f"{field} is a {type(location).__name__}, allowed is a URL, a path or an ObjectStoragePath",
        remedy="Give one of these.",
    )


def _local_path(location: Location) -> Path | None:
    """The file on this machine that ``location`` means, ``None`` where it lies elsewhere.

    :raises InputError: a scheme that is not read from here
    """
    if isinstance(location, StorePath):
        return Path(location.path) if location.protocol in ("", "file", "local") else None
    if isinstance(location, PathLike):
        return Path(location)
    if not isinstance(location, str):
        return None
    scheme, separator, _ = location.strip().partition("://")
    if not separator:
        return Path(location)
    if scheme.lower() in ("http", "https"):
        return None
    if scheme.lower() == "file":
        return Path(unquote(urlsplit(location.strip()).path))
    raise InputError(
        f"the scheme {scheme[:20]!r} can't be read here, allowed are http, https and file",
        remedy="Give an ObjectStoragePath for an object in a store.",
    )
