"""A file behind a URL, read by ranges of bytes."""

from __future__ import annotations

import re

import requests
from urllib3.exceptions import HTTPError

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError, TransportError
from airflow_provider_videoretalk.outbound.failure_cause import describe_failure
from airflow_provider_videoretalk.outbound.guarded_session import GuardedSession, read_available
from airflow_provider_videoretalk.outbound.host_access import AccessRule
from airflow_provider_videoretalk.outbound.read_budget import BudgetMeter, OutOfReachError

_PIECE_BYTES = 64 * 1024
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)\Z")
_RETRYABLE_STATUSES = (408, 425, 429)

_NO_RANGES = "the server has no ranges, so reading it would mean to download the file from its beginning"


class RangedHttpFile:
    """A file behind an http or https URL.

    The first reply gives the version of the file. Each later request names that version (If-Range), so a file that is
    replaced meanwhile is noticed, and two versions are never mixed. A server that ignores ranges is read from the
    beginning, and only as far as requested.

    :param field: the field that holds the URL. Messages name it instead of the URL, which may hold a signature
    :param access: how the host of a URL may be connected to
    """

    def __init__(self, url: str, *, field: str, access: AccessRule, meter: BudgetMeter) -> None:
        self.size: int | None = None
        self.forward_only = False
        self.notes: tuple[str, ...] = ()
        self._url = url
        self._field = field
        self._meter = meter
        self._answered = False
        self._version: str | None = None
        self._whole_reply: requests.Response | None = None
        self._session = GuardedSession(field=field, access=access, seconds=meter.budget.seconds)

    def fetch(self, start: int, length: int) -> bytes:
        """See :meth:`~airflow_provider_videoretalk.media.ranged_reader.RangedFile.fetch`."""
        try:
            if self._whole_reply is not None:
                return self._continue_whole_reply(self._whole_reply, length)
            return self._request_range(start, length)
        except DashScopeError:
            raise
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            if self._session.timed_out:
                raise OutOfReachError(f"it took more than {self._meter.budget.seconds:g} s") from None
            # The error's own text holds the URL and its signature.
            raise TransportError(f"{self._field} cannot be fetched: {describe_failure(error)}") from None

    def close(self) -> None:
        if self._whole_reply is not None:
            self._whole_reply.close()
        self._session.close()

    def _request_range(self, start: int, length: int) -> bytes:
        first = not self._answered
        response = self._send(start, length)
        try:
            if response.status_code == 206:
                return self._read_part(response, start, length, first=first)
            if first and response.status_code == 200:
                return self._begin_whole_reply(response, length)
        finally:
            if response is not self._whole_reply:
                response.close()
        if response.status_code == 416 and (first or self.size is None):
            self.size = 0 if first else self.size
            return b""
        raise self._status_error(response.status_code, first=first)

    def _send(self, start: int, length: int) -> requests.Response:
        """The reply to a request for a range, after redirects. Later requests go directly to the redirect's target."""
        headers = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
        if self._version:
            headers["If-Range"] = self._version
        self._meter.charge(size=length, requests=0)
        try:
            response = self._session.open(self._url, headers=headers, before_request=self._meter.charge)
        finally:
            self.notes = self._session.notes
        self._url = response.url
        return response

    def _read_part(self, response: requests.Response, start: int, length: int, *, first: bool) -> bytes:
        found = _CONTENT_RANGE.match(response.headers.get("content-range", ""))
        if found is None or int(found[1]) != start or int(found[2]) < start or _is_encoded(response):
            raise TransportError(f"{self._field} cannot be fetched: the server sent another range than requested")
        size = None if found[3] == "*" else int(found[3])
        version = _version(response)
        if first:
            self.size, self._version, self._answered = size, version, True
        elif size != self.size or version != self._version:
            raise self._changed_error()
        wanted = min(length, int(found[2]) - start + 1)
        content = self._read(response, wanted)
        if len(content) < wanted:
            raise TransportError(f"{self._field} cannot be fetched: the connection was closed early")
        return content

    def _begin_whole_reply(self, response: requests.Response, length: int) -> bytes:
        """The first bytes of a reply without ranges. The rest is read only when it is requested."""
        if _is_encoded(response):
            raise OutOfReachError("the server sends it compressed, which has no ranges")
        declared = response.headers.get("content-length", "")
        self.size = int(declared) if declared.isdigit() and "transfer-encoding" not in response.headers else None
        self._whole_reply, self.forward_only, self._answered = response, True, True
        return self._read(response, length)

    def _continue_whole_reply(self, response: requests.Response, length: int) -> bytes:
        if length > self._meter.bytes_left:
            raise OutOfReachError(_NO_RANGES)
        self._meter.charge(size=length, requests=0)
        return self._read(response, length)

    def _read(self, response: requests.Response, length: int) -> bytes:
        parts = []
        while length > 0:
            part = read_available(response, min(length, _PIECE_BYTES))
            if self._session.timed_out:
                raise OutOfReachError(f"it took more than {self._meter.budget.seconds:g} s")
            if not part:
                break
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _status_error(self, status: int, *, first: bool) -> DashScopeError:
        if not first and status in (200, 412, 416):
            return self._changed_error()
        if 400 <= status < 500 and status not in _RETRYABLE_STATUSES:
            return InputError(
                f"{self._field} cannot be fetched: the server refused the request",
                code="InvalidURL",
                status=status,
                remedy="Check that the URL is right, that its signature has not expired, and that it needs no login.",
            )
        return TransportError(f"{self._field} cannot be fetched: the server did not send the file", status=status)

    def _changed_error(self) -> TransportError:
        return TransportError(f"{self._field} changed while it was read", remedy="Try again once it is complete.")


def _is_encoded(response: requests.Response) -> bool:
    return response.headers.get("content-encoding", "identity").lower() not in ("identity", "")


def _version(response: requests.Response) -> str | None:
    """The validator for If-Range (RFC 9110, 13.1.5): a strong ETag, otherwise the date of the last change."""
    tag = response.headers.get("etag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("last-modified")
