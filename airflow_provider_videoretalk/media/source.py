"""Where an input lies, and how the service gets at it: any location becomes a URL that the service can fetch."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from os import PathLike
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError, TransportError
from airflow_provider_videoretalk.dashscope.form import Content
from airflow_provider_videoretalk.dashscope.url import expiry_of, media_url, place_of, without_signature
from airflow_provider_videoretalk.media.file_origin import StorePath, filesystem_of
from airflow_provider_videoretalk.media.location import Location

Upload = Callable[[Content], str]
"""Puts a file into the service's temporary store, and answers its URL there."""

log = logging.getLogger(__name__)

# In which the stores' libraries tell an object's version, first those that depend on its content alone.
_VERSIONS = ("md5Hash", "content_md5", "ETag", "etag", "generation", "VersionId", "LastModified", "mtime")

# A URL signed with a key that itself expires dies with that key, and does not tell when.
_BORROWED = ("x-amz-security-token=", "security-token=", "x-oss-security-token=")


class Source(Protocol):
    """An input of a task, before anybody fetches it.

    ``location`` is what a look at it reads.
    """

    @property
    def location(self) -> Location: ...

    @property
    def place(self) -> str:
        """Where it lies, without a signature: for nobody to read, since other parts of a URL may be secret."""

    @property
    def record(self) -> str:
        """For people and records: where it lies, and its version behind a ``#`` where that is known. It tells no
        secret.
        """

    def identity(self) -> str:
        """What is the same as long as its content is, whoever signs its URL, and whenever.

        :raises DashScopeError: it can't be found out now
        """

    def url(self, *, until: datetime, upload: Upload) -> str:
        """A URL that the service can fetch until then; it may be a secret.

        :raises InputError: there can be none
        :raises DashScopeError: there is none now
        """


def source_of(field: str, location: Location) -> Source:
    """
    :param field: what it is, for messages
    :param location: a URL (http, https, file, or ``oss://`` of the service's temporary store), an absolute path on this
        machine, or an ``ObjectStoragePath``
    :raises InputError: it is none of these
    """
    if isinstance(location, StorePath):
        local = location.protocol in ("", "file", "local")
        return _FileSource(field, Path(location.path)) if local else _StoreSource(field, location)
    if isinstance(location, PathLike):
        return _FileSource(field, Path(location))
    if isinstance(location, str) and location.strip().lower().startswith("file://"):
        return _FileSource(field, Path(unquote(urlsplit(location.strip()).path)))
    if isinstance(location, str) and location.startswith("/"):
        return _FileSource(field, Path(location))
    return _UrlSource(field, media_url(field, location))


class _UrlSource:
    """What the service fetches from where it lies. Whether its content changes is not looked at."""

    def __init__(self, field: str, url: str) -> None:
        self._field = field
        self.location: Location = url
        self.record = place_of(url)
        self.place = without_signature(url)

    def identity(self) -> str:
        return self.place

    def url(self, *, until: datetime, upload: Upload) -> str:
        return str(self.location)


class _FileSource:
    """A file on this machine, which the service can't reach."""

    def __init__(self, field: str, path: Path) -> None:
        self._field = field
        self._path = path
        self.location: Location = path
        self.place = self.record = f"file://{path}"

    def identity(self) -> str:
        # Not by path and time: another worker may have its own copy.
        digest = hashlib.sha256()
        try:
            with self._path.open("rb") as file:
                while chunk := file.read(1024 * 1024):
                    digest.update(chunk)
        except OSError as error:
            raise TransportError(f"{self._field} can't be read: {type(error).__name__}") from None
        identity = f"sha256:{digest.hexdigest()}"
        self.record = f"file://{self._path}#{identity}"
        return identity

    def url(self, *, until: datetime, upload: Upload) -> str:
        return _uploaded(self._field, self._path, upload, why="it lies on this machine")


class _StoreSource:
    """An object in a store, which signs a URL for it, if it can."""

    def __init__(self, field: str, path: Any) -> None:
        self._field = field
        self._path = path
        self.location: Location = path
        # Without the connection's name that the path may hold before the bucket's.
        self.record = self.place = f"{path.protocol}://{str(path.path).lstrip('/')}"

    def identity(self) -> str:
        info = self._info()
        version = next((info[name] for name in _VERSIONS if info.get(name) not in (None, "", "null")), None)
        self.record = f"{self.place}#{version or info.get('size')}".replace('"', "")
        return self.record

    def url(self, *, until: datetime, upload: Upload) -> str:
        seconds = int((until - datetime.now(timezone.utc)).total_seconds()) + 1
        store = filesystem_of(self._path, self._field)
        try:
            signed = str(store.sign(self._path.path, expiration=seconds))
        except Exception as error:
            # NotImplementedError of stores that can't; of others, as of GCS, what they make of a key that can't sign.
            return _uploaded(self._field, self._path, upload, why=f"its store signs no URL ({type(error).__name__})")
        self._check_life(signed, until)
        return media_url(self._field, signed)

    def _check_life(self, signed: str, until: datetime) -> None:
        end = expiry_of(signed)
        # Stores count in whole seconds.
        if end is not None and end < until - timedelta(seconds=2):
            raise InputError(
                f"{self._field}: the store signs URLs that live until {_iso(end)}, needed is until {_iso(until)}",
                remedy="Shorten queue_timeout and render_timeout, or let the store sign for longer.",
            )
        if any(name in signed.lower() for name in _BORROWED):
            log.warning(
                "%s: its URL is signed with temporary credentials and dies with them, which may be before %s. Prefer a "
                "key of its own for what queues for hours.",
                self._field,
                _iso(until),
            )

    def _info(self) -> Mapping[str, Any]:
        store = filesystem_of(self._path, self._field)
        try:
            info: Mapping[str, Any] = store.info(self._path.path)
        except Exception as error:
            # Each store's library has errors of its own, whose texts may hold signed URLs.
            raise TransportError(f"{self._field} can't be looked at in its store: {type(error).__name__}") from None
        return info


def _uploaded(field: str, content: Content, upload: Upload, *, why: str) -> str:
    log.warning(
        "%s is uploaded to the service's temporary store, since %s. It lives there for 48 hours; the vendor does not "
        "mean that for production: prefer a store that signs URLs.",
        field,
        why,
    )
    try:
        return upload(content)
    except DashScopeError:
        raise
    except Exception as error:
        # Each store's library has errors of its own.
        raise TransportError(f"{field} can't be read to be uploaded: {type(error).__name__}") from None


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")
