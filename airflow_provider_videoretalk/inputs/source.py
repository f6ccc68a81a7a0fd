"""The location of an input, and the URL at which the service can fetch it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError, TransportError
from airflow_provider_videoretalk.dashscope.media_url import media_url
from airflow_provider_videoretalk.dashscope.multipart_upload import Content
from airflow_provider_videoretalk.inputs.url_validity import expiry_before, in_utc, url_warnings
from airflow_provider_videoretalk.media.store_object import StorePath, open_filesystem
from airflow_provider_videoretalk.outbound.signed_url import safe_url, without_signature

if TYPE_CHECKING:
    from airflow_provider_videoretalk.media.location import Location

Upload = Callable[[Content], str]
"""Uploads a file to the service's temporary store and returns its URL there."""

log = logging.getLogger(__name__)

# Keys under which the stores' libraries return an object's version. Those that depend only on the content come first.
_VERSION_KEYS = ("md5Hash", "content_md5", "ETag", "etag", "generation", "VersionId", "LastModified", "mtime")


class Source(Protocol):
    """An input of a render job.

    ``location`` is where preflight reads it.
    """

    @property
    def location(self) -> Location: ...

    @property
    def unsigned_location(self) -> str:
        """The location without a signature. Other parts of a URL may be secret: do not log or store it."""

    @property
    def description(self) -> str:
        """The location for logs and records, followed by ``#`` and the version if that is known. Not secret."""

    def content_identity(self) -> str:
        """A text that stays the same while the content does, however the URL is signed.

        :raises DashScopeError: it cannot be determined at the moment
        """

    def direct_url(self, *, until: datetime) -> str | None:
        """A URL at which the service can fetch the input itself until ``until``; ``None`` if there is none.

        :raises InputError: the URL would expire before
        """

    def url(self, *, until: datetime, upload: Upload) -> str:
        """A URL that the service can fetch until ``until``. It may be secret.

        :raises InputError: there is no such URL
        :raises DashScopeError: it cannot be obtained at the moment
        """


def source_of(field: str, location: Location) -> Source:
    """The source at a location.

    :param field: name of the input, for messages
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
    """A URL that the service fetches as it is. Changes of its content are not detected."""

    def __init__(self, field: str, url: str) -> None:
        self._field = field
        self.location: Location = url
        self.description = safe_url(url)
        self.unsigned_location = without_signature(url)

    def content_identity(self) -> str:
        return self.unsigned_location

    def direct_url(self, *, until: datetime) -> str | None:
        return str(self.location)

    def url(self, *, until: datetime, upload: Upload) -> str:
        return str(self.location)


class _FileSource:
    """A file on this machine. The service cannot reach it, so it is uploaded."""

    def __init__(self, field: str, path: Path) -> None:
        self._field = field
        self._path = path
        self.location: Location = path
        self.unsigned_location = self.description = f"file://{path}"

    def content_identity(self) -> str:
        # Not path and time: another worker may have its own copy of the file.
        digest = hashlib.sha256()
        try:
            with self._path.open("rb") as file:
                while chunk := file.read(1024 * 1024):
                    digest.update(chunk)
        except OSError as error:
            raise TransportError(f"{self._field} cannot be read: {type(error).__name__}") from None
        identity = f"sha256:{digest.hexdigest()}"
        self.description = f"file://{self._path}#{identity}"
        return identity

    def direct_url(self, *, until: datetime) -> str | None:
        return None

    def url(self, *, until: datetime, upload: Upload) -> str:
        return _upload(self._field, self._path, upload, reason="it is a file on this machine")


class _StoreSource:
    """An object in a store. The store signs a URL for it; if it cannot, the object is uploaded."""

    def __init__(self, field: str, path: Any) -> None:
        self._field = field
        self._path = path
        self._why_unsigned = ""
        self.location: Location = path
        # Without the connection id that the path may hold before the bucket.
        self.description = self.unsigned_location = f"{path.protocol}://{str(path.path).lstrip('/')}"

    def content_identity(self) -> str:
        info = self._object_info()
        version = next((info[key] for key in _VERSION_KEYS if info.get(key) not in (None, "", "null")), None)
        self.description = f"{self.unsigned_location}#{version or info.get('size')}".replace('"', "")
        return self.description

    def direct_url(self, *, until: datetime) -> str | None:
        seconds = int((until - datetime.now(timezone.utc)).total_seconds()) + 1
        store = open_filesystem(self._path, field=self._field)
        try:
            signed = str(store.sign(self._path.path, expiration=seconds))
        except Exception as error:
            # NotImplementedError where a store has no signatures; other errors, as in GCS, where the key cannot sign.
            self._why_unsigned = f"its store cannot sign a URL ({type(error).__name__})"
            return None
        self._check_expiry(signed, until)
        return media_url(self._field, signed)

    def url(self, *, until: datetime, upload: Upload) -> str:
        signed = self.direct_url(until=until)
        return signed or _upload(self._field, self._path, upload, reason=self._why_unsigned)

    def _check_expiry(self, signed: str, until: datetime) -> None:
        # Stores count in whole seconds.
        expiry = expiry_before(signed, until - timedelta(seconds=2))
        if expiry is not None:
            raise InputError(
                f"{self._field}: the store signs URLs that expire at {in_utc(expiry)}, "
                f"needed is {in_utc(until)} or later",
                remedy="Shorten queue_timeout and render_timeout, or let the store sign for longer.",
            )
        for warning in url_warnings(self._field, signed, until=until):
            log.warning("%s", warning)

    def _object_info(self) -> Mapping[str, Any]:
        store = open_filesystem(self._path, field=self._field)
        try:
            info: Mapping[str, Any] = store.info(self._path.path)
        except Exception as error:
            # Each store's library raises its own errors. Their messages may contain signed URLs.
            raise TransportError(f"{self._field} cannot be looked up in its store: {type(error).__name__}") from None
        return info


def _upload(field: str, content: Content, upload: Upload, *, reason: str) -> str:
    log.warning(
        "%s is uploaded to the service's temporary store, because %s. It expires there after 48 hours, and the vendor "
        "does not recommend this store for production. Use a store that signs URLs.",
        field,
        reason,
    )
    try:
        return upload(content)
    except DashScopeError:
        raise
    except Exception as error:
        # Each store's library raises its own errors.
        raise TransportError(f"{field} cannot be read for the upload: {type(error).__name__}") from None
