"""Which addresses may be connected to, and for how long."""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from airflow_provider_videoretalk.dashscope.errors import InputError

# Of one name; each may cost a whole connect timeout.
_ADDRESSES = 3

# What a server may have sent ahead of a client that reads no further. Grows to megabytes where it is not set.
_WINDOW_BYTES = 256 * 1024

# IANA: all IPv6 unicast addresses that are given out, and the prefix of RFC 6052 that carries an IPv4 address.
_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet: not private, loopback, link-local, shared, multicast or
    reserved. An IPv6 address that stands for an IPv4 one is judged by that.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        carried = _carried(ip)
        if carried is None:
            return ip in _UNICAST_V6 and ip.is_global
        ip = carried
    return ip.is_global and not ip.is_multicast


def _carried(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


class PeerAdapter(HTTPAdapter):
    """A transport for ``requests`` that judges each address it connects to, before a byte is sent there.

    So neither a redirect nor a name that resolves to something else the second time leads into a private network.
    Behind a proxy the peer is the proxy, which was configured on this machine and is not judged; what lies behind it
    is the proxy's to decide.

    :param field: what is fetched, for messages
    :param allow_private: judge nothing
    """

    def __init__(self, *, field: str, allow_private: bool) -> None:
        self._field = field
        self._allow_private = allow_private
        self._lines: list[socket.socket] = []
        self._lock = threading.Lock()
        self.expired = False
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools(judged=not self._allow_private)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        # SOCKS has pools of its own, which speak its protocol.
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools(judged=False)
        return manager

    def judge(self, host: str, address: str) -> None:
        """Returns for an address that may be connected to.

        :raises InputError: it is not a public one
        """
        if not self._allow_private and not is_public(address):
            raise InputError(
                f"{self._field} leads to {host}, which has the address {address}, allowed are public addresses",
                code="InvalidURL",
                remedy="The service can't reach a private network; give a URL that is public, or allow private ones.",
            )

    def cut(self) -> None:
        """Ends every connection, whatever it waits for. May be called from another thread."""
        with self._lock:
            self.expired = True
            for line in self._lines:
                _hang_up(line)

    def close(self) -> None:
        super().close()
        with self._lock:
            for line in self._lines:
                line.close()
            self._lines.clear()

    def connect(self, host: str, port: int, *, timeout: float | None, judged: bool) -> socket.socket:
        """A connection to one of the addresses of ``host``.

        :raises InputError: an address is not public
        :raises OSError: none can be reached
        """
        failure = OSError("no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[:_ADDRESSES]:
            if judged:
                self.judge(host, str(address[0]))
            line = socket.socket(family, kind, protocol)
            try:
                line.settimeout(timeout)
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW_BYTES)
                line.connect(address)
                if judged:
                    self.judge(host, line.getpeername()[0])
                self._remember(line)
            except OSError as error:
                line.close()
                failure = error
            except InputError:
                line.close()
                raise
            else:
                return line
        raise failure

    def _remember(self, line: socket.socket) -> None:
        with self._lock:
            if self.expired:
                raise TimeoutError
            # A second handle of the same connection, since TLS takes the first one away.
            self._lines.append(line.dup())

    def _pools(self, *, judged: bool) -> dict[str, type[HTTPConnectionPool]]:
        adapter = self

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return adapter.connect(self._dns_host, self.port, timeout=_seconds(self.timeout), judged=judged)

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return adapter.connect(self._dns_host, self.port, timeout=_seconds(self.timeout), judged=judged)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        return {"http": PlainPool, "https": SecurePool}


def _seconds(timeout: Any) -> float | None:
    return float(timeout) if isinstance(timeout, int | float) else None


def _hang_up(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The other side was faster.
        return
