"""One object over HTTP, as a stream of bytes that outlives its connections."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from airflow_provider_videoretalk.dashscope.codes import retry_after
from airflow_provider_videoretalk.dashscope.errors import ResultExpiredError, TransportError
from airflow_provider_videoretalk.publishing.announcement import Announcement, parse_part

CHUNK_BYTES = 256 * 1024
"""Most that is read at once. Chunks of a megabyte fall out of the processor's cache, and take half as long again."""

PROGRESS_BYTES = 1024 * 1024
"""What has to arrive for failures to count from the beginning."""

_LATER = (408, 425, 429)
_NOTHING = "Nothing was published; run the task again."

_DROPPED = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    # What urllib3 raises while a body is read.
    HTTPError,
)


class ChangedSourceError(TransportError):
    """The object was replaced while it was downloaded: going on would mix two versions."""


@dataclass(frozen=True, kw_only=True)
class Persistence:
    """How long to go on in spite of failures. Times in seconds.

    :param attempts: connections in a row that fail before a further 1 MiB has arrived
    :param first_pause: most to wait after the first of them; doubled for each further one. How much of it is waited is
        left to chance, so that many tasks do not come back at once
    :param longest_pause: most to wait at once, also when the server asks for more
    :param read_timeout: how long a connection may bring nothing
    """

    attempts: int = 8
    first_pause: float = 1.0
    longest_pause: float = 60.0
    connect_timeout: float = 10.0
    read_timeout: float = 60.0

    def pause(self, failures: int, *, asked: float | None = None) -> float:
        """Seconds to wait after the last of ``failures`` in a row.

        :param asked: what the server asks for
        """
        most = min(self.first_pause * 2 ** (failures - 1), self.longest_pause)
        return max(random.uniform(0, most), min(asked or 0.0, self.longest_pause))


