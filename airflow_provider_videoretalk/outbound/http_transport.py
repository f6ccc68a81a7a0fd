"""The transport of all synchronous connections: a ``requests`` adapter with this package's rules for the network."""

from __future__ import annotations

import math
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.outbound.address_policy import AddressPolicy
from airflow_provider_videoretalk.outbound.proxy import is_socks, proxy_of, socks_arguments
from airflow_provider_videoretalk.outbound.tls_trust import tls_context

# Addresses of one name that are tried; each may take a whole connect timeout.
_MAX_ADDRESSES = 3

# Limits what a server can send ahead of a client that stops reading. The system's own window grows to megabytes.
_RECEIVE_BUFFER_BYTES = 256 * 1024


class Exchange:
    """One request and its reply.

    :param seconds: until its time is up
    :ivar sent: whether a byte of the request may have reached the server
    :ivar timed_out: whether the connections were closed because the time was up
    """

    def __init__(self, *, seconds: float = math.inf) -> None:
        self.sent = False
        self.timed_out = False
        self._ends_at = time.monotonic() + seconds

    def left(self, timeout: float | None) -> float | None:
        """``timeout`` in seconds, or what is left if that is less; ``None`` for no limit.

        :raises TimeoutError: nothing is left
        """
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        shorter = left if timeout is None else min(timeout, left)
        return None if math.isinf(shorter) else shorter


class HttpTransport(HTTPAdapter):
    """Trusts, connects and gives up by the same rules as the asynchronous client:

    - TLS by :mod:`~airflow_provider_videoretalk.outbound.tls_trust`
    - proxies by :mod:`~airflow_provider_videoretalk.outbound.proxy`
    - addresses by the policy, checked before each connection and once more before a byte is sent. So neither a redirect
      nor a name that resolves differently the second time leads into a private network. A proxy is configured on this
      machine and is not checked. Addresses behind the proxy are the proxy's decision
    - a time limit for each :meth:`exchange`, which a server that sends byte by byte cannot extend

    For one thread at a time.

    :param verify: the connection's setting for TLS
    :param proxy: the connection's proxy
    """

    def __init__(self, policy: AddressPolicy, *, verify: bool | str = True, proxy: str | None = None) -> None:
        self.policy = policy
        self._proxy = proxy
        self._verify = verify
        self._exchange = Exchange()
        # By connection: a second handle of its socket, since TLS takes over the first one.
        self._handles: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        super().__init__()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Read when it is needed: certificates take longer to read than a plain request."""
        return tls_context(self._verify)

    @contextmanager
    def exchange(self, *, seconds: float) -> Iterator[Exchange]:
        """A time limit for what is sent and received in the ``with`` block."""
        # A person's stop of a task may interrupt an exchange with another one.
        outer, exchange = self._exchange, Exchange(seconds=seconds)
        self._exchange = exchange
        # A socket's timeout restarts with each byte.
        timer = threading.Timer(seconds, self._abort, [exchange])
        timer.daemon = True
        timer.start()
        try:
            yield exchange
        finally:
            timer.cancel()
            timer.join()
            self._exchange = outer
            if exchange.timed_out:
                self.close()

    def proxy_of(self, url: str) -> str | None:
        """The proxy for a URL.

        :raises ConfigurationError: it is not usable
        """
        return proxy_of(url, configured=self._proxy)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """
        :raises ConfigurationError: the certificates cannot be read
        """
        proxy = self.proxy_of(request.url or "")
        forwarding = {} if proxy is None or is_socks(proxy) else {"http": proxy, "https": proxy}
        verified = self._is_plain(request) or self._tls.verify_mode is ssl.CERT_REQUIRED
        return super().send(request, *args, **{**kwargs, "proxies": forwarding, "verify": verified})

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, pool if self._is_plain(request) else {**pool, "ssl_context": self._tls}

    def _is_plain(self, request: requests.PreparedRequest) -> bool:
        """Whether nothing is encrypted: a proxy for an http URL may be spoken to over TLS."""
        url = request.url or ""
        return url.lower().startswith("http:") and self.proxy_of(url) is None

    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:
        # The context has all trusted certificates. requests would add those of certifi.
        conn.cert_reqs = "CERT_REQUIRED" if verify else "CERT_NONE"

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes(checked=True)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        tls = {"ssl_context": self._tls, "proxy_ssl_context": self._tls}
        manager = super().proxy_manager_for(proxy, **proxy_kwargs, **tls)
        manager.pool_classes_by_scheme = self._pool_classes(checked=False)
        return manager

    def close(self) -> None:
        super().close()
        with self._lock:
            for handle in self._handles.values():
                handle.close()
            self._handles.clear()

    def connect(self, host: str, port: int, *, timeout: float | None, checked: bool) -> socket.socket:
        """A connection to one of the addresses of ``host``.

        :param timeout: seconds for each address
        :raises InputError: an address is not allowed
        :raises OSError: no address can be reached
        """
        failure = OSError("no address")
        addresses = _resolve(host, port, timeout=self._exchange.left(None))
        for family, kind, protocol, _, address in addresses[:_MAX_ADDRESSES]:
            if checked:
                self.policy.check(host, str(address[0]))
            connection = socket.socket(family, kind, protocol)
            try:
                _set_options(connection, timeout=self._exchange.left(timeout))
                connection.connect(address)
                if checked:
                    self.policy.check(host, connection.getpeername()[0])
            except OSError as error:
                connection.close()
                failure = error
            except DashScopeError:
                connection.close()
                raise
            else:
                return connection
        raise failure

    def connect_by_socks(self, proxy: str, host: str, port: int, *, timeout: float | None) -> socket.socket:
        """A connection to ``host`` through a SOCKS proxy.

        :raises OSError: the proxy or the host cannot be reached
        """
        from python_socks import ProxyError, ProxyTimeoutError
        from python_socks.sync import Proxy

        arguments = socks_arguments(proxy)
        try:
            connection: socket.socket = Proxy.from_url(**arguments).connect(
                host, port, timeout=self._exchange.left(timeout)
            )
        except ProxyTimeoutError:
            raise TimeoutError from None
        except ProxyError as error:
            raise SocksError(type(error).__name__) from None
        _set_options(connection, timeout=timeout)
        return connection

    def _abort(self, exchange: Exchange) -> None:
        """Ends every connection at once. Runs on another thread."""
        with self._lock:
            exchange.timed_out = True
            for handle in self._handles.values():
                _shut_down(handle)

    def _register(self, connection: HTTPConnection, connected: socket.socket) -> None:
        with self._lock:
            if self._exchange.timed_out:
                connected.close()
                raise TimeoutError
            self._handles[id(connection)] = connected.dup()

    def _release(self, connection: HTTPConnection) -> None:
        with self._lock:
            handle = self._handles.pop(id(connection), None)
        if handle is not None:
            handle.close()

    def _pool_classes(self, *, checked: bool) -> dict[str, type[HTTPConnectionPool]]:
        transport = self

        class PlainConnection(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _connect(self, self._dns_host, transport, checked=checked)

            def close(self) -> None:
                super().close()
                transport._release(self)

            def request(self, *args: Any, **kwargs: Any) -> None:
                # All that connects, the proxy's part included, comes before a byte of the request.
                if self.sock is None:
                    self.connect()
                transport._exchange.sent = True
                super().request(*args, **kwargs)

        # The methods of the plain connection come first, and call those of HTTPSConnection.
        class TlsConnection(PlainConnection, HTTPSConnection):
            pass

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = PlainConnection

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = TlsConnection

        return {"http": PlainPool, "https": TlsPool}


def session_over(transport: HttpTransport) -> requests.Session:
    """A session for all URLs. It sends no credentials but those of the request: netrc is not read."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", transport)
    session.mount("http://", transport)
    return session


