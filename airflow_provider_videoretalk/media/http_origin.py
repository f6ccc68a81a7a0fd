"""Files that lie behind a URL."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy
from urllib3.exceptions import HTTPError

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, InputError, TransportError
from airflow_provider_videoretalk.media.peer import PeerAdapter
from airflow_provider_videoretalk.media.ranged import Meter, OutOfReachError

_TIMEOUT = (10, 20)
_REDIRECTS = 5
_PIECE_BYTES = 64 * 1024
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)\Z")
_LATER = (408, 425, 429)

_NO_RANGES = "the server has no ranges, so reading it would mean to download the file from its beginning"


class HttpOrigin:
    """A file behind an http or https URL, read by ranges.

    Each request says which version of the file the first one saw (If-Range), so that a file that is replaced in the
    meantime is noticed and never mixed. A server that ignores ranges is read from the beginning on, and no further
    than is asked for.

    :param field: what is fetched, for messages; the URL is in none of them, since it may hold a signature
    :param allow_private: also connect to addresses that are not of the public internet
    """

    def __init__(self, url: str, *, field: str, allow_private: bool, meter: Meter) -> None:
        self.size: int | None = None
        self.forward_only = False
        self.notes: tuple[str, ...] = ()
        self._url = url
        self._field = field
        self._meter = meter
        self._asked = False
        self._version: str | None = None
        self._stream: requests.Response | None = None
        self._session = HttpSession(field=field, allow_private=lambda _: allow_private, seconds=meter.budget.seconds)

    def fetch(self, start: int, length: int) -> bytes:
        try:
            if self._stream is not None:
                return self._go_on(self._stream, length)
            return self._ask(start, length)
        except DashScopeError:
            raise
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            if self._session.expired:
                raise OutOfReachError(f"it took more than {self._meter.budget.seconds:g} s") from None
            # Not the exception's own text: it holds the URL and its signature.
            raise TransportError(f"{self._field} can't be fetched: {type(error).__name__}") from None

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._session.close()

    def _ask(self, start: int, length: int) -> bytes:
        first = not self._asked
        response = self._answer(start, length)
        try:
            if response.status_code == 206:
                return self._part(response, start, length, first=first)
            if first and response.status_code == 200:
                return self._begin(response, length)
        finally:
            if response is not self._stream:
                response.close()
        if response.status_code == 416 and (first or self.size is None):
            self.size = 0 if first else self.size
            return b""
        raise self._refusal(response.status_code, first=first)

    def _answer(self, start: int, length: int) -> requests.Response:
        """The reply to a request for a range, after redirects; later requests go straight to where those led."""
        headers = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
        if self._version:
            headers["If-Range"] = self._version
        self._meter.charge(size=length, requests=0)
        try:
            response = self._session.ask(self._url, headers=headers, before=self._meter.charge)
        finally:
            self.notes = self._session.notes
        self._url = response.url
        return response

    def _part(self, response: requests.Response, start: int, length: int, *, first: bool) -> bytes:
        found = _CONTENT_RANGE.match(response.headers.get("content-range", ""))
        if found is None or int(found[1]) != start or int(found[2]) < start or _encoded(response):
            raise TransportError(f"{self._field} can't be fetched: the server answers another range than it was asked")
        size = None if found[3] == "*" else int(found[3])
        version = _version(response)
        if first:
            self.size, self._version, self._asked = size, version, True
        elif size != self.size or version != self._version:
            raise self._changed()
        wanted = min(length, int(found[2]) - start + 1)
        content = self._read(response, wanted)
        if len(content) < wanted:
            raise TransportError(f"{self._field} can't be fetched: the connection ended early")
        return content

    def _begin(self, response: requests.Response, length: int) -> bytes:
        """The answer of a server without ranges: the whole file, of which no more is read than is asked for."""
        if _encoded(response):
            raise OutOfReachError("the server sends it compressed, which has no ranges")
        said = response.headers.get("content-length", "")
        self.size = int(said) if said.isdigit() and "transfer-encoding" not in response.headers else None
        self._stream, self.forward_only, self._asked = response, True, True
        return self._read(response, length)

    def _go_on(self, stream: requests.Response, length: int) -> bytes:
        if length > self._meter.left:
            raise OutOfReachError(_NO_RANGES)
        self._meter.charge(size=length, requests=0)
        return self._read(stream, length)

    def _read(self, response: requests.Response, length: int) -> bytes:
        parts = []
        while length > 0:
            part = read_some(response, min(length, _PIECE_BYTES))
            if self._session.expired:
                raise OutOfReachError(f"it took more than {self._meter.budget.seconds:g} s")
            if not part:
                break
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _refusal(self, status: int, *, first: bool) -> DashScopeError:
        if not first and status in (200, 412, 416):
            return self._changed()
        if 400 <= status < 500 and status not in _LATER:
            return InputError(
                f"{self._field} can't be fetched",
                code="InvalidURL",
                status=status,
                remedy="Check that the URL is right, that its signature has not expired, and that it needs no login.",
            )
        return TransportError(f"{self._field} can't be fetched", status=status)

    def _changed(self) -> TransportError:
        return TransportError(f"{self._field} changed while it was read", remedy="Try again once it is complete.")


class HttpSession(requests.Session):
    """Asks for URLs and follows their redirects, each of which is judged before a byte is sent there. It knows no login
    but the URL's own.

    :param field: what is fetched, for messages
    :param allow_private: whether a URL may lead to an address that is not of the public internet
    :param seconds: until every connection is cut, unless :meth:`let_run` was called
    """

    def __init__(self, *, field: str, allow_private: Callable[[str], bool], seconds: float) -> None:
        super().__init__()
        # Else the login that ~/.netrc has for a host would be sent to it.
        self.auth = _as_it_is
        self.notes: tuple[str, ...] = ()
        self._field = field
        self._allow_private = allow_private
        self._peers = {allowed: PeerAdapter(field=field, allow_private=allowed) for allowed in (False, True)}
        # Time-outs of sockets count from byte to byte: a server that sends one at a time would never meet them.
        self._alarm = threading.Timer(seconds, self._cut)
        self._alarm.daemon = True
        self._alarm.start()

    def ask(
        self, url: str, *, headers: Mapping[str, str], before: Callable[[], None] = lambda: None
    ) -> requests.Response:
        """The reply after redirects, its body still to be read.

        :param before: called before each request
        :raises InputError: it leads to where it may not
        :raises TransportError: it redirects without end
        :raises requests.RequestException: no reply
        """
        for _ in range(_REDIRECTS + 1):
            before()
            self._look_at_proxy(url)
            response = self.get(
                url, headers=headers, auth=_auth(url), timeout=_TIMEOUT, stream=True, allow_redirects=False
            )
            if response.status_code not in (301, 302, 303, 307, 308) or "location" not in response.headers:
                return response
            response.close()
            url = self._target(url, response.headers["location"])
        raise TransportError(f"{self._field} redirects more than {_REDIRECTS} times", retryable=False)

    @property
    def expired(self) -> bool:
        """Whether the connections were cut."""
        return any(peer.expired for peer in self._peers.values())

    def let_run(self) -> None:
        """Takes the limit of time away."""
        self._alarm.cancel()

    def close(self) -> None:
        self._alarm.cancel()
        super().close()
        for peer in self._peers.values():
            peer.close()

    def get_adapter(self, url: str | bytes) -> PeerAdapter:
        return self._peers[self._allow_private(str(url))]

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        # Else requests reads the whole body of a redirect into memory, also when it may not follow.
        return None

    def _cut(self) -> None:
        for peer in self._peers.values():
            peer.cut()

    def _target(self, url: str, location: str) -> str:
        # What servers write as UTF-8 arrives as Latin-1.
        target = urljoin(url, location.encode("latin-1", "replace").decode("utf-8", "replace"))
        if urlsplit(target).scheme not in ("http", "https"):
            raise InputError(
                f"{self._field} redirects to a URL that is neither http nor https",
                code="InvalidURL",
                remedy="Give the URL of the file itself.",
            )
        return target

    def _look_at_proxy(self, url: str) -> None:
        """A host that is written as an address is judged here, any other one by the proxy alone."""
        if select_proxy(url, get_environ_proxies(url)) is None:
            return
        note = "address: a proxy makes the connection, so only the proxy knows whether it leads to a private network"
        self.notes = (note,)
        host = urlsplit(url).hostname or ""
        try:
            literal = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        except OSError:
            return
        self.get_adapter(url).judge(host, str(literal[0][4][0]))


def read_some(response: requests.Response, most: int) -> bytes:
    """What has arrived, where urllib3 can tell that, so that the clock is looked at in between; nothing at the end."""
    raw: Any = response.raw
    read = getattr(raw, "read1", raw.read)
    part: bytes = read(most, decode_content=False)
    return part


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _auth(url: str) -> HTTPBasicAuth | None:
    user, password = get_auth_from_url(url)
    return HTTPBasicAuth(user, password) if user or password else None


def _encoded(response: requests.Response) -> bool:
    return response.headers.get("content-encoding", "identity").lower() not in ("identity", "")


def _version(response: requests.Response) -> str | None:
    """What If-Range may name this version of the file by (RFC 9110, 13.1.5): a strong ETag, else its date."""
    tag = response.headers.get("etag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("last-modified")