class Download:
    """The bytes at a URL, each once and in order, as ``for chunk in download``; to be used in a ``with`` block.

    A connection that drops, stalls or is refused, and a reply that says "later", are followed by a further request for
    the rest, on condition that the object is still the same (Range and If-Range). ``announced`` is what the server says
    of the object; ``resumed`` counts the connections that went on where another had ended. Whether the bytes are the
    right ones is not checked here but for their number.

    :param sleep: waits for some seconds
    :raises ResultExpiredError: the server refuses the URL, at the beginning or later on
    :raises ChangedSourceError: another object is there by now
    :raises TransportError: it failed too often, or can't be resumed
    """

    def __init__(
        self, url: str, *, persistence: Persistence | None = None, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self.announced: Announcement
        self.resumed = 0
        self._url = url
        self._persistence = persistence or Persistence()
        self._sleep = sleep
        self._session = requests.Session()
        # Else a login that ~/.netrc has for the host is sent beside the URL's signature, which OSS and S3 refuse.
        self._session.auth = _as_it_is
        self._response: requests.Response | None = None
        self._first = b""
        self._offset = 0
        self._failures = 0
        self._counted_from = 0

    def __enter__(self) -> Download:
        try:
            # Until something has been read, an attempt may find another object, of which other things are announced.
            self._connected()
            self._first = self._next()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()
        self._session.close()

    def __iter__(self) -> Iterator[bytes]:
        chunk, self._first = self._first, b""
        while chunk:
            yield chunk
            chunk = self._next()

    def _next(self) -> bytes:
        """Some of the bytes that come next; none at the object's end."""
        while not self._is_whole():
            chunk, failure = _read(self._connected())
            if chunk:
                self._offset += len(chunk)
                return chunk
            if not failure and self.announced.size is None:
                break
            self._failed(failure or f"an end at byte {self._offset:,}")
        return b""

    def _is_whole(self) -> bool:
        return self.announced.size is not None and self._offset >= self.announced.size

    def _connected(self) -> requests.Response:
        """A reply whose body goes on where the last one ended."""
        while self._response is None:
            response = self._ask()
            if isinstance(response, str):
                self._failed(response)
            elif response.status_code in _LATER or response.status_code >= 500:
                response.close()
                self._failed(f"HTTP {response.status_code}", response=response)
            else:
                self._response = self._taken(response)
        return self._response

    def _ask(self) -> requests.Response | str:
        """A reply, or the name of what came in its place.

        :raises TransportError: nothing but another URL can help
        """
        headers = {"Accept-Encoding": "identity"}
        if self._offset:
            headers |= {"Range": f"bytes={self._offset}-", "If-Range": self.announced.version or ""}
        timeout = (self._persistence.connect_timeout, self._persistence.read_timeout)
        # The exceptions themselves are told to nobody: their texts hold the URL and its signature.
        try:
            return self._session.get(self._url, headers=headers, timeout=timeout, stream=True)
        except _DROPPED as error:
            return type(error).__name__
        except requests.RequestException as error:
            raise TransportError(
                f"the source can't be fetched: {type(error).__name__}", retryable=False, remedy="Correct the URL."
            ) from None

    def _taken(self, response: requests.Response) -> requests.Response:
        try:
            _check_status(response)
            if self._offset:
                self._check_part(response)
                self.resumed += 1
            else:
                self.announced = _announced(response)
        except BaseException:
            response.close()
            raise
        return response

    def _check_part(self, response: requests.Response) -> None:
        """Returns if the reply is the rest of the same object."""
        if response.status_code == 416:
            raise _changed()
        headers = _lower(response)
        part = parse_part(headers) if response.status_code == 206 else None
        whole = part[1] if part else Announcement.parse(headers)
        if not self.announced.fits(whole):
            raise _changed()
        if part is None or part[0] != self._offset or whole.size is None or _is_encoded(headers):
            raise self._unresumable("the server answers with something else than the rest of it")
        self.announced = replace(self.announced, size=whole.size)

    def _failed(self, what: str, *, response: requests.Response | None = None) -> None:
        """Notes a failure, and waits before the next attempt.

        :raises TransportError: it was one too many, or there can be no further attempt
        """
        self._hang_up()
        if self._offset - self._counted_from >= PROGRESS_BYTES:
            self._failures, self._counted_from = 0, self._offset
        self._failures += 1
        if self._offset and not (self.announced.accepts_ranges and self.announced.version):
            raise self._unresumable(what)
        if self._failures >= self._persistence.attempts:
            raise TransportError(
                f"the source can't be fetched: {self._failures} attempts in a row failed, the last with {what}",
                status=response.status_code if response is not None else None,
                remedy=_NOTHING,
            )
        asked = retry_after(_lower(response)) if response is not None else None
        self._sleep(self._persistence.pause(self._failures, asked=asked))

    def _unresumable(self, what: str) -> TransportError:
        return TransportError(
            f"the source can't be fetched: the connection was lost at byte {self._offset:,} and the server can't go on "
            f"from there ({what})",
            remedy=_NOTHING,
        )

    def _hang_up(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _read(response: requests.Response) -> tuple[bytes, str]:
    """Some bytes of the body, or the name of what came in their place; neither at its end."""
    raw: Any = response.raw
    try:
        # Whatever has arrived, where urllib3 can do that, so that less is lost when the connection drops.
        return getattr(raw, "read1", raw.read)(CHUNK_BYTES, decode_content=False), ""
    except _DROPPED as error:
        return b"", type(error).__name__


def _lower(response: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _is_encoded(headers: dict[str, str]) -> bool:
    return headers.get("content-encoding", "").lower() not in ("", "identity")


def _announced(response: requests.Response) -> Announcement:
    """What the first reply says of the object.

    :raises TransportError: it could not be told where the object ends
    """
    headers = _lower(response)
    announced = Announcement.parse(headers)
    if response.status_code != 200:
        raise TransportError("the source can't be fetched: a part was sent, unasked", status=response.status_code)
    if _is_encoded(headers):
        raise TransportError("the source can't be fetched: the server sends it compressed, unasked", retryable=False)
    if announced.size is None and not announced.chunked:
        raise TransportError(
            "the source can't be fetched: the server does not say how long it is, so a dropped connection would look "
            "like its end",
            retryable=False,
            remedy="Publish from a server that sends Content-Length.",
        )
    return announced


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status in (403, 404, 410):
        raise ResultExpiredError(
            "the source's URL is refused",
            status=status,
            remedy="If it is a result of the service: those live 24 hours. Run the task that made it again.",
        )
    if status not in (200, 206, 416):
        raise TransportError("the source can't be fetched", status=status)


def _changed() -> ChangedSourceError:
    return ChangedSourceError("the source was replaced by something else while it was downloaded", remedy=_NOTHING)
