"""Both clients send the same bytes and read replies alike: every test runs with each."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest
import requests
import trustme
from clients import Send, send_async, send_sync
from pytest_httpserver import HTTPServer
from werkzeug import Request as Received
from werkzeug import Response

from airflow_provider_videoretalk.dashscope import errors
from airflow_provider_videoretalk.dashscope.async_client import AsyncClient
from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.rate_limiter import RateLimiter
from airflow_provider_videoretalk.dashscope.request import MAYBE_CREATED, NOTHING_CREATED, Reply
from airflow_provider_videoretalk.dashscope.task import cancel_task, get_task, submit_task
from airflow_provider_videoretalk.dashscope.task_list import list_tasks
from airflow_provider_videoretalk.dashscope.temporary_storage import UploadPolicy, store_file

KEY = "sk-secret"


@pytest.fixture
def endpoint(httpserver: HTTPServer) -> Endpoint:
    return Endpoint(
        api_key=KEY, base_url=httpserver.url_for("/qwen/api/v1/"), workspace="ws-1", queries_per_second=1000
    )


SUBMIT = submit_task(
    path="services/aigc/image2video/video-synthesis",
    model="videoretalk",
    inputs={"video_url": "oss://dashscope-instant/a.mp4"},
    parameters={},
)


@pytest.fixture
def received() -> list[bytes]:
    """What the silent server got, one entry for each connection."""
    return []


@pytest.fixture
def silent_server(received: list[bytes]) -> Iterator[Callable[[bytes], str]]:
    """Makes a server that reads a request, answers the given bytes, and hangs up."""
    sockets = []

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    received.append(peer.recv(65536))
                    peer.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"

    yield start
    for listener in sockets:
        listener.close()


def test_submit_says_everything_the_service_wants(httpserver: HTTPServer, endpoint: Endpoint, send: Send) -> None:
    received: list[Received] = []

    def answer(request: Received) -> Response:
        received.append(request)
        body = {"output": {"task_id": "t1", "task_status": "PENDING"}, "request_id": "r1"}
        return Response(json.dumps(body), content_type="application/json")

    httpserver.expect_request(
        "/qwen/api/v1/services/aigc/image2video/video-synthesis", method="POST"
    ).respond_with_handler(answer)
    submission = send(endpoint, SUBMIT)
    assert (submission.task_id, submission.request_id, submission.status) == ("t1", "r1", "PENDING")
    headers = received[0].headers
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["X-DashScope-Async"] == "enable"
    assert headers["X-DashScope-WorkSpace"] == "ws-1"
    assert headers["X-DashScope-OssResourceResolve"] == "enable"
    assert received[0].get_json() == {
        "model": "videoretalk",
        "input": {"video_url": "oss://dashscope-instant/a.mp4"},
        "parameters": {},
    }


def test_queries_are_percent_encoded(httpserver: HTTPServer, endpoint: Endpoint, send: Send) -> None:
    httpserver.expect_request("/qwen/api/v1/tasks", query_string={"page_no": "1", "page_size": "5"}).respond_with_json(
        {"data": [], "total": 0}
    )
    assert send(endpoint, list_tasks(page_size=5)).rows == ()
    seen: list[str] = []

    def answer(request: Received) -> Response:
        seen.append(request.environ["RAW_URI" if "RAW_URI" in request.environ else "REQUEST_URI"])
        return Response('{"request_id": "c"}', content_type="application/json")

    httpserver.expect_request("/qwen/api/v1/tasks/a/../b c/cancel", method="POST").respond_with_handler(answer)
    assert send(endpoint, cancel_task("a/../b c")) is None
    assert seen == ["/qwen/api/v1/tasks/a%2F..%2Fb%20c/cancel"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "lost"),
    [
        (200, "<html>gateway</html>", errors.TransportError, True),
        (200, "", errors.TransportError, True),
        (200, '{"output": {"task_id"', errors.TransportError, True),
        (200, "[]", errors.TransportError, True),
        (200, '{"output": {}, "request_id": "x"}', errors.TransportError, True),
        (200, '{"code": "InternalError", "message": "m", "request_id": "x"}', errors.ServerError, True),
        (200, '{"code": "InvalidParameter", "message": "m"}', errors.RequestError, True),
        (200, '{"code": "Throttling", "message": "m"}', errors.ThrottledError, True),
        (400, '{"code": "InvalidParameter", "output": {"task_id": "t1"}}', errors.RequestError, True),
        (409, '{"code": "Conflict", "message": "m"}', errors.RequestError, True),
        (409, "<html>gateway</html>", errors.TransportError, True),
        (425, '{"message": "m"}', errors.RequestError, True),
        (460, '{"message": "not in any table"}', errors.RequestError, True),
        (302, "", errors.RequestError, False),
        (400, '{"code": "InvalidParameter", "message": "m"}', errors.RequestError, False),
        (403, "<html>firewall</html>", errors.AccessError, False),
        (404, "not found", errors.RequestError, False),
        (408, "", errors.TransportError, True),
        (429, '{"code": "Throttling.RateQuota", "message": "m"}', errors.ThrottledError, False),
        (499, "", errors.TransportError, True),
        (500, '{"code": "InternalError", "message": "m"}', errors.ServerError, True),
        (502, "<html>bad gateway</html>", errors.TransportError, True),
        (504, '{"message": "m"}', errors.ServerError, True),
        (408, '{"code": "InvalidParameter"}', errors.RequestError, True),
        (499, '{"code": "InvalidParameter"}', errors.RequestError, True),
        (502, '{"code": "InvalidParameter"}', errors.RequestError, True),
        (503, '{"code": "Throttling"}', errors.ThrottledError, True),
    ],
)
def test_replies_that_are_no_success(
    httpserver: HTTPServer,
    endpoint: Endpoint,
    send: Send,
    status: int,
    body: str,
    kind: type[errors.DashScopeError],
    lost: bool,
) -> None:
    """A submit is known not to have happened only by a definite refusal."""
    headers = {"Location": "/elsewhere"} if status == 302 else {}
    httpserver.expect_request("/qwen/api/v1/tasks/t1").respond_with_data(body, status=status, headers=headers)
    with pytest.raises(kind) as read:
        send(endpoint, get_task("t1"))
    assert type(read.value) is kind
    httpserver.expect_request(f"/qwen/api/v1/{SUBMIT.path}").respond_with_data(body, status=status, headers=headers)
    with pytest.raises(errors.DashScopeError) as submitted:
        send(endpoint, SUBMIT)
    assert type(submitted.value) is (errors.OutcomeUnknownError if lost else kind)
    assert submitted.value.retryable is (not lost and read.value.retryable)


def test_each_status_of_a_client_error_is_decided() -> None:
    """With a reason; what nobody has defined proves nothing."""
    defined = {status.value for status in HTTPStatus if 400 <= status < 500} | {499}
    assert NOTHING_CREATED.keys() | MAYBE_CREATED.keys() == defined
    assert MAYBE_CREATED.keys() == {406, 408, 409, 412, 418, 423, 424, 425, 499}
    assert all(reason for table in (NOTHING_CREATED, MAYBE_CREATED) for reason in table.values())


def test_a_dropped_connection_leaves_a_submit_unknown(
    silent_server: Callable[[bytes], str], received: list[bytes], send: Send
) -> None:
    for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"):
        endpoint = Endpoint(api_key=KEY, base_url=silent_server(answer))
        with pytest.raises(errors.OutcomeUnknownError):
            send(endpoint, SUBMIT)
        assert len(received) == 1
        with pytest.raises(errors.TransportError):
            send(endpoint, get_task("t"))
        received.clear()


def test_a_refused_connection_sent_nothing(send: Send) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(errors.TransportError) as caught:
        send(Endpoint(api_key=KEY, base_url=f"http://127.0.0.1:{port}"), SUBMIT)
    assert caught.value.retryable
    assert KEY not in str(caught.value)


def test_a_host_without_address_sent_nothing(send: Send) -> None:
    with pytest.raises(errors.TransportError):
        send(Endpoint(api_key=KEY, base_url="http://no-such-host.invalid"), SUBMIT)


def test_a_bug_of_a_library_is_no_usable_reply(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not end the waits of all jobs on a triggerer."""
    for session in (requests.Session, aiohttp.ClientSession):
        monkeypatch.setattr(session, "request", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("closed")))
    with pytest.raises(errors.TransportError, match="got no reply: RuntimeError") as raised:
        send(Endpoint(api_key=KEY, base_url="http://127.0.0.1:1"), get_task("t1"))
    assert raised.value.retryable


