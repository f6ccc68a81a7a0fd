"""Names the cause of a network failure in plain words, the same for requests, urllib3, aiohttp and plain sockets."""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Iterator

# The libraries' own classes are recognised by name, so that this file loads neither requests nor aiohttp.
_PROXY = frozenset({"ProxyError", "ClientProxyConnectionError", "ClientHttpProxyError"})
_NAME = frozenset({"gaierror", "NameResolutionError", "ClientConnectorDNSError"})
_HOST_MISMATCH = frozenset({"CertificateError"})
_CONNECT_TIMEOUT = frozenset({"ConnectTimeout", "ConnectTimeoutError", "ConnectionTimeoutError"})
_READ_TIMEOUT = frozenset({"ReadTimeout", "ReadTimeoutError", "SocketTimeoutError", "ServerTimeoutError"})
_TIMEOUT = frozenset({"Timeout", "TimeoutError"})
_CLOSED = frozenset(
    {
        "BrokenPipeError",
        "ClientPayloadError",
        "ConnectionAbortedError",
        "ConnectionResetError",
        "IncompleteRead",
        "SSLEOFError",
        "SSLZeroReturnError",
        "ServerDisconnectedError",
    }
)

_CLOSED_NUMBERS = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)
_UNREACHABLE_NUMBERS = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)

_LINKS = ("__cause__", "reason", "original_error", "os_error", "certificate_error")
_SECONDS = re.compile(r"timeout=(\d+(?:\.\d+)?)\)")
_TUNNEL_STATUS = re.compile(r"Tunnel connection failed: (\d{3})\b")


def describe_failure(error: BaseException) -> str:
    """The cause of a failed request or connection, as a clause without a full stop.

    One of these causes, else the name of the error's class:

    - the name cannot be resolved
    - the connection was refused
    - the network of the host cannot be reached
    - the TLS certificate is not trusted, with the reason, or another failure of TLS
    - a time-out while connecting or while reading the reply
    - the proxy failed, with one of these causes or the HTTP status of its refusal
    - the connection was closed early

    The text may name a host. It never holds a URL, user info or other text of the error, since those may hold a
    signature or a key.

    :param error: of requests, urllib3, aiohttp, ``ssl`` or ``socket``, with the errors that it wraps
    """
    chain = list(_chain(error))
    proxy_error = next((link for link in chain if _class_names(link) & _PROXY), None)
    if proxy_error is not None:
        return _proxy_failure(proxy_error, chain)
    return _cause(chain) or type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it wraps, from the outside to the inside, each once."""
    waiting, seen = [error], set()
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner = [*link.args, *(getattr(link, name, None) for name in _LINKS)]
        waiting += [one for one in inner if isinstance(one, BaseException)]


def _class_names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _texts(chain: list[BaseException]) -> Iterator[str]:
    return (text for link in chain for text in link.args if isinstance(text, str))


def _proxy_failure(proxy_error: BaseException, chain: list[BaseException]) -> str:
    refusals = (_TUNNEL_STATUS.search(text) for text in _texts(chain))
    status = getattr(proxy_error, "status", None) or next((found[1] for found in refusals if found), None)
    if status is not None:
        return f"the proxy refused the connection with HTTP {status}"
    cause = _cause(chain)
    return f"the proxy failed: {cause}" if cause else "the proxy failed"


def _cause(chain: list[BaseException]) -> str | None:
    # NewConnectionError is any failure to connect, although urllib3 derives it from its time-outs.
    kinds = [_class_names(link) for link in chain]
    names = set[str]().union(*(kind for kind in kinds if "NewConnectionError" not in kind or kind & _NAME))
    numbers = {link.errno for link in chain if isinstance(link, OSError) and not isinstance(link, ssl.SSLError)}
    if names & _NAME:
        host = _host(chain)
        return f"the name {host} cannot be resolved" if host else "the host name cannot be resolved"
    if "ConnectionRefusedError" in names or errno.ECONNREFUSED in numbers:
        return "the connection was refused"
    if numbers.intersection(_UNREACHABLE_NUMBERS):
        return "the network of the host cannot be reached"
    if found := _tls_failure(chain, names) or _timeout(chain, names, numbers):
        return found
    closed = names & _CLOSED or numbers.intersection(_CLOSED_NUMBERS)
    return "the connection was closed early" if closed else None


def _host(chain: list[BaseException]) -> str | None:
    for link in chain:
        for holder in (link, getattr(link, "conn", None)):
            host = getattr(holder, "host", None)
            if isinstance(host, str) and host:
                return host
    return None


def _tls_failure(chain: list[BaseException], names: set[str]) -> str | None:
    errors = [link for link in chain if isinstance(link, ssl.SSLError)]
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in errors):
        reasons = (getattr(link, "verify_message", None) for link in errors)
        return f"the TLS certificate is not trusted: {next(filter(None, reasons), 'verification failed').rstrip('.')}"
    if names & _HOST_MISMATCH:
        return "the TLS certificate is not trusted: it does not match the host name"
    if not errors or any(isinstance(link, ssl.SSLEOFError | ssl.SSLZeroReturnError) for link in errors):
        return None
    reason = next(filter(None, (getattr(link, "reason", None) for link in errors)), "no reason given")
    return f"the TLS connection failed: {reason}"


def _timeout(chain: list[BaseException], names: set[str], numbers: set[int | None]) -> str | None:
    found = next((match for text in _texts(chain) if (match := _SECONDS.search(text))), None)
    after = f" after {float(found[1]):g} s" if found else ""
    if names & _CONNECT_TIMEOUT or errno.ETIMEDOUT in numbers:
        return f"connecting timed out{after}"
    if names & _READ_TIMEOUT:
        return f"reading the reply timed out{after}"
    return f"timed out{after}" if names & _TIMEOUT else None
