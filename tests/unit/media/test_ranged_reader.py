"""Bytes by ranges: within the budget, of one version of the file, and only from allowed addresses."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from media_files import Memory
from range_server import Handler, RangeServer

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, DashScopeError, InputError, TransportError
from airflow_provider_videoretalk.media.header.reader import read_media_facts
from airflow_provider_videoretalk.media.location import Location, open_ranged_reader
from airflow_provider_videoretalk.media.ranged_reader import BLOCK_BYTES, RangedReader
from airflow_provider_videoretalk.outbound import address_policy
from airflow_provider_videoretalk.outbound.address_policy import is_public
from airflow_provider_videoretalk.outbound.host_access import any_address, public_only
from airflow_provider_videoretalk.outbound.read_budget import BudgetMeter, OutOfReachError, ReadBudget

CONTENT = bytes(range(256)) * 2048
SECRET = "?Signature=hush"
# 1024 samples at 48 kHz, in 853 bytes: 320 kbit/s.
AAC_FRAME = b"\xff\xf1\x4c\x80\x6a\xbf\xfc" + bytes(846)
# 1152 samples at 48 kHz, in 960 bytes.
MP3_FRAME = b"\xff\xfb\xe4\x00" + bytes(956)


def memory(
    content: bytes = CONTENT, *, budget: ReadBudget | None = None, **options: bool
) -> tuple[RangedReader, Memory]:
    meter = BudgetMeter(budget or ReadBudget())
    origin = Memory(content, meter, **options)
    return RangedReader(origin, meter), origin


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer() as running:
        yield running


def read(location: Location, *places: tuple[int, int], private: bool = True, **budget: Any) -> list[bytes]:
    limit = ReadBudget(**budget) if budget else None
    with open_ranged_reader(
        location, field="video_url", access=any_address if private else public_only, budget=limit
    ) as ranged:
        return [ranged.read_at(*place) for place in places]


def failure(kind: type[DashScopeError], read: Callable[[], object]) -> DashScopeError:
    with pytest.raises(DashScopeError) as caught:
        read()
    assert type(caught.value) is kind, caught.value
    assert "hush" not in f"{caught.value} {caught.value.__dict__} {caught.value.__cause__}"
    return caught.value


@given(st.lists(st.tuples(st.integers(0, 600_000), st.integers(0, 90_000)), max_size=12), st.booleans(), st.booleans())
def test_any_reads_give_the_files_bytes(places: list[tuple[int, int]], forward_only: bool, states_size: bool) -> None:
    ranged, origin = memory(forward_only=forward_only, states_size=states_size)
    for start, length in places:
        assert ranged.read_at(start, length) == CONTENT[start : start + length]
    assert not states_size or all(length for _, length in origin.asked)


def test_what_was_fetched_is_not_fetched_again() -> None:
    ranged, origin = memory()
    for start in range(0, BLOCK_BYTES, 100):
        ranged.read_at(start, 100)
    ranged.read_at(0, 50)
    assert [start for start, _ in origin.asked] == [0, BLOCK_BYTES]


def test_reading_on_asks_for_more_and_more() -> None:
    ranged, origin = memory(bytes(8 * 1024 * 1024))
    for start in range(0, 8 * 1024 * 1024 - 1024, 1024):
        ranged.read_at(start, 1024)
    assert len(origin.asked) == 10
    assert max(length for _, length in origin.asked) == 2 * 1024 * 1024
    ranged, origin = memory(bytes(8 * 1024 * 1024))
    for start in range(0, 8 * 1024 * 1024, 1024 * 1024):
        ranged.read_at(start, 8)
    assert {length for _, length in origin.asked} == {BLOCK_BYTES}


@pytest.mark.parametrize("frame", [AAC_FRAME, MP3_FRAME], ids=["aac", "mp3"])
def test_the_longest_speech_is_counted_with_eight_requests(frame: bytes) -> None:
    """Two minutes at 320 kbit/s, the highest rate of both formats; without an index, each frame is looked at."""
    ranged, origin = memory(frame * (120 * 320_000 // 8 // len(frame)))
    facts = read_media_facts(ranged, field="the speech")
    assert facts.seconds == pytest.approx(120, abs=0.5)
    assert len(origin.asked) <= 8


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        ({"size": 100_000}, "more than 100,000 bytes"),
        ({"requests": 2}, "more than 2 requests"),
        ({"seconds": 0.0}, "more than 0 s"),
    ],
)
def test_the_budget_is_kept(budget: dict[str, Any], why: str) -> None:
    ranged, origin = memory(bytes(10_000_000), budget=ReadBudget(**budget))
    starts = range(0, 10_000_000, 1_000_000)
    with pytest.raises(OutOfReachError, match=why):
        list(map(ranged.read_at, starts, [10] * len(starts)))
    assert sum(length for _, length in origin.asked) <= 100_000 + BLOCK_BYTES
    assert len(origin.asked) <= 4


def test_over_http(server: RangeServer) -> None:
    url = server.add("/a", CONTENT, ETag='"v1"')
    assert read(url, (0, 10), (400_000, 10), (len(CONTENT) - 3, 10)) == [
        CONTENT[:10],
        CONTENT[400_000:400_010],
        CONTENT[-3:],
    ]
    assert [one.headers["range"] for one in server.asked] == [
        "bytes=0-32767",
        "bytes=400000-432767",
        f"bytes={len(CONTENT) - 3}-{len(CONTENT) - 1}",
    ]
    assert [one.headers.get("if-range") for one in server.asked] == [None, '"v1"', '"v1"']
    assert {one.headers["accept-encoding"] for one in server.asked} == {"identity"}


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({"ETag": '"v1"', "Last_Modified": "Mon, 05 Oct 2026 08:00:00 GMT"}, '"v1"'),
        ({"ETag": 'W/"v1"', "Last_Modified": "Mon, 05 Oct 2026 08:00:00 GMT"}, "Mon, 05 Oct 2026 08:00:00 GMT"),
        ({"ETag": 'W/"v1"'}, None),
        ({}, None),
    ],
)
def test_the_version_that_is_asked_for(server: RangeServer, headers: dict[str, str], sent: str | None) -> None:
    read(server.add("/a", CONTENT, **headers), (0, 10), (400_000, 10))
    assert server.asked[1].headers.get("if-range") == sent


@pytest.mark.parametrize(
    "now", [{"ETag": '"v2"'}, {"ETag": '"v2"', "ranges": False}, {"ETag": '"v1"', "content": CONTENT + b"x"}, {}]
)
def test_a_file_that_changes_is_never_mixed(server: RangeServer, now: dict[str, Any]) -> None:
    url = server.add("/a", CONTENT, ETag='"v1"')
    with open_ranged_reader(url, field="video_url", access=any_address) as ranged:
        ranged.read_at(0, 10)
        server.add("/a", now.pop("content", CONTENT), **now)
        error = failure(TransportError, lambda: ranged.read_at(400_000, 10))
    assert "changed while it was read" in str(error)
    assert error.retryable


def test_a_server_that_knows_no_versions_is_watched_all_the_same(server: RangeServer) -> None:
    tags = iter(['"v1"', '"v2"'])

    def careless(handler: Handler) -> None:
        start = int(handler.headers["Range"][6:].split("-")[0])
        part = CONTENT[start : start + BLOCK_BYTES]
        there = f"bytes {start}-{start + len(part) - 1}/{len(CONTENT)}"
        handler.reply(206, part, Content_Range=there, ETag=next(tags))

    server.answers["/a"] = careless
    with open_ranged_reader(server.url("/a"), field="video_url", access=any_address) as ranged:
        ranged.read_at(0, 10)
        assert "changed while it was read" in str(failure(TransportError, lambda: ranged.read_at(400_000, 10)))


def test_a_server_without_ranges_is_read_no_further_than_needed(server: RangeServer) -> None:
    url = server.add("/a", bytes(80_000_000), ranges=False)
    with open_ranged_reader(url, field="video_url", access=any_address) as ranged:
        assert ranged.read_at(10, 5) == bytes(5)
        assert ranged.read_at(500_000, 5) == bytes(5)
        assert ranged.size == 80_000_000
        error = failure(OutOfReachError, lambda: ranged.read_at(79_000_000, 5))
    assert "no ranges" in str(error)
    assert len(server.asked) == 1
    # What the sockets hold in between is sent and never read.
    assert server.sent < 20_000_000


def test_a_small_file_without_ranges_is_read_in_any_order(server: RangeServer) -> None:
    url = server.add("/a", CONTENT, ranges=False)
    places = [(500_000, 100), (7, 10), (300_000, 10), (len(CONTENT) - 1, 10)]
    assert read(url, (0, 1), *places)[1:] == [CONTENT[start : start + length] for start, length in places]


def test_a_size_that_the_server_does_not_give(server: RangeServer) -> None:
    def chunked(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

    server.answers["/a"] = chunked
    with open_ranged_reader(server.url("/a"), field="video_url", access=any_address) as ranged:
        assert ranged.read_at(0, 100) == b"hello"
        assert ranged.read_at(3, 100) == b"lo"
        assert ranged.size is None


def test_an_empty_file(server: RangeServer) -> None:
    with open_ranged_reader(server.add("/a", b""), field="video_url", access=any_address) as ranged:
        assert ranged.read_at(0, 100) == b""
        assert ranged.size == 0


def test_a_size_that_ranges_do_not_give(server: RangeServer) -> None:
    def starred(handler: Handler) -> None:
        start = int(handler.headers["Range"][6:].split("-")[0])
        part = CONTENT[start : start + 1000]
        if part:
            handler.reply(206, part, Content_Range=f"bytes {start}-{start + len(part) - 1}/*")
        else:
            handler.reply(416, Content_Range="bytes */*")

    server.answers["/a"] = starred
    with open_ranged_reader(server.url("/a"), field="video_url", access=any_address) as ranged:
        assert ranged.read_at(len(CONTENT) - 1500, 9999) == CONTENT[-1500:]
        assert ranged.size is None


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (403, InputError, "InvalidURL"),
        (404, InputError, "InvalidURL"),
        (410, InputError, "InvalidURL"),
        (429, TransportError, ""),
        (500, TransportError, ""),
        (503, TransportError, ""),
        (204, TransportError, ""),
        (304, TransportError, ""),
    ],
)
def test_refusals(server: RangeServer, status: int, kind: type[DashScopeError], code: str) -> None:
    server.answers["/a"] = lambda handler: handler.reply(status)
    error = failure(kind, lambda: read(server.url("/a") + SECRET, (0, 10)))
    assert (error.status, error.code) == (status, code)
    assert "video_url" in str(error)


def ended_early(handler: Handler) -> None:
    handler.send_response(206)
    handler.send_header("Content-Range", "bytes 0-99/100")
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"short")
    handler.close_connection = True


def ended_early_without_a_length(handler: Handler) -> None:
    handler.send_response(206)
    handler.send_header("Content-Range", "bytes 0-99/100")
    handler.end_headers()
    handler.wfile.write(b"short")
    handler.close_connection = True


def garbage(handler: Handler) -> None:
    handler.wfile.write(b"\x00\xff nothing like HTTP\r\n\r\n" * 100)
    handler.close_connection = True


def hung_up(handler: Handler) -> None:
    handler.close_connection = True


@pytest.mark.parametrize(
    "answer",
    [
        ended_early,
        garbage,
        hung_up,
        lambda handler: handler.reply(206, b"0123456789"),
        lambda handler: handler.reply(206, b"0123456789" * 2, Content_Range="bytes 5-24/100"),
        lambda handler: handler.reply(206, bytes(40_000), Content_Range="bytes 5-40004/100000"),
        lambda handler: handler.reply(206, b"0123456789", Content_Range="bytes 0-9/100", Content_Encoding="gzip"),
        lambda handler: handler.reply(206, b"0123456789", Content_Range=f"bytes 0-{'9' * 30}/100"),
        lambda handler: handler.reply(302, Location="http://[::1"),
        lambda handler: handler.reply(302, Location="http://"),
        lambda handler: handler.reply(302, Location="http://127.0.0.1:99999/"),
    ],
)
def test_answers_that_make_no_sense(server: RangeServer, answer: Callable[[Handler], None]) -> None:
    server.answers["/a"] = answer
    failure(TransportError, lambda: read(server.url("/a") + SECRET, (0, 10)))


def test_an_answer_that_ends_early_without_a_length(server: RangeServer) -> None:
    server.answers["/a"] = ended_early_without_a_length
    assert "the connection was closed early" in str(failure(TransportError, lambda: read(server.url("/a"), (0, 5))))


def test_a_compressed_answer_is_out_of_reach(server: RangeServer) -> None:
    server.answers["/a"] = lambda handler: handler.reply(200, bytes(100), Content_Encoding="gzip")
    assert "compressed" in str(failure(OutOfReachError, lambda: read(server.url("/a"), (0, 10))))


def test_a_longer_answer_than_asked_for(server: RangeServer) -> None:
    server.answers["/a"] = lambda handler: handler.reply(
        206, bytes(50_000_000), Content_Range="bytes 0-49999999/50000000"
    )
    assert read(server.url("/a"), (0, 10)) == [bytes(10)]
    assert server.sent < 20_000_000


def test_a_shorter_answer_than_asked_for(server: RangeServer) -> None:
    def stingy(handler: Handler) -> None:
        start = int(handler.headers["Range"][6:].split("-")[0])
        handler.reply(206, CONTENT[start : start + 7], Content_Range=f"bytes {start}-{start + 6}/{len(CONTENT)}")

    server.answers["/a"] = stingy
    assert read(server.url("/a"), (0, 20)) == [CONTENT[:20]]


@pytest.mark.parametrize("slow", ["head", "body", "silent"])
def test_a_server_that_drips_is_left_in_time(server: RangeServer, slow: str) -> None:
    over = threading.Event()

    def drip(handler: Handler) -> None:
        if slow == "body":
            handler.send_response(206)
            handler.send_header("Content-Range", "bytes 0-99999/100000")
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
        while not over.wait(0.05):
            if slow != "silent":
                handler.wfile.write(b"X")

    server.answers["/a"] = drip
    begun = time.monotonic()
    try:
        failure(OutOfReachError, lambda: read(server.url("/a"), (0, 50_000), seconds=0.5))
    finally:
        over.set()
    assert time.monotonic() - begun < 5


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    """A server with https. This process trusts its authority by an environment variable, as companies set it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with RangeServer(tls=context) as running:
        yield running


