"""A download resumes after every failure of its connections, and never mixes two objects."""

from __future__ import annotations

import socket
import threading
import traceback
from dataclasses import replace
from itertools import count, pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from faulty_origin import FaultyOrigin, Turn
from pytest_httpserver import HTTPServer
from werkzeug import Response

from airflow_provider_videoretalk.dashscope.errors import InputError, ResultExpiredError, TransportError
from airflow_provider_videoretalk.outbound import download as module
from airflow_provider_videoretalk.outbound.download import (
    CHUNK_BYTES,
    PROGRESS_BYTES,
    ChangedSourceError,
    Download,
    RetrySettings,
)
from airflow_provider_videoretalk.outbound.host_access import HostAccess, any_address

CONTENT = bytes(range(256)) * 400
OTHER = CONTENT[::-1]
# Longer than a busy machine takes for a reply, since only a stall is to run into it.
FAST_RETRY = RetrySettings(first_delay=0, read_timeout=1.5, connect_timeout=10)


def downloaded(origin: FaultyOrigin, *, delays: list[float] | None = None) -> tuple[bytes, Download]:
    with Download(
        origin.url, retry=FAST_RETRY, sleep=(delays if delays is not None else []).append, access=any_address
    ) as download:
        return b"".join(download), download


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_all_well(framing: str) -> None:
    with FaultyOrigin(CONTENT, sums=("md5", "crc64"), framing=framing) as origin:
        content, download = downloaded(origin)
    assert content == CONTENT
    assert download.resumed == 0
    assert (download.response_metadata.content_type, len(origin.requests)) == ("video/mp4", 1)
    assert b"Accept-Encoding: identity" in origin.requests[0]


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("kind", ["cut", "stall"])
@pytest.mark.parametrize("at", [1, 2, 70_000, 102_399])
def test_goes_on_where_it_was_interrupted(kind: str, at: int, framing: str) -> None:
    script = [Turn(kind=kind, at=at), Turn(kind="refuse"), Turn(kind="status", status=503)]
    with FaultyOrigin(CONTENT, script=script, framing=framing) as origin:
        content, download = downloaded(origin)
    assert content == CONTENT
    assert download.resumed == 1
    assert f"Range: bytes={at}-".encode() in origin.requests[-1]
    assert origin._etag(CONTENT).encode() in origin.requests[-1]


def test_begins_anew_while_nothing_was_passed_on() -> None:
    script = [Turn(kind="refuse"), Turn(kind="cut", at=0), Turn(kind="status", status=500), Turn(kind="swap")]
    with FaultyOrigin(OTHER, CONTENT, script=script, strong=None) as origin:
        content, download = downloaded(origin)
    assert (content, download.resumed) == (CONTENT, 0)


def test_by_its_date_where_the_etag_is_weak() -> None:
    with FaultyOrigin(CONTENT, script=[Turn(kind="cut", at=10)], strong=False) as origin:
        assert downloaded(origin)[0] == CONTENT
    assert b"If-Range: Sat, 21 Nov 2026" in origin.requests[1]


def test_a_server_that_gives_less_than_it_is_asked_for() -> None:
    script = [Turn(kind="cut", at=100), *(Turn(kind="window", at=30_000) for _ in range(3))]
    with FaultyOrigin(CONTENT, script=script, framing="chunked") as origin:
        assert downloaded(origin)[0] == CONTENT
    assert len(origin.requests) == 5


def test_a_server_that_is_not_there_yet() -> None:
    """No server listens until the third delay."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    delays: list[float] = []
    with FaultyOrigin(CONTENT) as origin:

        def arrive(seconds: float) -> None:
            delays.append(seconds)
            if len(delays) == 3:
                download._url = origin.url

        download = Download(f"http://127.0.0.1:{port}/out.mp4", retry=FAST_RETRY, sleep=arrive, access=any_address)
        with download:
            assert b"".join(download) == CONTENT
    assert len(delays) == 3


def test_gives_up_after_as_many_attempts_as_it_has() -> None:
    delays: list[float] = []
    with (
        FaultyOrigin(CONTENT, script=[Turn(kind="cut", at=2), *[Turn(kind="refuse")] * 20]) as origin,
        pytest.raises(TransportError, match=r"8 attempts in a row failed.*Nothing was published") as caught,
    ):
        downloaded(origin, delays=delays)
    assert (len(origin.requests), len(delays)) == (8, 7)
    assert "secret" not in str(caught.value)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_does_not_reveal_the_url_of_a_server_that_is_not_there() -> None:
    """The library's own error has the URL in its text."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/out.mp4?Signature=secret"
    download = Download(url, retry=FAST_RETRY, sleep=lambda _: None, access=any_address)
    with pytest.raises(TransportError, match="the last one: the connection was refused") as caught, download:
        pass
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_counts_anew_when_it_gets_on() -> None:
    content = bytes(PROGRESS_BYTES * 3 + 7)
    script = [turn for at in [PROGRESS_BYTES] * 3 for turn in [*[Turn(kind="refuse")] * 5, Turn(kind="cut", at=at)]]
    with FaultyOrigin(content, script=script) as origin:
        assert downloaded(origin)[0] == content
    assert len(origin.requests) == 19