def test_redirects_are_not_followed(httpserver: HTTPServer, endpoint: Endpoint, send: Send) -> None:
    httpserver.expect_request("/qwen/api/v1/tasks/t1").respond_with_data(
        "", status=302, headers={"Location": httpserver.url_for("/elsewhere")}
    )
    with pytest.raises(errors.RequestError, match="the endpoint redirects to another URL"):
        send(endpoint, get_task("t1"))
    assert [request.path for request, _ in httpserver.log] == ["/qwen/api/v1/tasks/t1"]


@pytest.mark.parametrize("status", [301, 303, 307, 308])
def test_a_redirected_submit_created_nothing(
    httpserver: HTTPServer, endpoint: Endpoint, send: Send, status: int
) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data("", status=status, headers={"Location": "/elsewhere"})
    with pytest.raises(errors.RequestError, match="the endpoint redirects to another URL"):
        send(endpoint, SUBMIT)
    assert len(httpserver.log) == 1


def test_a_netrc_entry_does_not_replace_the_key(
    httpserver: HTTPServer, endpoint: Endpoint, send: Send, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    body = {"output": {"task_id": "t1", "task_status": "PENDING"}}
    httpserver.expect_request("/qwen/api/v1/tasks/t1", headers={"Authorization": f"Bearer {KEY}"}).respond_with_json(
        body
    )
    assert send(endpoint, get_task("t1")).status == "PENDING"


def test_the_environments_proxy_is_used(httpserver: HTTPServer, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", httpserver.url_for("/"))
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    body = {"output": {"task_id": "t1", "task_status": "PENDING"}}
    httpserver.expect_request("/api/v1/tasks/t1", headers={"Host": "service.example"}).respond_with_json(body)
    assert send(Endpoint(api_key=KEY, base_url="http://service.example"), get_task("t1")).status == "PENDING"


def test_a_service_that_says_nothing_is_not_waited_for_for_ever(send: Send) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = Endpoint(api_key=KEY, base_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(errors.OutcomeUnknownError):
            send(endpoint, replace(SUBMIT, read_timeout=0.05))


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's context, and the CA bundle by which it is trusted."""
    authority, context, bundle = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tmp_path / "ca.pem"
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(bundle))
    return context, str(bundle)


def test_an_untrusted_certificate_sent_nothing(send: Send, tls: tuple[ssl.SSLContext, str]) -> None:
    context, bundle = tls
    with HTTPServer(ssl_context=context) as server:
        body = {"request_id": "r", "output": {"task_id": "t1", "task_status": "PENDING"}}
        server.expect_request(f"/api/v1/{SUBMIT.path}").respond_with_json(body)
        untrusting = Endpoint(api_key=KEY, base_url=server.url_for("/"))
        with pytest.raises(errors.TransportError):
            send(untrusting, SUBMIT)
        assert not server.log
        assert send(replace(untrusting, verify=bundle), SUBMIT).task_id == "t1"


# Python 3.10's asyncio leaves a connection that broke so to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_reply_that_tls_can_not_read_leaves_a_submit_unknown(send: Send, tls: tuple[ssl.SSLContext, str]) -> None:
    """The request has arrived by then."""
    context, bundle = tls
    received = []

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True) as secured:
            received.append(secured.recv(65536))
            # A record that was encrypted by somebody else.
            with socket.socket(fileno=os.dup(secured.fileno())) as below:
                below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
                below.recv(1024)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer, args=(listener,))
        server.start()
        endpoint = Endpoint(api_key=KEY, base_url=f"https://localhost:{listener.getsockname()[1]}", verify=bundle)
        with pytest.raises(errors.OutcomeUnknownError):
            send(endpoint, SUBMIT)
        server.join()
    assert received[0].startswith(b"POST")


