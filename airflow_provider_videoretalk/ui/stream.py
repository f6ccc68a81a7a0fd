"""Media on their way through Airflow to a browser, by the range that it asks for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from time import monotonic
from typing import Any

from anyio import CapacityLimiter, to_thread

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError, TransportError
from airflow_provider_videoretalk.ui.byte_range import UnsatisfiableError, parse_range
from airflow_provider_videoretalk.ui.media import Medium, StoredMedium, WebMedium

_CHUNK_BYTES = 256 * 1024

# Of a store, for each of which it is asked.
_PIECE_BYTES = 1024 * 1024

_OPENING_SECONDS = 30.0

# A stream that was waited for longer than a while, and than this many bytes a second take, is given up.
_PATIENCE_SECONDS = 30.0
_SLOWEST_BYTES = 16 * 1024

THREADS = CapacityLimiter(8)
"""Threads of all streams: an upstream that is slow takes none of those that Airflow's own pages share."""

_MEDIA = re.compile(r"(video|audio)/|(application|binary)/octet-stream|application/mp4|\Z")


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The begin of a reply: its status, what it tells of the bytes, and the bytes."""

    status: int
    headers: Mapping[str, str]
    chunks: Generator[bytes]

    async def drain(self) -> AsyncIterator[bytes]:
        """The bytes, for an event loop."""
        try:
            while chunk := await to_thread.run_sync(next, self.chunks, b"", limiter=THREADS):
                yield chunk
        finally:
            self.chunks.close()


def open_first(media: Sequence[Medium], *, asked: str | None, is_ours: Callable[[str], bool]) -> Stream:
    """The first of several places that has it. Blocks; not for an event loop.

    :param asked: the request's ``Range``
    :param is_ours: whether a URL leads to the host of a DashScope connection, which may lie in a private network
    :raises DashScopeError: why the last one has it not
    :raises UnsatisfiableError: the range lies outside the file
    """
    error: DashScopeError = InputError("it is not known where this lies", remedy="It may not have been made yet.")
    for medium in media:
        try:
            if isinstance(medium, WebMedium):
                return _from_web(medium, asked, allow_private=is_ours)
            return _from_store(medium, asked)
        except DashScopeError as failure:
            error = failure
    raise error


def _from_web(medium: WebMedium, asked: str | None, *, allow_private: Callable[[str], bool]) -> Stream:
    import requests

    from airflow_provider_videoretalk.media.http_origin import HttpSession, read_some

    session = HttpSession(field="this", allow_private=allow_private, seconds=_OPENING_SECONDS)
    headers = {"Accept-Encoding": "identity"} | ({"Range": asked} if asked else {})
    try:
        response = session.ask(medium.url, headers=headers)
        session.let_run()
        _check(response)
    except DashScopeError:
        session.close()
        raise
    except (requests.RequestException, OSError, ValueError) as error:
        session.close()
        # Not the exception's own text: it holds the URL and its signature.
        raise TransportError(f"it can't be fetched: {type(error).__name__}") from None
    kept = {name: value for name in ("content-range", "content-length") if (value := response.headers.get(name))}
    return Stream(
        status=response.status_code,
        headers=_headers(medium) | kept,
        chunks=_chunks(lambda: read_some(response, _CHUNK_BYTES), close=session.close),
    )


def _check(response: Any) -> None:
    """Returns for a reply that is a medium.

    :raises DashScopeError: it is an error, or a page: nothing that somebody's network has else is passed on
    """
    if response.status_code not in (200, 206):
        response.close()
        raise TransportError(
            "it can't be fetched", status=response.status_code, remedy="Its URL may have died; see how long it lives."
        )
    if not _MEDIA.match(response.headers.get("content-type", "")) or response.headers.get("content-encoding"):
        response.close()
        raise InputError("what its server answers is no medium")


def _from_store(medium: StoredMedium, asked: str | None) -> Stream:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_videoretalk.fs.oss import register_paths

    register_paths()
    try:
        path = ObjectStoragePath(medium.uri)
        size = path.stat().st_size if medium.identity is None else _published_size(path, medium.identity)
        part = parse_range(asked, size=size)
        start, end = (part.start, part.end) if part else (0, size)
        pieces = _pieces(path, start, end)
        # A store may tell of what it does not give.
        first = next(pieces, b"")
    except (InputError, UnsatisfiableError):
        raise
    except Exception as error:
        # A store whose provider or connection is not here: each library has errors of its own.
        cause = (isinstance(error, TransportError) and error.__cause__) or error
        raise TransportError(f"its store can't be opened from here: {type(cause).__name__}") from None
    headers = _headers(medium) | {"content-length": str(end - start)}
    return Stream(
        status=206 if part else 200,
        headers=headers | ({"content-range": part.content_range} if part else {}),
        chunks=_chunks(partial(next, chain((first,), pieces), b""), close=pieces.close),
    )


def _published_size(path: Any, identity: Mapping[str, Any]) -> int:
    from airflow_provider_videoretalk.publishing.publication import metadata_of

    metadata = metadata_of(path)
    if metadata is None or any(metadata.get(name) != value for name, value in identity.items()):
        raise InputError(
            "its published copy is not there, or another one by now",
            remedy="Look where it was published to; a file on a worker's disk can't be read from here.",
        )
    return int(metadata["size"])


def _pieces(path: Any, start: int, end: int) -> Generator[bytes]:
    """Each asked for by itself: an open file of s3fs fetches 50 MB ahead."""
    for at in range(start, end, _PIECE_BYTES):
        yield path.fs.cat_file(path.path, start=at, end=min(at + _PIECE_BYTES, end))


def _chunks(read: Callable[[], bytes], *, close: Callable[[], None]) -> Generator[bytes]:
    waited, received = 0.0, 0
    try:
        while True:
            began = monotonic()
            chunk = read()
            # How long the browser takes does not count: it may have paused.
            waited += monotonic() - began
            received += len(chunk)
            if waited > _PATIENCE_SECONDS + received / _SLOWEST_BYTES:
                raise TransportError("it comes too slowly")
            if not chunk:
                return
            yield chunk
    finally:
        close()


def _headers(medium: Medium) -> dict[str, str]:
    # Airflow's server would compress it else, and a compressed range is none.
    return {"content-type": medium.content_type, "accept-ranges": "bytes", "content-encoding": "identity"}
