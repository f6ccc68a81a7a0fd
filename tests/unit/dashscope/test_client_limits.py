"""Size, time, TLS trust and proxies: both clients give the same answer, and know what was not sent."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from clients import Send
from pytest_httpserver import HTTPServer
from raw_server import Serve, copy, read_request, server

from airflow_provider_videoretalk import optional_dependencies
from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import get_task, submit_task

pytestmark = pytest.mark.usefixtures("plain_environment")

SUBMIT = submit_task(path="services/x", model="m", inputs={}, parameters={})
RUNNING = {"output": {"task_id": "t1", "task_status": "RUNNING"}}


def endpoint_at(port: int, **options: Any) -> Endpoint:
    return Endpoint(api_key="sk-1", base_url=f"http://127.0.0.1:{port}", **options)


def repeated(first: bytes, then: bytes, *, pause: threading.Event | None = None) -> Serve:
    """Answers with ``first``, and then with ``then`` again and again."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(first)
        while True:
            connection.sendall(then)
            (pause or threading.Event()).wait(0.02 if pause else 0)

    return serve


@pytest.mark.parametrize("request_", [SUBMIT, get_task("t1")], ids=["submit", "query"])
def test_an_endless_reply_is_cut_off(send: Send, request_: Request[Any]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        server(repeated(head, b"10000\r\n" + b" " * 65536 + b"\r\n")) as port,
        pytest.raises(errors.DashScopeError) as e,
    ):
        send(endpoint_at(port), request_)
    assert "larger than 4,194,304 bytes" in str(e.value)
    assert isinstance(e.value, errors.OutcomeUnknownError) is request_.creates


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-gzip"])
def test_a_compressed_reply_is_limited_by_what_it_expands_to(httpserver: HTTPServer, send: Send, encoding: str) -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_data(bomb, headers={"Content-Encoding": encoding})
    with pytest.raises(errors.TransportError, match="larger than"):
        send(Endpoint(api_key="sk-1", base_url=httpserver.url_for("/")), get_task("t1"))


def test_a_compressed_reply_is_read(httpserver: HTTPServer, send: Send) -> None:
    content = gzip.compress(json.dumps(RUNNING).encode())
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_data(content, headers={"Content-Encoding": "gzip"})
    assert send(Endpoint(api_key="sk-1", base_url=httpserver.url_for("/")), get_task("t1")).status == "RUNNING"


@pytest.mark.parametrize(
    ("encoding", "content"), [("br", b"x"), ("gzip", b"no gzip"), ("gzip", gzip.compress(b"{}", mtime=0)[:-9])]
)
def test_an_unreadable_encoding_is_no_usable_reply(
    httpserver: HTTPServer, send: Send, encoding: str, content: bytes
) -> None:
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_data(content, headers={"Content-Encoding": encoding})
    with pytest.raises(errors.DashScopeError) as raised:
        send(Endpoint(api_key="sk-1", base_url=httpserver.url_for("/")), get_task("t1"))
    assert raised.value.retryable


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "header", "interim replies"],
)
def test_a_dripping_reply_ends_in_time(send: Send, first: bytes, then: bytes) -> None:
    """Each byte arrives within the time-out between two bytes."""
    with server(repeated(first, then, pause=threading.Event())) as port, pytest.raises(errors.OutcomeUnknownError):
        send(endpoint_at(port), replace(SUBMIT, total_timeout=0.5))


def test_a_client_goes_on_after_a_time_out() -> None:
    replies: list[Serve] = []

    def serve(connection: socket.socket) -> None:
        replies.pop(0)(connection)

    def answer(connection: socket.socket) -> None:
        read_request(connection)
        content = json.dumps(RUNNING).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))

    with server(serve) as port, Client(endpoint_at(port)) as client:
        replies[:] = [repeated(b"HTTP/1.1 200 OK\r\nX: ", b"a", pause=threading.Event()), answer]
        with pytest.raises(errors.TransportError, match=r"it took more than 0\.3 s"):
            client.send(replace(get_task("t1"), total_timeout=0.3))
        assert client.send(get_task("t1")).status == "RUNNING"


# What a proxy does with a CONNECT.
REFUSALS = {
    "407": b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    "403": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    "502": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    "hang-up": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
}