def test_over_https(secure: RangeServer) -> None:
    url = secure.add("/a", CONTENT, ETag='"v1"')
    assert read(url, (0, 10), (400_000, 10)) == [CONTENT[:10], CONTENT[400_000:400_010]]
    failure(InputError, lambda: read(url, (0, 10), private=False))
    assert len(secure.asked) == 2


def test_a_secure_server_that_drips_is_left_in_time(secure: RangeServer) -> None:
    over = threading.Event()
    secure.answers["/a"] = lambda handler: over.wait(10) and None
    begun = time.monotonic()
    try:
        failure(OutOfReachError, lambda: read(secure.url("/a"), (0, 50_000), seconds=0.5))
    finally:
        over.set()
    assert time.monotonic() - begun < 5


def test_a_certificate_of_an_unknown_authority(secure: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    url = secure.add("/a", CONTENT)
    assert "the TLS certificate is not trusted: " in str(failure(TransportError, lambda: read(url + SECRET, (0, 10))))


def test_redirects_are_followed_once(server: RangeServer) -> None:
    server.add("/c", CONTENT)
    server.redirect("/b", "/c", status=308)
    url = server.redirect("/a", server.url("/b") + SECRET, status=301)
    assert read(url, (0, 10), (400_000, 10)) == [CONTENT[:10], CONTENT[400_000:400_010]]
    assert [one.path for one in server.asked] == ["/a", "/b" + SECRET, "/c", "/c"]


def test_redirects_end(server: RangeServer) -> None:
    url = server.redirect("/a", "/a" + SECRET)
    error = failure(TransportError, lambda: read(url, (0, 10)))
    assert "redirects more than 5 times" in str(error)
    assert len(server.asked) == 6


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "gopher://127.0.0.1:70/_x", "data:,x"])
def test_redirects_lead_to_the_web_only(server: RangeServer, target: str) -> None:
    url = server.redirect("/a", target)
    assert "neither http nor https" in str(failure(InputError, lambda: read(url, (0, 10))))


