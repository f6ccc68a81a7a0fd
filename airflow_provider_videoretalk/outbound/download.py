"""Downloads one object over HTTP, and resumes after lost connections."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, ResultExpiredError, TransportError
from airflow_provider_videoretalk.outbound.failure_cause import describe_failure
from airflow_provider_videoretalk.outbound.guarded_session import GuardedSession
from airflow_provider_videoretalk.outbound.host_access import AccessRule
from airflow_provider_videoretalk.outbound.response_metadata import ResponseMetadata, parse_partial
from airflow_provider_videoretalk.outbound.retry_after import retry_after

CHUNK_BYTES = 256 * 1024
"""The largest read. Chunks of a megabyte do not fit the processor's cache, and take half as long again."""

PROGRESS_BYTES = 1024 * 1024
"""Bytes that reset the count of failed attempts."""

MAX_BYTES = 2 * 1024**3
"""The largest object that is downloaded. Two minutes of video have less than a tenth of it."""

MIN_BYTES_PER_SECOND = 10_000

_RETRYABLE_STATUSES = (408, 425, 429)
_NOTHING_PUBLISHED = "Nothing was published; run the task again."

_CONNECTION_ERRORS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    # urllib3 raises these while a body is read.
    HTTPError,
)


class ChangedSourceError(TransportError):
    """The object was replaced during the download. Resuming would mix two versions."""


@dataclass(frozen=True, kw_only=True)
class RetrySettings:
    """How often a download is retried. Times in seconds.

    :param max_attempts: attempts that may fail in a row before a further 1 MiB has arrived
    :param first_delay: the longest delay after the first failure; it doubles with each further failure. The actual
        delay is random, so that many tasks do not retry at the same time
    :param max_delay: the longest delay, also if the server asks for more
    :param connect_timeout: time to connect
    :param read_timeout: longest time without any data
    """

    max_attempts: int = 8
    first_delay: float = 1.0
    max_delay: float = 60.0
    connect_timeout: float = 10.0
    read_timeout: float = 60.0

    def delay(self, failures: int, *, requested: float | None = None) -> float:
        """Seconds to wait after ``failures`` failures in a row.

        :param requested: the delay that the server asks for (Retry-After)
        """
        longest = min(self.first_delay * 2 ** (failures - 1), self.max_delay)
        return max(random.uniform(0, longest), min(requested or 0.0, self.max_delay))