def test_does_not_count_anew_for_a_few_bytes() -> None:
    with (
        FaultyOrigin(CONTENT, script=[Turn(kind="cut", at=10) for _ in range(50)]) as origin,
        pytest.raises(TransportError, match="8 attempts"),
    ):
        downloaded(origin)
    assert len(origin.requests) == 8


@pytest.mark.parametrize(
    "second",
    [
        Turn(kind="swap"),
        Turn(kind="whole", headers={"ETag": '"another"'}),
        Turn(kind="fine", headers={"x-oss-hash-crc64ecma": "7"}),
    ],
)
def test_notices_that_the_object_changed(second: Turn) -> None:
    with (
        FaultyOrigin(CONTENT, OTHER, script=[Turn(kind="cut", at=5_000), second], sums=("crc64",)) as origin,
        pytest.raises(ChangedSourceError, match="replaced during the download"),
    ):
        _pinned(origin, second)


def _pinned(origin: FaultyOrigin, turn: Turn) -> None:
    """Headers of a turn win over those of the object."""
    usual = origin._headers
    origin._headers = lambda *parts: _with(usual(*parts), parts[-1].headers)  # type: ignore[method-assign]
    downloaded(origin)


def _with(head: str, headers: dict[str, str]) -> str:
    lines = [line for line in head.split("\r\n") if line.partition(":")[0] not in headers or ":" not in line]
    return "\r\n".join([lines[0], *(f"{name}: {value}" for name, value in headers.items()), *lines[1:]])


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_shorter_object_has_no_such_range(framing: Any) -> None:
    script = [Turn(kind="cut", at=5_000), Turn(kind="swap")]
    with FaultyOrigin(CONTENT, b"", script=script, framing=framing) as origin, pytest.raises(ChangedSourceError):
        downloaded(origin)


def test_an_object_that_is_longer_than_it_was_said_to_be() -> None:
    script = [Turn(kind="length", at=-50), Turn()]
    with FaultyOrigin(CONTENT, script=script) as origin:
        assert len(downloaded(origin)[0]) == len(CONTENT) - 50, "only a checksum could tell"
    script = [Turn(kind="length", at=50), Turn()]
    with FaultyOrigin(CONTENT, script=script) as origin, pytest.raises(ChangedSourceError):
        downloaded(origin)


@pytest.mark.parametrize(
    ("options", "second"),
    [
        ({"ranges": False}, Turn()),
        ({"strong": None}, Turn()),
        ({}, Turn(kind="whole")),
        ({}, Turn(kind="other_part")),
        ({}, Turn(headers={"Content-Encoding": "gzip"})),
    ],
)
def test_cannot_go_on_without_the_servers_help(options: dict[str, object], second: Turn) -> None:
    with (
        FaultyOrigin(CONTENT, script=[Turn(kind="cut", at=5_000), second], **options) as origin,  # type: ignore[arg-type]
        pytest.raises(TransportError, match="lost at byte 5,000 and the server cannot resume from there"),
    ):
        downloaded(origin)


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize("first", [Turn(kind="status", status=503), Turn(kind="cut", at=5_000)])
def test_a_url_that_expired(first: Turn, status: int) -> None:
    script = [first, Turn(kind="status", status=status)]
    with FaultyOrigin(CONTENT, script=script) as origin, pytest.raises(ResultExpiredError) as caught:
        downloaded(origin)
    assert caught.value.status == status
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert len(origin.requests) == 2


@pytest.mark.parametrize("status", [302, 400, 401, 204])
def test_a_status_that_no_further_attempt_can_help(status: int) -> None:
    with (
        FaultyOrigin(CONTENT, script=[Turn(kind="status", status=status)]) as origin,
        pytest.raises(TransportError, match=f"HTTP {status}"),
    ):
        downloaded(origin)
    assert len(origin.requests) == 1


def test_the_end_must_be_distinguishable_from_a_drop() -> None:
    with (
        FaultyOrigin(CONTENT, framing="close") as origin,
        pytest.raises(TransportError, match="does not give its length"),
    ):
        downloaded(origin)


