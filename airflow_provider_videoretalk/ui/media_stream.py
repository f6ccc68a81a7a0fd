"""Reads media from a URL or a store, by the byte range that a browser requests. Everything here blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from time import monotonic
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError, TransportError
from airflow_provider_videoretalk.optional_dependencies import missing_store_library
from airflow_provider_videoretalk.outbound.failure_cause import describe_failure
from airflow_provider_videoretalk.outbound.host_access import AccessRule
from airflow_provider_videoretalk.ui.byte_range import UnsatisfiableRangeError, is_single_range, parse_range
from airflow_provider_videoretalk.ui.playable_media import Medium, StoredMedium, WebMedium

_CHUNK_BYTES = 256 * 1024

# The size of one read request to a store.
_STORE_READ_BYTES = 1024 * 1024

_OPENING_SECONDS = 15.0

# After the grace period, a stream below this rate in bytes a second is aborted.
_GRACE_SECONDS = 30.0
_MIN_BYTES_PER_SECOND = 16 * 1024

_MEDIA_TYPES = re.compile(r"(video|audio)/|(application|binary)/octet-stream|application/mp4|\Z")


@dataclass(frozen=True, kw_only=True)
class MediaStream:
    """The start of a response: its status, its headers, and an iterator over the body, which blocks.

    :param release: closes the source
    """

    status: int
    headers: Mapping[str, str]
    chunks: Generator[bytes]
    release: Callable[[], None]

    def close(self) -> None:
        """Closes the source. No thread may read at that time."""
        self.chunks.close()
        self.release()


def open_first_available(media: Sequence[Medium], *, range_header: str | None, access: AccessRule) -> MediaStream:
    """A stream of the first medium that can be opened. Blocks, so it must not run in an event loop.

    :param range_header: the request's ``Range``
    :param access: how the host of a URL may be connected to
    :raises DashScopeError: no medium can be opened; the error of the last one
    :raises UnsatisfiableRangeError: the range lies outside the file
    """
    error: DashScopeError = InputError(
        "the location of this file is not known", remedy="It may not have been made yet."
    )
    for medium in media:
        try:
            if isinstance(medium, WebMedium):
                return _open_url(medium, range_header, access=access)
            return _open_stored(medium, range_header)
        except DashScopeError as failure:
            error = failure
    raise error


def _open_url(medium: WebMedium, range_header: str | None, *, access: AccessRule) -> MediaStream:
    # Late: requests is heavy.
    import requests

    from airflow_provider_videoretalk.outbound.guarded_session import GuardedSession, read_available

    session = GuardedSession(field="the file's URL", access=access, seconds=_OPENING_SECONDS)
    headers = {"Accept-Encoding": "identity"} | ({"Range": range_header} if is_single_range(range_header) else {})
    try:
        response = session.open(medium.url, headers=headers)
        session.cancel_deadline()
        _check_response(response)
    except DashScopeError:
        session.close()
        raise
    except (requests.RequestException, OSError, ValueError) as error:
        session.close()
        # The exception's text is left out, since it holds the URL with its signature.
        raise TransportError(f"the file cannot be fetched: {describe_failure(error)}") from None
    kept = {name: value for name in ("content-range", "content-length") if (value := response.headers.get(name))}
    return MediaStream(
        status=response.status_code,
        headers=_headers(medium) | kept,
        chunks=_limited_chunks(lambda: read_available(response, _CHUNK_BYTES)),
        release=session.close,
    )


def _check_response(response: Any) -> None:
    """
    :raises DashScopeError: the response is an error, or neither video nor audio. Other content of a network must not
        reach the browser
    """
    if response.status_code not in (200, 206):
        response.close()
        raise TransportError(
            f"the server refused the file with HTTP {response.status_code}",
            status=response.status_code,
            remedy="The URL may have expired.",
        )
    if not _MEDIA_TYPES.match(response.headers.get("content-type", "")) or response.headers.get("content-encoding"):
        response.close()
        raise InputError("the server's response is neither video nor audio")


def _open_stored(medium: StoredMedium, range_header: str | None) -> MediaStream:
    from airflow_provider_videoretalk.airflow_adapters.object_storage_path import store_path

    try:
        path = store_path(medium.uri)
        size = _size(path, medium)
        byte_range = parse_range(range_header, size=size)
        start, end = (byte_range.start, byte_range.end) if byte_range else (0, size)
        parts = _read_parts(path, start, end)
        # A store may list an object that it does not let this process read.
        first = next(parts, b"")
    except (InputError, UnsatisfiableRangeError):
        raise
    except Exception as error:
        # The store's provider or connection may be missing. Each library raises its own errors.
        cause = (isinstance(error, TransportError) and error.__cause__) or error
        missing = missing_store_library(medium.uri.partition("://")[0])
        reason, remedy = (missing.message, missing.remedy) if missing else (describe_failure(cause), "")
        raise TransportError(
            f"the object store cannot be opened from the API server: {reason}", remedy=remedy
        ) from None
    headers = _headers(medium) | {"content-length": str(end - start)}
    return MediaStream(
        status=206 if byte_range else 200,
        headers=headers | ({"content-range": byte_range.content_range} if byte_range else {}),
        chunks=_limited_chunks(partial(next, chain((first,), parts), b"")),
        release=parts.close,
    )


def _size(path: Any, medium: StoredMedium) -> int:
    """The size of the medium in bytes. A published one must be what its metadata file says.

    :raises InputError: it is missing, or was replaced
    """
    from airflow_provider_videoretalk.airflow_adapters.object_storage_path import store_path

    if medium.identity is not None:
        size = _published_size(store_path(medium.beside or medium.uri), medium.identity)
        if medium.beside is None:
            return size
    return int(path.stat().st_size)


def _published_size(path: Any, identity: Mapping[str, Any]) -> int:
    from airflow_provider_videoretalk.publishing.publication import read_metadata

    metadata = read_metadata(path)
    if metadata is None or any(metadata.get(name) != value for name, value in identity.items()):
        raise InputError(
            "the published copy is missing, or was replaced by another file",
            remedy="Check the destination. A file on a worker's disk cannot be read from the API server.",
        )
    return int(metadata["size"])


def _read_parts(path: Any, start: int, end: int) -> Generator[bytes]:
    """The bytes, by one request for each part: an open file of s3fs reads 50 MB ahead."""
    for offset in range(start, end, _STORE_READ_BYTES):
        yield path.fs.cat_file(path.path, start=offset, end=min(offset + _STORE_READ_BYTES, end))


def _limited_chunks(read: Callable[[], bytes]) -> Generator[bytes]:
    waited, received = 0.0, 0
    while True:
        started = monotonic()
        chunk = read()
        # The time that the browser takes does not count, since it may have paused.
        waited += monotonic() - started
        received += len(chunk)
        if waited > _GRACE_SECONDS + received / _MIN_BYTES_PER_SECOND:
            raise TransportError(
                f"the file arrives too slowly, allowed are {_MIN_BYTES_PER_SECOND} bytes a second or more"
            )
        if not chunk:
            return
        yield chunk


def _headers(medium: Medium) -> dict[str, str]:
    # Without the encoding, Airflow's server would compress the response, and its range would not fit.
    return {"content-type": medium.content_type, "accept-ranges": "bytes", "content-encoding": "identity"}
