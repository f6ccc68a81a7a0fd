"""An object that becomes visible only when it is complete."""

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

# Part size of a multipart upload. The store's library holds one part in memory; its own default is 50 MB.
BLOCK_BYTES = 8 * 1024 * 1024

_LOCAL = ("", "file", "local")

# The option of each store's library for the content type. A browser downloads an object that is not marked as a video.
_CONTENT_TYPE = {
    "s3": "ContentType",
    "s3a": "ContentType",
    "oss": "ContentType",
    "gs": "content_type",
    "gcs": "content_type",
}

# Stores that can create an object only if there is none. fsspec supports that for these schemes alone.
_CREATE_ONLY_SCHEMES = ("s3", "s3a")

_LINKS_UNSUPPORTED = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)

log = logging.getLogger(__name__)


class Destination(Protocol):
    """The part of Airflow's ``ObjectStoragePath`` that publishing needs."""

    @property
    def protocol(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def fs(self) -> Any: ...

    def with_name(self, name: str) -> Destination: ...


class AtomicObject(Protocol):
    """An object that is being written. Without a commit or a discard, an invisible file or upload may remain."""

    def write(self, chunk: bytes) -> None: ...

    def seal(self) -> None:
        """Sends the last bytes. Nothing can be written afterwards."""

    def commit(self) -> None:
        """Makes the object visible, in one step. Call :meth:`seal` before.

        :raises FileExistsError: there is an object already, and ``create_only`` was set
        """

    def discard(self) -> None:
        """Removes everything that was written. Does nothing after :meth:`commit`. Failures are only logged."""


def is_local(destination: Destination) -> bool:
    """Whether ``destination`` is a file on this machine or on a mounted share."""
    return destination.protocol in _LOCAL


def open_atomic_object(
    destination: Destination, *, content_type: str | None = None, create_only: bool = False
) -> AtomicObject:
    """Begins a new object.

    :param content_type: passed to stores that keep one
    :param create_only: never replace an object. Local files and S3 guarantee it. For other stores the caller must
        check shortly before the commit
    :raises ConfigurationError: the store shows objects before they are complete
    """
    if is_local(destination):
        return _LocalFile(Path(destination.path), create_only=create_only)
    return _DeferredUpload(destination, content_type=content_type, create_only=create_only)


class _LocalFile:
    """A hidden file in the same folder. A rename within one folder is atomic; a copy is not."""

    def __init__(self, path: Path, *, create_only: bool) -> None:
        self._path = path
        self._create_only = create_only
        # A name has at most 255 bytes, and a character up to four.
        self._temporary = path.with_name(f".{path.name[:50]}.{uuid.uuid4().hex}")
        self._file = self._temporary.open("xb")

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def seal(self) -> None:
        self._file.close()

    def commit(self) -> None:
        if self._create_only:
            self._link()
        else:
            self._temporary.replace(self._path)

    def discard(self) -> None:
        # On a full disk closing fails too, because it writes the last bytes.
        with suppress(OSError):
            self._file.close()
        try:
            self._temporary.unlink(missing_ok=True)
        except OSError as error:
            log.warning("The temporary file %s could not be deleted and remains: %s", self._temporary, error)

    def _link(self) -> None:
        """Creates the file by a link, which fails if there is a file. A rename would replace it."""
        try:
            os.link(self._temporary, self._path)
        except OSError as error:
            if error.errno not in _LINKS_UNSUPPORTED:
                raise
            if self._path.exists():
                raise FileExistsError(errno.EEXIST, "exists already", str(self._path)) from None
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink()


class _DeferredUpload:
    """An upload that the store's library completes on request (fsspec's ``autocommit=False``).

    Azure's library ignores that option and completes the upload when the file is closed.
    """

    def __init__(self, destination: Destination, *, content_type: str | None, create_only: bool) -> None:
        # fsspec is heavy, and local files do not need it.
        from fsspec.spec import AbstractBufferedFile  # type: ignore[import-untyped]

        self._destination = destination
        self._committed = False
        self._exclusive = create_only and destination.protocol in _CREATE_ONLY_SCHEMES
        option = _CONTENT_TYPE.get(destination.protocol)
        file = self._open({option: content_type} if option and content_type else {})
        if not hasattr(file, "commit") or not hasattr(file, "discard"):
            raise ConfigurationError(
                f"destination {destination} is in a store that shows objects before they are complete",
                remedy="Publish to a store whose fsspec library can defer an upload: S3, GCS, OSS, Azure, or a disk.",
            )
        # fsspec adds it to the file system's transaction, and would commit it together with unrelated files.
        with suppress(ValueError):
            destination.fs.transaction.files.remove(file)
        self._file = file
        self._commits_on_close = getattr(type(file), "commit", None) is AbstractBufferedFile.commit

    def _open(self, options: Mapping[str, str]) -> Any:
        # The path's own open() returns a wrapper whose ``closed`` cannot be set.
        open_file = partial(self._destination.fs.open, self._destination.path, autocommit=False, block_size=BLOCK_BYTES)
        if self._exclusive:
            # s3fs of 2024 and older does not support it.
            with suppress(NotImplementedError):
                return open_file(mode="xb", **options)
        return open_file(mode="wb", **options)

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def seal(self) -> None:
        if not self._commits_on_close:
            self._file.close()

    def commit(self) -> None:
        try:
            if self._commits_on_close:
                self._file.close()
            else:
                self._file.commit()
        except OSError as error:
            # s3fs converts S3's PreconditionFailed into this text.
            if self._exclusive and "pre-condition" in str(error):
                raise FileExistsError(errno.EEXIST, "exists already", str(self._destination)) from None
            raise
        self._committed = True

    def discard(self) -> None:
        if self._committed:
            return
        try:
            self._file.discard()
        except Exception as error:
            log.warning(
                "The unfinished upload to %s could not be cancelled and remains: %s",
                self._destination,
                type(error).__name__,
            )
        finally:
            # Otherwise garbage collection closes it. Azure's library would then publish the incomplete object, and s3fs
            # would begin an upload. Files of SFTP and SMB do neither, and have no ``closed`` to set.
            with suppress(AttributeError):
                self._file.closed = True
