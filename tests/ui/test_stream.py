"""What Airflow fetches for a browser, and from where."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from range_server import Handler, RangeServer

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.ui.media import WebMedium
from airflow_provider_videoretalk.ui.stream import Stream, open_first

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def server() -> Iterator[RangeServer]:
    """One that ``is_ours``."""
    with RangeServer() as running:
        yield running


def opened(url: str, server: RangeServer) -> Stream:
    medium = WebMedium(url=url, content_type="video/mp4")
    return open_first([medium], asked=None, is_ours=lambda one: one.startswith(server.url("/")))


def test_the_body_of_a_redirect_is_not_read(server: RangeServer) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/b")
        handler.end_headers()
        for _ in range(3000):
            handler.wfile.write(bytes(65536))
            server.sent += 65536

    server.answers["/a"] = endless
    server.add("/b", CONTENT, Content_Type="video/mp4")
    assert b"".join(opened(server.url("/a"), server).chunks) == CONTENT
    assert server.sent < 20_000_000


def test_what_our_host_redirects_to_is_judged(server: RangeServer) -> None:
    with RangeServer("127.0.0.2") as inside:
        url = server.redirect("/a", inside.add("/metadata", CONTENT, Content_Type="video/mp4"))
        with pytest.raises(DashScopeError, match=r"address 127\.0\.0\.2"):
            opened(url, server)
        assert not inside.asked


def test_a_proxy_is_not_asked_for_a_private_address(server: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url(""))
    server.add("/a", CONTENT, Content_Type="video/mp4")
    with pytest.raises(DashScopeError, match="allowed are public addresses"):
        opened("http://169.254.169.254/a", server)
    assert not server.asked