def test_a_body_that_is_compressed_unasked() -> None:
    turn = Turn(headers={"Content-Encoding": "gzip"})
    with (
        FaultyOrigin(CONTENT, script=[turn]) as origin,
        pytest.raises(TransportError, match="compressed without being asked"),
    ):
        downloaded(origin)


def test_an_empty_object() -> None:
    with FaultyOrigin(b"") as origin:
        assert downloaded(origin)[0] == b""


@pytest.mark.parametrize("url", ["http://", "http://[::1/x?Signature=secret", "gopher://h/x?Signature=secret"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(TransportError, match="Correct the URL") as caught:
        Download(url, retry=FAST_RETRY, sleep=lambda _: None, access=any_address).__enter__()
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert not caught.value.retryable


def test_no_more_than_a_chunk_at_once() -> None:
    with FaultyOrigin(bytes(CHUNK_BYTES * 2)) as origin, Download(origin.url, access=any_address) as download:
        assert max(map(len, download)) <= CHUNK_BYTES


def test_a_login_of_netrc_is_not_sent(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """OSS and S3 refuse a request that is signed twice."""
    file = f"{tmp_path}/netrc"
    with open(file, "w") as netrc:  # noqa: PTH123
        netrc.write("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", file)
    with FaultyOrigin(CONTENT) as origin:
        downloaded(origin)
    assert b"Authorization" not in origin.requests[0]


def test_pauses_grow_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _, most: most)
    settings = RetrySettings(first_delay=1, max_delay=10)
    delays = [settings.delay(failures) for failures in range(1, 7)]
    assert delays == [1, 2, 4, 8, 10, 10]
    assert all(before <= after for before, after in pairwise(delays))
    assert settings.delay(1, requested=5) == 5
    assert settings.delay(1, requested=500) == 10


@pytest.mark.parametrize("value", ["7", "Sat, 21 Nov 2026 00:00:07 GMT"])
def test_waits_as_long_as_the_server_asks(value: str) -> None:
    headers = {"Retry-After": value, "Date": "Sat, 21 Nov 2026 00:00:00 GMT"}
    delays: list[float] = []
    with FaultyOrigin(CONTENT, script=[Turn(kind="status", status=429, headers=headers)]) as origin:
        downloaded(origin, delays=delays)
    assert delays == [7]


def test_connections_are_closed_whatever_happens() -> None:
    """As warnings are errors here, one left open would fail this test when it is collected."""
    before = threading.active_count()
    with FaultyOrigin(CONTENT, script=[Turn(kind="stall", at=10)]) as origin:
        download = Download(origin.url, retry=FAST_RETRY, sleep=lambda _: None, access=any_address)
        with pytest.raises(ZeroDivisionError), download:
            raise ZeroDivisionError
        assert download._response is None
    assert threading.active_count() <= before + 1


def test_an_object_that_is_too_large_is_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", CHUNK_BYTES)
    with FaultyOrigin(bytes(CHUNK_BYTES * 3)) as origin:
        download = Download(origin.url, retry=FAST_RETRY, access=any_address)
        with pytest.raises(TransportError, match=f"more than {CHUNK_BYTES:,} bytes") as raised, download:
            for _ in download:
                pass
    assert not raised.value.retryable


def test_a_source_that_drips_counts_as_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte arrives in time, and the whole never does."""
    # A quarter of an hour passes between two looks at the clock.
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=count(step=900.0).__next__))
    retry = replace(FAST_RETRY, max_attempts=1)
    with FaultyOrigin(bytes(CHUNK_BYTES * 4)) as origin:
        download = Download(origin.url, retry=retry, access=any_address)
        with pytest.raises(TransportError, match="it sent less than 10,000 bytes a second"), download:
            pass


@pytest.mark.parametrize("allowed", [False, True])
def test_a_redirect_into_a_private_network(httpserver: HTTPServer, allowed: bool) -> None:
    httpserver.expect_request("/out.mp4").respond_with_response(
        Response(status=302, headers={"Location": httpserver.url_for("/inside.mp4")})
    )
    httpserver.expect_request("/inside.mp4").respond_with_data(b"inside")
    first = httpserver.url_for("/out.mp4")
    download = Download(first, retry=FAST_RETRY, access=lambda url: HostAccess(allow_private=allowed or url == first))
    if allowed:
        with download:
            assert b"".join(download) == b"inside"
        return
    with pytest.raises(InputError, match="has no public address"), download:
        pass
    assert [request.path for request, _ in httpserver.log] == ["/out.mp4"]