class Download:
    """The bytes at a URL, each once and in order. Use it in a ``with`` block, as ``for chunk in download``.

    The rest of the object is requested again (Range and If-Range) after:

    - a connection that is refused, dropped or stalled
    - status 408, 425, 429 or 5xx

    It checks that the object is still the same and has the declared length. Checksums are the caller's task.

    Every address is checked before a byte is sent to it, on redirects too. The object may have :data:`MAX_BYTES` at
    most. A server that sends less than :data:`MIN_BYTES_PER_SECOND` counts as stalled.

    :param access: how the host of a URL may be connected to
    :param retry: limits for the attempts
    :param sleep: waits for a number of seconds
    :ivar response_metadata: the object as the server describes it; known inside the ``with`` block
    :ivar resumed: how many connections continued an interrupted transfer
    :raises ResultExpiredError: the server refuses the URL (403, 404 or 410), at the first or a later request
    :raises InputError: the URL or a redirect leads to an address that is not allowed
    :raises ConfigurationError: the certificates or the proxy for its host cannot be used
    :raises ChangedSourceError: the object was replaced
    :raises TransportError: too many attempts failed, or the server cannot resume
    """

    def __init__(
        self,
        url: str,
        *,
        access: AccessRule,
        retry: RetrySettings | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.response_metadata: ResponseMetadata
        self.resumed = 0
        self._url = url
        self._retry = retry or RetrySettings()
        self._sleep = sleep
        self._access = access
        self._session: GuardedSession | None = None
        self._connected_at = 0.0
        self._connected_offset = 0
        self._response: requests.Response | None = None
        self._first_chunk = b""
        self._offset = 0
        self._failures = 0
        self._failures_since = 0

    def __enter__(self) -> Download:
        try:
            # Until the first byte is read, an attempt may find another object, with other metadata.
            self._connect()
            self._first_chunk = self._read_chunk()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close_connection()

    def __iter__(self) -> Iterator[bytes]:
        chunk, self._first_chunk = self._first_chunk, b""
        while chunk:
            yield chunk
            chunk = self._read_chunk()

    def _read_chunk(self) -> bytes:
        """The next bytes; none at the end of the object."""
        while not self._is_complete():
            chunk, failure = _read_available(self._connect())
            if chunk:
                self._offset += len(chunk)
                self._check_limits()
                return chunk
            if not failure and self.response_metadata.size is None:
                break
            self._wait_after_failure(failure or f"the reply ended at byte {self._offset:,}")
        return b""

    def _check_limits(self) -> None:
        """
        :raises TransportError: the object is too large, or arrives too slowly in too many attempts
        """
        if self._offset > MAX_BYTES:
            raise TransportError(
                f"the source has more than {MAX_BYTES:,} bytes, the most that is published", retryable=False
            )
        seconds = time.monotonic() - self._connected_at
        if self._offset - self._connected_offset < (seconds - self._retry.read_timeout) * MIN_BYTES_PER_SECOND:
            self._wait_after_failure(f"it sent less than {MIN_BYTES_PER_SECOND:,} bytes a second")

    def _is_complete(self) -> bool:
        return self.response_metadata.size is not None and self._offset >= self.response_metadata.size

    def _connect(self) -> requests.Response:
        """A reply whose body continues at the current offset."""
        while self._response is None:
            response = self._request()
            if isinstance(response, str):
                self._wait_after_failure(response)
            elif response.status_code in _RETRYABLE_STATUSES or response.status_code >= 500:
                response.close()
                self._wait_after_failure(f"HTTP {response.status_code}", response=response)
            else:
                self._response = self._check_reply(response)
                self._connected_at, self._connected_offset = time.monotonic(), self._offset
        return self._response

    def _request(self) -> requests.Response | str:
        """A reply, or the cause of the failure that another attempt may solve.

        :raises TransportError: only another URL can help
        """
        headers = {"Accept-Encoding": "identity"}
        if self._offset:
            headers |= {"Range": f"bytes={self._offset}-", "If-Range": self.response_metadata.version or ""}
        limits = (self._retry.connect_timeout, self._retry.read_timeout)
        # The errors' own texts hold the URL and its signature.
        self._session = GuardedSession(field="the source", access=self._access, seconds=sum(limits), timeout=limits)
        try:
            response = self._session.open(self._url, headers=headers)
            self._session.cancel_deadline()
            return response
        except DashScopeError:
            raise
        except _CONNECTION_ERRORS as error:
            return describe_failure(error)
        except (requests.RequestException, ValueError) as error:
            raise TransportError(
                f"the source cannot be downloaded: its URL cannot be used ({describe_failure(error)})",
                retryable=False,
                remedy="Correct the URL.",
            ) from None

    def _check_reply(self, response: requests.Response) -> requests.Response:
        try:
            _check_status(response)
            if self._offset:
                self._check_remainder(response)
                self.resumed += 1
            else:
                self.response_metadata = _read_metadata(response)
        except BaseException:
            response.close()
            raise
        return response

    def _check_remainder(self, response: requests.Response) -> None:
        """Returns if the reply is the remainder of the same object."""
        if response.status_code == 416:
            raise _changed_error()
        headers = _lower_case_headers(response)
        part = parse_partial(headers) if response.status_code == 206 else None
        whole = part[1] if part else ResponseMetadata.parse(headers)
        if not self.response_metadata.is_consistent_with(whole):
            raise _changed_error()
        if part is None or part[0] != self._offset or whole.size is None or _is_encoded(headers):
            raise self._cannot_resume_error("it did not send the requested range")
        self.response_metadata = replace(self.response_metadata, size=whole.size)

    def _wait_after_failure(self, cause: str, *, response: requests.Response | None = None) -> None:
        """Counts a failure, and waits before the next attempt.

        :raises TransportError: too many attempts failed, or the server cannot resume
        """
        self._close_connection()
        if self._offset - self._failures_since >= PROGRESS_BYTES:
            self._failures, self._failures_since = 0, self._offset
        self._failures += 1
        if self._offset and not (self.response_metadata.accepts_ranges and self.response_metadata.version):
            raise self._cannot_resume_error(cause)
        if self._failures >= self._retry.max_attempts:
            raise TransportError(
                f"the source cannot be downloaded: {self._failures} attempts in a row failed, the last one: {cause}",
                status=response.status_code if response is not None else None,
                remedy=_NOTHING_PUBLISHED,
            )
        requested = retry_after(_lower_case_headers(response)) if response is not None else None
        self._sleep(self._retry.delay(self._failures, requested=requested))

    def _cannot_resume_error(self, cause: str) -> TransportError:
        return TransportError(
            f"the source cannot be downloaded: the connection was lost at byte {self._offset:,} and the server cannot "
            f"resume from there ({cause})",
            remedy=_NOTHING_PUBLISHED,
        )

    def _close_connection(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
        if self._session is not None:
            self._session.close()
            self._session = None


def _read_available(response: requests.Response) -> tuple[bytes, str]:
    """The bytes that have arrived, or the cause of a failure; neither at the end of the body."""
    raw: Any = response.raw
    try:
        # One read of the socket, so that no byte is lost when the connection drops.
        return raw.read1(CHUNK_BYTES, decode_content=False), ""
    except _CONNECTION_ERRORS as error:
        return b"", describe_failure(error)


def _lower_case_headers(response: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _is_encoded(headers: dict[str, str]) -> bool:
    return headers.get("content-encoding", "").lower() not in ("", "identity")


def _read_metadata(response: requests.Response) -> ResponseMetadata:
    """The object as the first reply describes it.

    :raises TransportError: the end of the object could not be recognised
    """
    headers = _lower_case_headers(response)
    metadata = ResponseMetadata.parse(headers)
    if response.status_code != 200:
        raise TransportError(
            "the source cannot be downloaded: the server sent a part without being asked", status=response.status_code
        )
    if _is_encoded(headers):
        raise TransportError(
            "the source cannot be downloaded: the server sent it compressed without being asked", retryable=False
        )
    if metadata.size is None and not metadata.chunked:
        raise TransportError(
            "the source cannot be downloaded: the server does not give its length, so a dropped connection would look "
            "like its end",
            retryable=False,
            remedy="Publish from a server that sends Content-Length.",
        )
    return metadata


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status in (403, 404, 410):
        raise ResultExpiredError(
            "the server refused the source's URL, which may have expired",
            status=status,
            remedy="Request a new URL of the result, which is free for 24 hours. Making it again is billed again.",
        )
    if status not in (200, 206, 416):
        raise TransportError("the source cannot be downloaded: the server did not send it", status=status)


def _changed_error() -> ChangedSourceError:
    return ChangedSourceError("the source was replaced during the download", remedy=_NOTHING_PUBLISHED)
