"""Proxies over TLS, and NO_PROXY: both clients give the same answer in each cell."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import trustme
from clients import Send
from pytest_httpserver import HTTPServer
from raw_server import Serve, copy, read_request, server

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.task import get_task, submit_task

pytestmark = pytest.mark.usefixtures("plain_environment")

SUBMIT = submit_task(path="services/x", model="m", inputs={}, parameters={})
RUNNING = {"output": {"task_id": "t1", "task_status": "RUNNING"}}


def http_proxy(reached: list[str]) -> Serve:
    """A proxy that leads every host to this machine, by CONNECT or by forwarding. Notes what it was asked for."""

    def serve(connection: socket.socket) -> None:
        head = read_request(connection)
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        reached.append(target)
        host = target if method == "CONNECT" else urlsplit(target).netloc
        with socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2]))) as onward:
            if method == "CONNECT":
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                # As the HTTP server of these tests closes no connection itself, this one is for one request.
                onward.sendall(head.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1))
            pipe = threading.Thread(target=copy, args=[connection, onward], daemon=True)
            pipe.start()
            copy(onward, connection)

    return serve


def over_tls(authority: trustme.CA, serve: Serve) -> Serve:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    def serve_encrypted(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as encrypted:
            serve(encrypted)

    return serve_encrypted


NEEDS_3_11 = pytest.mark.xfail(
    sys.version_info < (3, 11), raises=errors.ConfigurationError, reason="asyncio has no TLS within TLS", strict=True
)


@pytest.mark.parametrize("by", ["connection", "environment"])
@pytest.mark.parametrize("service", ["http", pytest.param("https", marks=NEEDS_3_11)])
@pytest.mark.parametrize("trust", ["connection", "REQUESTS_CA_BUNDLE", "nothing"])
def test_an_https_proxy(
    httpserver: HTTPServer,
    tls_server: HTTPServer,
    authority: trustme.CA,
    trusted: str,
    send: Send,
    by: str,
    service: str,
    trust: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its certificate is judged as the service's is."""
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(RUNNING)
    monkeypatch.setenv("NO_PROXY", "")
    if trust == "REQUESTS_CA_BUNDLE":
        monkeypatch.setenv(trust, trusted)
    port = (tls_server if service == "https" else httpserver).port
    reached: list[str] = []
    with server(over_tls(authority, http_proxy(reached))) as proxy_port:
        proxy = f"https://localhost:{proxy_port}"
        if by == "environment":
            monkeypatch.setenv(f"{service.upper()}_PROXY", proxy)
        endpoint = Endpoint(
            api_key="sk-1",
            base_url=f"{service}://localhost:{port}",
            proxy=proxy if by == "connection" else None,
            verify=trusted if trust == "connection" else True,
        )
        if trust == "nothing":
            with pytest.raises(errors.TransportError, match="the TLS certificate is not trusted") as raised:
                send(endpoint, SUBMIT)
            assert not isinstance(raised.value, errors.OutcomeUnknownError)
            assert reached == []
            return
        assert send(endpoint, get_task("t1")).status == "RUNNING"
    assert [f"localhost:{port}" in target for target in reached] == [True]


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("", False),
        ("localhost", True),
        ("other.example,localhost", True),
        ("*", True),
        ("other.example", False),
        ("ocalhost.example", False),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    ("scheme", "proxies"), [("http", "HTTP_PROXY"), ("http", "ALL_PROXY"), ("https", "HTTPS_PROXY")]
)
def test_no_proxy(
    httpserver: HTTPServer,
    tls_server: HTTPServer,
    trusted: str,
    send: Send,
    scheme: str,
    proxies: str,
    variable: str,
    no_proxy: str,
    direct: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(RUNNING)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, no_proxy)
    port = (tls_server if scheme == "https" else httpserver).port
    reached: list[str] = []
    with server(http_proxy(reached)) as proxy_port:
        monkeypatch.setenv(proxies, f"http://127.0.0.1:{proxy_port}")
        endpoint = Endpoint(api_key="sk-1", base_url=f"{scheme}://localhost:{port}", verify=trusted)
        assert send(endpoint, get_task("t1")).status == "RUNNING"
    assert bool(reached) is not direct


def test_the_connections_proxy_is_used_whatever_no_proxy_says(
    httpserver: HTTPServer, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(RUNNING)
    monkeypatch.setenv("NO_PROXY", "*")
    reached: list[str] = []
    with server(http_proxy(reached)) as port:
        endpoint = Endpoint(
            api_key="sk-1", base_url=httpserver.url_for("/"), proxy=f"http://127.0.0.1:{port}", verify=True
        )
        assert send(endpoint, get_task("t1")).status == "RUNNING"
    assert len(reached) == 1
