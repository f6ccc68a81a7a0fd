"""A file that nobody sees before it is whole."""

from __future__ import annotations

import errno
import logging
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError

# Of a multipart upload, held in memory by the store's library; its own default is 50 MB.
BLOCK_BYTES = 8 * 1024 * 1024

_LOCAL = ("", "file", "local")

# How the libraries of the stores are told what an object is; a browser downloads what it does not know to be a video.
_CONTENT_TYPE = {
    "s3": "ContentType",
    "s3a": "ContentType",
    "oss": "ContentType",
    "gs": "content_type",
    "gcs": "content_type",
}

# Stores that can be told to create an object only if there is none; s3fs knows of no other than these.
_CREATES_ONLY = ("s3", "s3a")

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)

log = logging.getLogger(__name__)


class Destination(Protocol):
    """The part of Airflow's ``ObjectStoragePath`` that a copy needs."""

    @property
    def protocol(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def fs(self) -> Any: ...

    def with_name(self, name: str) -> Destination: ...


class Draft(Protocol):
    """A file in the making. What was neither committed nor discarded may stay behind where it can't be seen."""

    def write(self, chunk: bytes) -> None: ...

    def seal(self) -> None:
        """Hands the last bytes over; nothing can be written any more."""

    def commit(self) -> None:
        """Lets the file appear, in one step. To be sealed before.

        :raises FileExistsError: there is one already, and this one was to be the first
        """

    def discard(self) -> None:
        """Takes everything away; harmless once committed. What goes wrong here is only logged."""


def is_local(destination: Destination) -> bool:
    """Whether ``destination`` is a file on this machine, or on a share that is mounted here."""
    return destination.protocol in _LOCAL


def open_draft(destination: Destination, *, content_type: str | None = None, first: bool = False) -> Draft:
    """
    :param content_type: told to stores that keep it
    :param first: never take another file's place. Files on this machine and S3 are sure of that; elsewhere it is for
        the caller to look, shortly before
    :raises ConfigurationError: the store shows files before they are whole
    """
    if is_local(destination):
        return _Sibling(Path(destination.path), first=first)
    return _Upload(destination, content_type=content_type, first=first)


class _Sibling:
    """A hidden file in the same folder: a rename within one folder is one step, a copy is not."""

    def __init__(self, path: Path, *, first: bool) -> None:
        self._path = path
        self._first = first
        # Names have 255 bytes at most, and characters up to four.
        self._hidden = path.with_name(f".{path.name[:50]}.{uuid.uuid4().hex}")
        self._file = self._hidden.open("xb")

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def seal(self) -> None:
        self._file.close()

    def commit(self) -> None:
        if self._first:
            self._create()
        else:
            self._hidden.replace(self._path)

    def discard(self) -> None:
        try:
            self._file.close()
            self._hidden.unlink(missing_ok=True)
        except OSError as error:
            log.warning("A draft stays behind at %s: %s", self._hidden, error)

    def _create(self) -> None:
        """A link fails where there is a file; a rename would replace it."""
        try:
            os.link(self._hidden, self._path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if self._path.exists():
                raise FileExistsError(errno.EEXIST, "exists already", str(self._path)) from None
            self._hidden.replace(self._path)
        else:
            self._hidden.unlink()


class _Upload:
    """An upload that the store's library holds back until it is told (fsspec's ``autocommit=False``), or until it is
    closed, as Azure's does whatever it is asked for.
    """

    def __init__(self, destination: Destination, *, content_type: str | None, first: bool) -> None:
        from fsspec.spec import AbstractBufferedFile  # type: ignore[import-untyped]

        self._destination = destination
        self._committed = False
        self._creates_only = first and destination.protocol in _CREATES_ONLY
        kind = _CONTENT_TYPE.get(destination.protocol)
        file = self._opened({kind: content_type} if kind and content_type else {})
        if not hasattr(file, "commit") or not hasattr(file, "discard"):
            raise ConfigurationError(
                f"the store of {destination} shows objects before they are whole",
                remedy="Publish to a store whose fsspec library can hold an upload back: S3, GCS, OSS, Azure, a disk.",
            )
        # fsspec keeps it for a transaction that nobody began: it would live on, and be committed with somebody else's.
        with suppress(ValueError):
            destination.fs.transaction.files.remove(file)
        self._file = file
        self._appears_at_close = getattr(type(file), "commit", None) is AbstractBufferedFile.commit

    def _opened(self, options: Mapping[str, str]) -> Any:
        # Not by the path's own open(), whose file hides that it can be marked as closed.
        to_open = partial(self._destination.fs.open, self._destination.path, autocommit=False, block_size=BLOCK_BYTES)
        if self._creates_only:
            # What s3fs of 2024 and before does not know.
            with suppress(NotImplementedError):
                return to_open(mode="xb", **options)
        return to_open(mode="wb", **options)

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def seal(self) -> None:
        if not self._appears_at_close:
            self._file.close()

    def commit(self) -> None:
        try:
            if self._appears_at_close:
                self._file.close()
            else:
                self._file.commit()
        except OSError as error:
            # What s3fs makes of S3's PreconditionFailed.
            if self._creates_only and "pre-condition" in str(error):
                raise FileExistsError(errno.EEXIST, "exists already", str(self._destination)) from None
            raise
        self._committed = True

    def discard(self) -> None:
        if self._committed:
            return
        try:
            self._file.discard()
        except Exception as error:
            log.warning("An unfinished upload stays behind at %s: %s", self._destination, type(error).__name__)
        finally:
            # Else it is closed when it is garbage: Azure's library then lets what there is of the object appear, and
            # s3fs begins an upload that nobody ends. SFTP's and SMB's files can't be marked, and do no such thing.
            with suppress(AttributeError):
                self._file.closed = True
