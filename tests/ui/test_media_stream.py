"""Which media Airflow fetches for a browser, and from which addresses."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from fastapi.testclient import TestClient
from pytest_httpserver import HTTPServer
from range_server import RangeServer
from video_rows import Row
from werkzeug import Request, Response

from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.outbound.host_access import HostAccess
from airflow_provider_videoretalk.ui.media_stream import MediaStream, open_first_available
from airflow_provider_videoretalk.ui.playable_media import WebMedium

DAG = "videoretalk_quickstart"
CONTENT = bytes(range(256)) * 4096

Runs = Callable[..., None]
Login = Callable[..., TestClient]


@pytest.fixture
def origin() -> Iterator[RangeServer]:
    """A server whose private address is allowed."""
    with RangeServer() as running:
        yield running


def opened(url: str, origin: RangeServer) -> MediaStream:
    medium = WebMedium(url=url, content_type="video/mp4")
    return open_first_available(
        [medium], range_header=None, access=lambda url: HostAccess(allow_private=url.startswith(origin.url("/")))
    )


def test_the_body_of_a_redirect_is_not_read(origin: RangeServer) -> None:
    origin.redirect_without_end("/a", "/b")
    origin.add("/b", CONTENT, Content_Type="video/mp4")
    with closing(opened(origin.url("/a"), origin)) as stream:
        assert b"".join(stream.chunks) == CONTENT
    assert origin.sent < 20_000_000


def test_the_redirect_of_an_allowed_host_is_judged(origin: RangeServer) -> None:
    with RangeServer("127.0.0.2") as inside:
        url = origin.redirect("/a", inside.add("/metadata", CONTENT, Content_Type="video/mp4"))
        with pytest.raises(DashScopeError, match=r"no public address"):
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
def test_no_database_connection_is_held_during_requests_to_others(
    address: str, runs: Runs, login: Login, service: HTTPServer
) -> None:
    from airflow.utils.session import create_session
    from sqlalchemy import event

    with create_session(scoped=False) as session:
        engine = session.get_bind()
    path = f"dags/{DAG}/runs/one/tasks/retalk/-1/"
    taken: list[str] = []
    kept: list[int] = []

    def answer(request: Request) -> Response:
        kept.append(len(taken))
        return Response(CONTENT, content_type="video/mp4")

    service.expect_request(re.compile(".*")).respond_with_handler(answer)
    fields = {"video_url": service.url_for("/source.mp4")}
    runs(DAG, one=[Row(task_id="retalk", state="deferred", xcoms={"dashscope_task_id": address}, fields=fields)])
    client = login(DAG)
    listeners = {"checkout": lambda *_: taken.append(""), "checkin": lambda *_: taken.pop()}
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    try:
        client.get(f"/videoretalk/{'' if address == 'queue' else path}{address}")
    finally:
        for name, listener in listeners.items():
            event.remove(engine, name, listener)
    assert kept
    assert set(kept) == {0}


def test_a_slow_stream_is_aborted(origin: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    origin.add("/a", CONTENT, Content_Type="video/mp4")
    stream = opened(origin.url("/a"), origin)
    clock = itertools.count(0, 40)
    monkeypatch.setattr("airflow_provider_videoretalk.ui.media_stream.monotonic", lambda: next(clock))
    monkeypatch.setattr("airflow_provider_videoretalk.ui.media_stream._CHUNK_BYTES", 1)
    with closing(stream), pytest.raises(DashScopeError, match="too slowly"):
        list(stream.chunks)
