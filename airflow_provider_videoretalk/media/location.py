"""Opens media files by their location: a URL, a local path or an object in a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from os import PathLike
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.media.local_file import LocalFile
from airflow_provider_videoretalk.media.ranged_reader import RangedFile, RangedReader
from airflow_provider_videoretalk.media.store_object import StoreObject, StorePath
from airflow_provider_videoretalk.outbound.host_access import AccessRule, public_only
from airflow_provider_videoretalk.outbound.ranged_http import RangedHttpFile
from airflow_provider_videoretalk.outbound.read_budget import LOCAL_BUDGET, REMOTE_BUDGET, BudgetMeter, ReadBudget

Location: TypeAlias = str | PathLike[str] | StorePath
"""A URL (http, https, file), a path on this machine, or an ``ObjectStoragePath``."""


@contextmanager
def open_ranged_reader(
    location: Location, *, field: str, access: AccessRule = public_only, budget: ReadBudget | None = None
) -> Iterator[RangedReader]:
    """A reader of the file at ``location``, until the block ends. A URL is not requested before the first read.

    :param field: the field that holds the location, for messages
    :param access: how the host of a URL may be connected to; by default only at public addresses
    :param budget: limits for reading; by default 8 MB, 64 requests and a minute, for local files 64 MB
    :raises InputError: the file cannot be read
    :raises TransportError: the store does not answer
    """
    local = local_path(location)
    meter = BudgetMeter(budget or (REMOTE_BUDGET if local is None else LOCAL_BUDGET))
    with closing(_open(location, local, field=field, access=access, meter=meter)) as file:
        yield RangedReader(file, meter)


def _open(location: Location, local: Path | None, *, field: str, access: AccessRule, meter: BudgetMeter) -> RangedFile:
    if local is not None:
        return LocalFile(local, field=field, meter=meter)
    if isinstance(location, str):
        return RangedHttpFile(location, field=field, access=access, meter=meter)
    if isinstance(location, StorePath):
        return StoreObject(location, field=field, meter=meter)
    raise InputError(
        f"{field} is a {type(location).__name__}, allowed is a URL, a path or an ObjectStoragePath",
        remedy="Give one of these.",
    )


def local_path(location: Location) -> Path | None:
    """The file on this machine; ``None`` for a location elsewhere.

    :raises InputError: the URL's scheme is not supported
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
        f"the scheme {scheme[:20]!r} cannot be read, allowed are http, https and file",
        remedy="Give an ObjectStoragePath for an object in a store.",
    )