@pytest.mark.parametrize("by", ["connection", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_what_a_proxy_refuses_was_not_sent(
    send: Send, refusal: bytes, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(connection: socket.socket) -> None:
        assert read_request(connection).startswith(b"CONNECT")
        connection.sendall(refusal)

    with server(serve) as port:
        proxy = f"http://user:secret@127.0.0.1:{port}"
        if by != "connection":
            monkeypatch.setenv(by, proxy)
        endpoint = Endpoint(
            api_key="sk-1", base_url="https://service.example", proxy=proxy if by == "connection" else None
        )
        with pytest.raises(errors.TransportError) as raised:
            send(endpoint, SUBMIT)
    assert raised.value.retryable
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("proxy", ["gopher://127.0.0.1:1", "http://", "http://[bad", "socks9://127.0.0.1:1"])
def test_an_unusable_proxy_is_said_before_anything_is_sent(send: Send, proxy: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="the proxy cannot be used"):
        send(Endpoint(api_key="sk-1", base_url="https://service.example", proxy=proxy), SUBMIT)


def test_a_missing_library_for_socks_is_named(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_dependencies, "is_installed", lambda _: False)
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1")
    with pytest.raises(errors.ConfigurationError, match=r"airflow-provider-videoretalk\[socks\]"):
        send(Endpoint(api_key="sk-1", base_url="https://service.example"), SUBMIT)


def socks_server(reached: list[str]) -> Serve:
    """A SOCKS5 proxy that leads every host to this machine. Notes the hosts that it was asked for."""

    def serve(connection: socket.socket) -> None:
        connection.recv(2 + connection.recv(2, socket.MSG_PEEK)[1])
        connection.sendall(b"\x05\x00")
        kind = connection.recv(4)[3]
        size = 4 if kind == 1 else connection.recv(1)[0]
        host = connection.recv(size)
        reached.append(socket.inet_ntoa(host) if kind == 1 else host.decode())
        port = int.from_bytes(connection.recv(2), "big")
        connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
        with socket.create_connection(("127.0.0.1", port)) as onward:
            pipe = threading.Thread(target=copy, args=[connection, onward], daemon=True)
            pipe.start()
            copy(onward, connection)

    return serve


@pytest.mark.parametrize("by", ["connection", "ALL_PROXY"])
def test_socks(httpserver: HTTPServer, send: Send, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    httpserver.expect_request("/api/v1/tasks/t1").respond_with_json(RUNNING)
    reached: list[str] = []
    with server(socks_server(reached)) as port:
        proxy = f"socks5h://127.0.0.1:{port}"
        if by == "ALL_PROXY":
            monkeypatch.setenv("ALL_PROXY", proxy)
        endpoint = Endpoint(
            api_key="sk-1",
            base_url=f"http://service.example:{httpserver.port}",
            proxy=proxy if by == "connection" else None,
        )
        assert send(endpoint, get_task("t1")).status == "RUNNING"
    assert reached == ["service.example"]


@pytest.mark.parametrize(
    ("extra", "variables", "works"),
    [
        (True, {}, False),
        ("ca", {}, True),
        (False, {}, True),
        *((True, {variable: "ca"}, True) for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")),
        *((True, {variable: "other"}, False) for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")),
        # The first that is set decides.
        ("other", {"REQUESTS_CA_BUNDLE": "ca"}, False),
        ("ca", {"REQUESTS_CA_BUNDLE": "other"}, True),
        (True, {"REQUESTS_CA_BUNDLE": "other", "SSL_CERT_FILE": "ca"}, False),
        (True, {"REQUESTS_CA_BUNDLE": "ca", "SSL_CERT_FILE": "other"}, True),
        (False, {"REQUESTS_CA_BUNDLE": "other"}, True),
    ],
)
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_tls_trust(
    tls_server: HTTPServer,
    trusted: str,
    send: Send,
    extra: bool | str,
    variables: dict[str, str],
    works: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    paths = {"ca": trusted, "other": str(other)}
    for variable, name in variables.items():
        monkeypatch.setenv(variable, paths[name])
    verify = paths[extra] if isinstance(extra, str) else extra
    endpoint = Endpoint(api_key="sk-1", base_url=tls_server.url_for("/"), verify=verify)
    if works:
        assert send(endpoint, get_task("t1")).status == "RUNNING"
        return
    with pytest.raises(errors.TransportError, match="the TLS certificate is not trusted"):
        send(endpoint, replace(SUBMIT))


@pytest.mark.parametrize("content", [None, b"", b"no PEM"])
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_unusable_bundle_is_said_before_anything_is_sent(
    send: Send, content: bytes | None, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(variable, str(path))
    with pytest.raises(
        errors.ConfigurationError, match=f"ca.pem.* of the environment variable {variable} cannot be read"
    ):
        send(Endpoint(api_key="sk-1", base_url="https://127.0.0.1:1"), SUBMIT)
