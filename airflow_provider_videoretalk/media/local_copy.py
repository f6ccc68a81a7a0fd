"""A file on this machine with the content of a location, for libraries that read files."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError, TransportError
from airflow_provider_videoretalk.media.location import Location, local_path
from airflow_provider_videoretalk.media.store_object import StorePath, open_filesystem
from airflow_provider_videoretalk.outbound.download import Download
from airflow_provider_videoretalk.outbound.host_access import AccessRule, public_only

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The numbers of an ``OSError`` that say that a disk takes no more bytes."""

NO_ROOM_REMEDY = "Free space there, or set TMPDIR on the workers to a folder with more."

_CHUNK_BYTES = 4 * 1024 * 1024


def local_copy(
    location: Location, target: Path, *, field: str, access: AccessRule = public_only, most: int | None = None
) -> Path:
    """The file at a location. A file on this machine is not copied.

    :param target: where a copy is made
    :param field: the field that holds the location, for messages
    :param access: how the host of a URL may be connected to; by default only at public addresses
    :param most: bytes that are copied at most; no limit by default
    :raises InputError: the location cannot be read, or has more than ``most`` bytes
    :raises TransportError: the copy failed. If the disk of ``target`` is full, the message names its folder
    """
    here = local_path(location)
    if here is not None:
        return here
    try:
        with target.open("wb") as file:
            if isinstance(location, StorePath):
                store = open_filesystem(location, field=field)
                with store.open(location.path, "rb", block_size=_CHUNK_BYTES) as content:
                    _write(file, iter(partial(content.read, _CHUNK_BYTES), b""), field=field, most=most)
            else:
                with Download(str(location), access=access) as download:
                    _write(file, download, field=field, most=most)
    except DashScopeError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            copied = target.stat().st_size
            raise TransportError(
                f"{target.parent} has no room for a copy of {field}: it took {copied:,} bytes", remedy=NO_ROOM_REMEDY
            ) from error
        # Each store's library raises its own errors. Their messages may contain signed URLs.
        raise TransportError(f"{field} cannot be read: {type(error).__name__}") from None
    return target


def _write(file: BinaryIO, chunks: Iterable[bytes], *, field: str, most: int | None) -> None:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if most is not None and size > most:
            raise InputError(
                f"{field} has more than {most:,} bytes, allowed are {most:,}", remedy="Give a shorter or smaller file."
            )
        file.write(chunk)