def test_the_body_of_a_redirect_is_not_read(server: RangeServer) -> None:
    server.redirect_without_end("/a", "/b")
    server.add("/b", CONTENT)
    assert read(server.url("/a"), (0, 10)) == [CONTENT[:10]]
    assert server.sent < 20_000_000


PRIVATE_HOSTS = [
    "127.0.0.1",
    "localhost",
    "127.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "0.0.0.0",
    "[::ffff:127.0.0.1]",
]


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
def test_private_networks_are_refused(server: RangeServer, host: str) -> None:
    server.add("/a", CONTENT)
    error = failure(InputError, lambda: read(server.url("/a", host=host) + SECRET, (0, 10), private=False))
    assert "allowed are public addresses" in str(error)
    assert not server.asked
    if host != "localhost":
        assert read(server.url("/a", host=host), (0, 10)) == [CONTENT[:10]]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("47.93.1.1", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("172.32.0.1", True),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.100.100.200", False),
        ("127.8.8.8", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("2400:3200::1", True),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b:1::a00:1", False),
        ("2002:a00:1::", False),
        ("2002:808:808::", True),
        ("::127.0.0.1", False),
        ("2001:db8::1", False),
    ],
)
def test_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.fixture
def only_first_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 stands for the internet, every other address of this machine for a private network."""
    monkeypatch.setattr(address_policy, "is_public", lambda address: address == "127.0.0.1")


@pytest.mark.usefixtures("only_first_is_public")
def test_a_redirect_into_a_private_network(server: RangeServer) -> None:
    with RangeServer("127.0.0.2") as inside:
        url = server.redirect("/a", inside.add("/metadata", CONTENT) + SECRET)
        error = failure(InputError, lambda: read(url, (0, 10), private=False))
        assert "127.0.0.2" in str(error)
        assert not inside.asked
        assert read(url, (0, 10)) == [CONTENT[:10]]


@pytest.mark.usefixtures("only_first_is_public")
def test_a_name_that_resolves_to_something_else_the_next_time(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["127.0.0.1", "127.0.0.2"])
    resolve = socket.getaddrinfo

    def rebind(host: str, *arguments: Any, **options: Any) -> Any:
        return resolve(next(answers) if host == "rebind.example" else host, *arguments, **options)

    def once(handler: Handler) -> None:
        handler.reply(206, CONTENT[:100], Content_Range=f"bytes 0-99/{len(CONTENT)}", Connection="close")

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    server.answers["/a"] = once
    with open_ranged_reader(server.url("/a", host="rebind.example"), field="video_url") as ranged:
        assert ranged.read_at(0, 10) == CONTENT[:10]
        error = failure(InputError, lambda: ranged.read_at(400_000, 10))
    assert "rebind.example, which has no public address" in str(error)


@pytest.mark.usefixtures("only_first_is_public")
def test_the_peer_decides_and_not_the_name(server: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.add("/a", CONTENT)
    monkeypatch.setattr(socket.socket, "getpeername", lambda line: ("10.0.0.9", 80))
    error = failure(InputError, lambda: read(url, (0, 10), private=False))
    assert "which has no public address" in str(error)
    assert not server.asked


def test_a_private_address_among_public_ones(server: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(*entry, ("192.168.0.1", 80))])
    failure(InputError, lambda: read("http://inside.example/a", (0, 10), private=False))


@pytest.fixture
def proxy(server: RangeServer, monkeypatch: pytest.MonkeyPatch) -> RangeServer:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url(""))
    return server


def test_through_a_proxy_the_peer_is_the_proxy(proxy: RangeServer) -> None:
    proxy.add("/a", CONTENT)
    with open_ranged_reader("http://media.example/a", field="video_url") as ranged:
        assert ranged.read_at(0, 10) == CONTENT[:10]
        assert ranged.notes == (
            "address: a proxy makes the connection, so only the proxy knows whether it leads to a private network",
        )


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "0x7f000001", "[::1]"])
def test_a_proxy_is_not_asked_for_a_private_address(proxy: RangeServer, host: str) -> None:
    proxy.add("/a", CONTENT)
    failure(InputError, lambda: read(f"http://{host}/a", (0, 10), private=False))
    assert not proxy.asked


def test_logins_of_this_machine_are_not_sent(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    login = tmp_path / "netrc"
    login.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(login))
    url = server.add("/a", CONTENT)
    read(url, (0, 10))
    assert "authorization" not in server.asked[0].headers
    read(url.replace("http://", "http://you:pw@"), (0, 10))
    assert server.asked[1].headers["authorization"].startswith("Basic ")


def test_no_server() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/a{SECRET}"
        error = failure(TransportError, lambda: read(url, (0, 10)))
    assert str(error) == "video_url cannot be fetched: the connection was refused"
    error = failure(TransportError, lambda: read(f"http://no-such-host.invalid/a{SECRET}", (0, 10)))
    assert str(error) == "video_url cannot be fetched: the name no-such-host.invalid cannot be resolved"


def test_a_local_file(tmp_path: Path) -> None:
    path = tmp_path / "a b.bin"
    path.write_bytes(CONTENT)
    for location in (path, str(path), path.as_uri()):
        assert read(location, (0, 10), (400_000, 10)) == [CONTENT[:10], CONTENT[400_000:400_010]]


def test_paths_that_are_not_regular_files(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, Path("/dev/zero"), tmp_path / "none", "a\0b", ""):
        failure(InputError, lambda path=path: read(path, (0, 10)))
    locked = tmp_path / "locked"
    locked.touch(mode=0)
    if not os.access(locked, os.R_OK):
        failure(InputError, lambda: read(locked, (0, 10)))


@pytest.mark.parametrize("location", ["s3://bucket/key", "oss://key", "ftp://h/a", 7, None])
def test_locations_that_cannot_be_read(location: Any) -> None:
    failure(InputError, lambda: read(location, (0, 10)))


def test_an_object_in_a_store() -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/clips/a.mp4", CONTENT)
    path = SimpleNamespace(protocol="memory", path="/clips/a.mp4", fs=store)
    with open_ranged_reader(path, field="video_url") as ranged:
        assert ranged.size == len(CONTENT)
        assert ranged.read_at(400_000, 10) == CONTENT[400_000:400_010]
    path.path = "/clips/none.mp4"
    assert failure(InputError, lambda: read(path, (0, 10))).code == "InvalidURL"


def test_a_store_that_fails() -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"https://store/a{SECRET}")

    path = SimpleNamespace(protocol="s3", path="a", fs=SimpleNamespace(info=fail, cat_file=fail))
    assert "RuntimeError" in str(failure(TransportError, lambda: read(path, (0, 10))))


def test_a_store_without_a_connection() -> None:
    class Path:
        protocol, path = "s3", "bucket/key"

        @property
        def fs(self) -> Any:
            raise RuntimeError(SECRET)

    assert "store (s3) that cannot be opened" in str(failure(ConfigurationError, lambda: read(Path(), (0, 10))))


def test_airflows_own_paths(tmp_path: Path) -> None:
    from airflow.sdk import ObjectStoragePath

    (tmp_path / "a.bin").write_bytes(CONTENT)
    assert read(ObjectStoragePath(f"file://{tmp_path}/a.bin"), (7, 10)) == [CONTENT[7:17]]
