"""What Airflow fetches for a browser, and from where."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

import pytest
from anyio import fail_after, run, to_thread
from fastapi.testclient import TestClient
from pytest_httpserver import HTTPServer
from range_server import RangeServer
from video_rows import Row
from werkzeug import Request, Response

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.ui.media import WebMedium
from airflow_provider_videoretalk.ui.service import account_now
from airflow_provider_videoretalk.ui.stream import Stream, open_first

DAG = "videoretalk_quickstart"
CONTENT = bytes(range(256)) * 4096

Runs = Callable[..., None]
Login = Callable[..., TestClient]


@pytest.fixture
def origin() -> Iterator[RangeServer]:
    """One that ``is_ours``."""
    with RangeServer() as running:
        yield running


def opened(url: str, origin: RangeServer) -> Stream:
    medium = WebMedium(url=url, content_type="video/mp4")
    return open_first([medium], asked=None, is_ours=lambda one: one.startswith(origin.url("/")))


def test_the_body_of_a_redirect_is_not_read(origin: RangeServer) -> None:
    origin.redirect_without_end("/a", "/b")
    origin.add("/b", CONTENT, Content_Type="video/mp4")
    assert b"".join(opened(origin.url("/a"), origin).chunks) == CONTENT
    assert origin.sent < 20_000_000


def test_what_our_host_redirects_to_is_judged(origin: RangeServer) -> None:
    with RangeServer("127.0.0.2") as inside:
        url = origin.redirect("/a", inside.add("/metadata", CONTENT, Content_Type="video/mp4"))
        with pytest.raises(DashScopeError, match=r"address 127\.0\.0\.2"):
            opened(url, origin)
        assert not inside.asked


def test_a_proxy_is_not_asked_for_a_private_address(origin: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", origin.url(""))
    origin.add("/a", CONTENT, Content_Type="video/mp4")
    with pytest.raises(DashScopeError, match="allowed are public addresses"):
        opened("http://169.254.169.254/a", origin)
    assert not origin.asked


@pytest.mark.parametrize("address", ["status", "media/source", "queue"])
def test_no_connection_to_the_database_is_kept_while_somebody_else_is_asked(
    address: str, runs: Runs, login: Login, service: HTTPServer
) -> None:
    from airflow.utils.session import create_session
    from sqlalchemy import event

    with create_session(scoped=False) as session:
        engine = session.get_bind()
    place = f"dags/{DAG}/runs/one/tasks/retalk/-1/"
    taken: list[str] = []
    kept: list[int] = []

    def answer(request: Request) -> Response:
        kept.append(len(taken))
        return Response(CONTENT, content_type="video/mp4")

    service.expect_request(re.compile(".*")).respond_with_handler(answer)
    fields = {"video_url": service.url_for("/source.mp4")}
    runs(DAG, one=[Row(task_id="retalk", state="deferred", told={"dashscope_task_id": address}, fields=fields)])
    client = login(DAG)
    account_now.cache.clear()
    listeners = {"checkout": lambda *_: taken.append(""), "checkin": lambda *_: taken.pop()}
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    try:
        client.get(f"/videoretalk/{'' if address == 'queue' else place}{address}")
    finally:
        for name, listener in listeners.items():
            event.remove(engine, name, listener)
    assert kept
    assert set(kept) == {0}


def test_a_stream_needs_none_of_the_threads_that_pages_share(origin: RangeServer) -> None:
    origin.add("/a", CONTENT, Content_Type="video/mp4")
    stream = opened(origin.url("/a"), origin)

    async def drained() -> bytes:
        shared = to_thread.current_default_thread_limiter()
        shared.total_tokens = 1
        async with shared:
            with fail_after(10):
                return b"".join([chunk async for chunk in stream.drain()])

    assert run(drained) == CONTENT


def test_a_stream_that_drips_is_given_up(origin: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    origin.add("/a", CONTENT, Content_Type="video/mp4")
    stream = opened(origin.url("/a"), origin)
    clock = itertools.count(0, 40)
    monkeypatch.setattr("airflow_provider_videoretalk.ui.stream.monotonic", lambda: next(clock))
    monkeypatch.setattr("airflow_provider_videoretalk.ui.stream._CHUNK_BYTES", 1)
    with pytest.raises(DashScopeError, match="too slowly"):
        list(stream.chunks)
