"""An HTTP session that checks every address before it connects, on every redirect, and ends in bounded time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.outbound.address_policy import AddressPolicy
from airflow_provider_videoretalk.outbound.host_access import AccessRule, HostAccess
from airflow_provider_videoretalk.outbound.http_transport import Exchange, HttpTransport

# Seconds to connect, and between two reads.
_TIMEOUT = (10, 20)
_MAX_REDIRECTS = 5

_PROXY_NOTE = "address: a proxy makes the connection, so only the proxy knows whether it leads to a private network"


class GuardedSession(requests.Session):
    """Requests URLs and follows their redirects. Each target is checked before a byte is sent to it.

    The only credentials that are sent are those in the URL itself.

    :param field: the field that holds the URL, for messages
    :param access: how the host of a URL may be connected to
    :param seconds: time after which every connection is closed, unless :meth:`cancel_deadline` was called
    :param timeout: seconds to connect, and between two reads
    :ivar notes: what could not be checked, as ``"what: why"``
    """

    def __init__(
        self,
        *,
        field: str,
        access: AccessRule,
        seconds: float,
        timeout: tuple[float, float] = _TIMEOUT,
    ) -> None:
        super().__init__()
        # Otherwise requests sends the login that ~/.netrc has for a host.
        self.trust_env = False
        self.notes: tuple[str, ...] = ()
        self._field = field
        self._timeout = timeout
        self._access = access
        self._transports: dict[HostAccess, HttpTransport] = {}
        self._deadline: float | None = time.monotonic() + seconds
        self._deadlines = ExitStack()
        self._exchanges: list[Exchange] = []

    def open(
        self, url: str, *, headers: Mapping[str, str], before_request: Callable[[], None] = lambda: None
    ) -> requests.Response:
        """The reply after redirects, with its body still unread.

        :param before_request: called before each request
        :raises InputError: the URL or a redirect leads to an address or a scheme that is not allowed
        :raises ConfigurationError: the certificates or the proxy for a host cannot be used
        :raises TransportError: there are too many redirects
        :raises requests.RequestException: no reply arrived
        """
        for _ in range(_MAX_REDIRECTS + 1):
            before_request()
            self._check_behind_proxy(url)
            response = self.get(
                url,
                headers=headers,
                auth=_url_credentials(url),
                timeout=self._timeout,
                stream=True,
                allow_redirects=False,
            )
            if response.status_code not in (301, 302, 303, 307, 308) or "location" not in response.headers:
                return response
            response.close()
            url = self._redirect_target(url, response.headers["location"])
        raise TransportError(
            f"{self._field} redirects more than {_MAX_REDIRECTS} times",
            retryable=False,
            remedy="Give the URL of the file itself.",
        )

    @property
    def timed_out(self) -> bool:
        """Whether the connections were closed because the time was up."""
        return any(exchange.timed_out for exchange in self._exchanges)

    def cancel_deadline(self) -> None:
        """Removes the time limit."""
        self._deadline = None
        self._deadlines.close()

    def close(self) -> None:
        self._deadlines.close()
        super().close()
        for transport in self._transports.values():
            transport.close()

    def get_adapter(self, url: str | bytes) -> HttpTransport:
        """
        :raises ConfigurationError: the certificates for the host cannot be read
        """
        access = self._access(str(url))
        if access not in self._transports:
            policy = AddressPolicy(field=self._field, allow_private=access.allow_private)
            transport = HttpTransport(policy, verify=access.verify, proxy=access.proxy)
            self._transports[access] = transport
            if self._deadline is not None:
                left = max(0.0, self._deadline - time.monotonic())
                self._exchanges.append(self._deadlines.enter_context(transport.exchange(seconds=left)))
        return self._transports[access]

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        # Otherwise requests reads the whole body of a redirect into memory, also when it may not follow it.
        return None

    def _redirect_target(self, url: str, location: str) -> str:
        # Servers write UTF-8, and it arrives as Latin-1.
        target = urljoin(url, location.encode("latin-1", "replace").decode("utf-8", "replace"))
        if urlsplit(target).scheme not in ("http", "https"):
            raise InputError(
                f"{self._field} redirects to a URL that is neither http nor https",
                code="InvalidURL",
                remedy="Give the URL of the file itself.",
            )
        return target

    def _check_behind_proxy(self, url: str) -> None:
        """Checks a host that is written as an address. Any other host is resolved by the proxy alone."""
        if self.get_adapter(url).proxy_of(url) is None:
            return
        self.notes = (_PROXY_NOTE,)
        host = urlsplit(url).hostname or ""
        try:
            literal = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        except OSError:
            return
        self.get_adapter(url).policy.check(host, str(literal[0][4][0]))


def read_available(response: requests.Response, max_bytes: int) -> bytes:
    """The bytes that have arrived, at least one; none at the end of the body.

    It does not wait for ``max_bytes``, so that the caller can check the time in between.
    """
    part: bytes = response.raw.read1(max_bytes, decode_content=False)
    return part


def _url_credentials(url: str) -> HTTPBasicAuth | None:
    user, password = get_auth_from_url(url)
    return HTTPBasicAuth(user, password) if user or password else None