class CountingLimiter(RateLimiter):
    turns = 0

    def reserve(self) -> float:
        self.turns += 1
        return 0.01


def test_each_request_takes_a_turn(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/v1/tasks").respond_with_json({"data": []})
    endpoint, limiter = Endpoint(api_key=KEY, base_url=httpserver.url_for("/")), CountingLimiter(20)
    with Client(endpoint, rate_limiter=limiter) as client:
        client.send(list_tasks())
        client.send(list_tasks())

    async def send() -> None:
        async with AsyncClient(endpoint, rate_limiter=limiter) as client:
            await client.send(list_tasks())

    asyncio.run(send())
    assert limiter.turns == 3


@pytest.mark.parametrize("fails", [False, True])
def test_a_client_closes_its_sessions(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """A worker of Airflow may run for months."""
    httpserver.expect_request("/api/v1/tasks").respond_with_json({"data": []}, status=500 if fails else 200)
    endpoint, closed = Endpoint(api_key=KEY, base_url=httpserver.url_for("/api/v1")), list[object]()
    monkeypatch.setattr(requests.Session, "close", lambda session: closed.append(session))
    with suppress(errors.DashScopeError), Client(endpoint) as client:
        client.send(list_tasks())
        assert closed == []
    assert len(closed) == 1

    async def send() -> aiohttp.ClientSession | None:
        async with AsyncClient(endpoint) as client:
            session = client._session
            with suppress(errors.DashScopeError):
                await client.send(list_tasks())
        with pytest.raises(RuntimeError, match="outside"):
            await client.send(list_tasks())
        return session

    session = asyncio.run(send())
    assert session is not None
    assert session.closed


def test_an_upload_streams_to_another_host_without_the_key(
    httpserver: HTTPServer, endpoint: Endpoint, tmp_path: Path
) -> None:
    received: list[Received] = []

    def answer(request: Received) -> Response:
        received.append(request)
        assert request.files["file"].read() == content
        return Response("")

    content = b"\x00\r\n--" * 700_000
    path = tmp_path / "anchor.mp4"
    path.write_bytes(content)
    httpserver.expect_request("/bucket", method="POST").respond_with_handler(answer)
    policy = UploadPolicy(
        host=httpserver.url_for("/bucket"),
        directory="dir",
        fields={"policy": "p", "Signature": "s"},
        max_file_bytes=None,
    )
    url = send_sync(endpoint, store_file(policy, path))
    request = received[0]
    assert url == f"oss://{request.form['key']}"
    assert request.form["key"].startswith("dir/")
    assert request.form["key"].endswith(".mp4")
    assert (request.form["policy"], request.form["success_action_status"]) == ("p", "200")
    assert list(request.form)[-1] == "success_action_status"
    assert "Authorization" not in request.headers
    assert int(request.headers["Content-Length"]) > len(content)


def test_an_upload_that_is_refused(httpserver: HTTPServer, endpoint: Endpoint, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x" * 10)
    httpserver.expect_request("/bucket").respond_with_data(
        "<Error><Code>AccessDenied</Code><Message>Policy expired.</Message></Error>", status=403
    )
    policy = UploadPolicy(host=httpserver.url_for("/bucket"), directory="dir", fields={}, max_file_bytes=10)
    with pytest.raises(errors.RequestError) as caught:
        send_sync(endpoint, store_file(policy, path))
    assert caught.value.retryable
    path.write_bytes(b"x" * 11)
    with pytest.raises(errors.InputError, match=r"a\.wav has 11 bytes, the temporary storage allows at most 10"):
        store_file(policy, path)
    with pytest.raises(errors.InputError, match="is not a file"):
        store_file(policy, tmp_path / "none.wav")


def test_async_client_needs_its_block() -> None:
    async def run() -> None:
        await AsyncClient(Endpoint(api_key=KEY)).send(get_task("t"))

    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(run())


def test_how_long_a_request_may_take(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds for a connection. What of it a reply may take, the request says."""
    limits: list[object] = []

    def request(session: object, method: str, url: str, *, timeout: object, **_: object) -> None:
        limits.append(timeout)
        raise OSError("enough")

    monkeypatch.setattr(requests.Session, "request", request)
    monkeypatch.setattr(aiohttp.ClientSession, "request", request)
    for send in (send_sync, send_async):
        with pytest.raises(errors.TransportError):
            send(endpoint, replace(get_task("t1"), read_timeout=7.0, total_timeout=9.0))
    assert limits == [(10.0, 7.0), aiohttp.ClientTimeout(total=9.0, sock_connect=10.0, sock_read=7.0)]


@pytest.mark.parametrize("status", [300, 399])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", errors.RequestError),
        (b'{"code": "Moved", "message": "m"}', errors.RequestError),
        (b'{"output": {"task_id": "t1", "task_status": "PENDING"}}', errors.OutcomeUnknownError),
    ],
)
def test_a_redirect_created_nothing_unless_it_names_a_job(status: int, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        SUBMIT.read(Reply(status=status, headers={}, content=body))


def test_a_reply_of_an_unexpected_shape_keeps_its_request_id() -> None:
    request = replace(get_task("t1"), parse=lambda payload: payload["nothing"])
    with pytest.raises(errors.TransportError, match="unexpected shape") as caught:
        request.answer(Reply(status=200, headers={}, content=b'{"request_id": "r1"}'))
    assert (caught.value.status, caught.value.request_id) == (200, "r1")


def test_async_client_sends_nothing_to_another_host(httpserver: HTTPServer) -> None:
    """It would send the key with it."""
    request = replace(get_task("t"), path=httpserver.url_for("/a"))

    async def run() -> None:
        async with AsyncClient(Endpoint(api_key=KEY)) as client:
            await client.send(request)

    with pytest.raises(ValueError, match="reaches only"):
        asyncio.run(run())
    assert not httpserver.log
