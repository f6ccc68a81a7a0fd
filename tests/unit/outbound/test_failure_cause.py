"""Each cause of a network failure has its own words, with requests and aiohttp; they hold nothing of the URL."""

from __future__ import annotations

import asyncio
import errno
import http.client
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
import requests
import trustme
from range_server import RangeServer
from requests.adapters import HTTPAdapter

from airflow_provider_videoretalk.outbound.address_policy import AddressPolicy
from airflow_provider_videoretalk.outbound.failure_cause import describe_failure
from airflow_provider_videoretalk.outbound.http_transport import HttpTransport

SECRET = "s3cr3t"
QUERY = f"/clip.mp4?Signature={SECRET}"


def with_requests(
    url: str, *, proxy: str | None = None, timeout: tuple[float, float] = (2, 2), adapter: HTTPAdapter | None = None
) -> BaseException:
    with requests.Session() as session:
        for prefix in ("http://", "https://"):
            session.mount(prefix, adapter or HTTPAdapter())
        with pytest.raises(requests.RequestException) as caught:
            session.get(url, timeout=timeout, proxies={"http": proxy, "https": proxy} if proxy else None)
    return caught.value


def with_http_transport(url: str, *, proxy: str | None = None, **options: Any) -> BaseException:
    transport = HttpTransport(AddressPolicy(field="url", allow_private=True), proxy=proxy)
    return with_requests(url, adapter=transport, **options)


def with_aiohttp(url: str, *, proxy: str | None = None, timeout: tuple[float, float] = (2, 2)) -> BaseException:
    async def get() -> None:
        limits = aiohttp.ClientTimeout(sock_connect=timeout[0], sock_read=timeout[1])
        async with aiohttp.ClientSession() as session, session.get(url, proxy=proxy, timeout=limits) as response:
            await response.read()

    with pytest.raises((aiohttp.ClientError, asyncio.TimeoutError, OSError)) as caught:
        asyncio.run(get())
    return caught.value


every_client = pytest.mark.parametrize("failure_of", [with_requests, with_http_transport, with_aiohttp])