class SocksError(OSError):
    """The SOCKS proxy refused the connection."""


def _connect(connection: HTTPConnection, host: str, transport: HttpTransport, *, checked: bool) -> socket.socket:
    """Connects with the errors that urllib3 itself raises, so that their causes can be distinguished."""
    timeout = float(connection.timeout) if isinstance(connection.timeout, int | float) else None
    scheme = "https" if isinstance(connection, HTTPSConnection) else "http"
    try:
        proxy = None if connection.proxy else transport.proxy_of(f"{scheme}://{host}:{connection.port}")
        if proxy is not None and is_socks(proxy):
            connected = transport.connect_by_socks(proxy, host, connection.port, timeout=timeout)
        else:
            connected = transport.connect(host, connection.port, timeout=timeout, checked=checked)
        transport._register(connection, connected)
        return connected
    except socket.gaierror as error:
        raise NameResolutionError(host, connection, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"(connect timeout={timeout})") from error
    except OSError as error:
        raise NewConnectionError(connection, type(error).__name__) from error


def _resolve(host: str, port: int, *, timeout: float | None) -> list[Any]:
    """The addresses of a name, as :func:`socket.getaddrinfo` gives them, which has no timeout itself.

    :param timeout: seconds; ``None`` for no limit
    :raises TimeoutError: no server for names answered in time
    :raises OSError: the name has no address
    """
    found: list[list[Any] | Exception] = []

    def resolve() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(timeout)
    if not found:
        raise TimeoutError
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def _set_options(connection: socket.socket, *, timeout: float | None) -> None:
    connection.settimeout(timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The server closed it already.
        return