@contextmanager
def raw_server(reply: bytes | None, *, close: bool = True) -> Iterator[str]:
    """Answers each request with these bytes. ``None``: never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            held.append(line)
            line.recv(65536)
            if reply is not None:
                line.sendall(reply)
            if close:
                line.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for line in held:
            line.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def tls_server(*, host: str = "127.0.0.1") -> RangeServer:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert(host).configure_cert(context)
    return RangeServer(tls=context)


@every_client
def test_unresolvable_name(failure_of: Callable[..., BaseException]) -> None:
    error = failure_of(f"http://key:{SECRET}@no-such-host.invalid{QUERY}")
    assert describe_failure(error) == "the name no-such-host.invalid cannot be resolved"


@every_client
def test_closed_port(failure_of: Callable[..., BaseException]) -> None:
    error = failure_of(f"http://key:{SECRET}@127.0.0.1:{closed_port()}{QUERY}")
    assert describe_failure(error) == "the connection was refused"


@every_client
def test_closed_port_behind_several_addresses(
    failure_of: Callable[..., BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = closed_port()
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert describe_failure(failure_of(f"http://two.example:{port}{QUERY}")) == "the connection was refused"


@every_client
def test_certificate_of_an_unknown_authority(failure_of: Callable[..., BaseException]) -> None:
    with tls_server() as server:
        cause = describe_failure(failure_of(server.url(QUERY)))
    assert cause.startswith("the TLS certificate is not trusted: ")
    assert "certificate" in cause.partition(": ")[2]
    assert SECRET not in cause


@every_client
def test_tls_with_a_server_that_speaks_http(failure_of: Callable[..., BaseException]) -> None:
    with raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        cause = describe_failure(failure_of(url.replace("http", "https") + QUERY))
    assert cause.startswith("the TLS connection failed: ")
    assert SECRET not in cause


def test_certificate_of_another_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("other.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with RangeServer(tls=context) as server:
        cause = describe_failure(with_requests(server.url(QUERY)))
    assert cause.startswith("the TLS certificate is not trusted: ")
    assert "127.0.0.1" in cause


@pytest.mark.parametrize(
    ("failure_of", "cause"),
    [
        (with_requests, "reading the reply timed out after 0.2 s"),
        (with_http_transport, "reading the reply timed out after 0.2 s"),
        (with_aiohttp, "reading the reply timed out"),
    ],
)
def test_server_that_never_answers(failure_of: Callable[..., BaseException], cause: str) -> None:
    with raw_server(None, close=False) as url:
        assert describe_failure(failure_of(url + QUERY, timeout=(2, 0.2))) == cause


@pytest.mark.parametrize(
    ("failure_of", "cause"),
    [
        (with_requests, "connecting timed out after 0.2 s"),
        (with_http_transport, "connecting timed out after 0.2 s"),
        (with_aiohttp, "connecting timed out"),
    ],
)
def test_server_that_never_accepts(failure_of: Callable[..., BaseException], cause: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        # Linux completes one connection more than the backlog, and drops the rest.
        waiting = [socket.socket() for _ in range(4)]
        for line in waiting:
            line.setblocking(False)
            line.connect_ex(listener.getsockname())
        error = failure_of(f"http://127.0.0.1:{listener.getsockname()[1]}{QUERY}", timeout=(0.2, 2))
        for line in waiting:
            line.close()
    assert describe_failure(error) == cause


@every_client
@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"])
def test_connection_closed_early(failure_of: Callable[..., BaseException], reply: bytes) -> None:
    with raw_server(reply) as url:
        assert describe_failure(failure_of(url + QUERY)) == "the connection was closed early"


@every_client
def test_proxy_that_is_not_there(failure_of: Callable[..., BaseException]) -> None:
    proxy = f"http://user:{SECRET}@127.0.0.1:{closed_port()}"
    for scheme in ("http", "https"):
        error = failure_of(f"{scheme}://host.example{QUERY}", proxy=proxy)
        assert describe_failure(error) == "the proxy failed: the connection was refused"


@every_client
def test_proxy_with_an_unresolvable_name(failure_of: Callable[..., BaseException]) -> None:
    # aiohttp's error does not say that the host is the proxy.
    who = "" if failure_of is with_aiohttp else "the proxy failed: "
    error = failure_of(f"http://host.example{QUERY}", proxy=f"http://user:{SECRET}@no-such-proxy.invalid:3128")
    assert describe_failure(error) == f"{who}the name no-such-proxy.invalid cannot be resolved"


@every_client
def test_proxy_that_refuses_a_tunnel(failure_of: Callable[..., BaseException]) -> None:
    with raw_server(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as proxy:
        error = failure_of(f"https://host.example{QUERY}", proxy=proxy)
    assert describe_failure(error) == "the proxy refused the connection with HTTP 407"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "the host name cannot be resolved"),
        (OSError(errno.ENETUNREACH, "x"), "the network of the host cannot be reached"),
        (OSError(errno.EHOSTUNREACH, "x"), "the network of the host cannot be reached"),
        (OSError(errno.ETIMEDOUT, "x"), "connecting timed out"),
        (TimeoutError(SECRET), "timed out"),
        (asyncio.TimeoutError(), "timed out"),
        (BrokenPipeError(), "the connection was closed early"),
        (http.client.IncompleteRead(b""), "the connection was closed early"),
        (ssl.SSLEOFError(8, "x"), "the connection was closed early"),
        (requests.exceptions.InvalidURL(f"https://host{QUERY}"), "InvalidURL"),
        (OSError(errno.ENOSPC, SECRET), "OSError"),
        (ValueError(SECRET), "ValueError"),
    ],
)
def test_errors_by_themselves(error: BaseException, cause: str) -> None:
    assert describe_failure(error) == cause


def test_errors_that_wrap_each_other() -> None:
    error, other = ValueError(), ConnectionRefusedError()
    error.__cause__, other.__cause__ = other, error
    assert describe_failure(error) == "the connection was refused"


def test_loads_no_http_library() -> None:
    program = "import sys, airflow_provider_videoretalk.outbound.failure_cause; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert {"requests", "urllib3", "aiohttp"}.isdisjoint(done.stdout.split())
