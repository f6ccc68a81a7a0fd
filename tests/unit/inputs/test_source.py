"""Any location becomes a URL that the service can fetch, or an error before anything is sent."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from range_server import RangeServer

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError, TransportError
from airflow_provider_videoretalk.dashscope.multipart_upload import Content
from airflow_provider_videoretalk.inputs.source import source_of
from airflow_provider_videoretalk.media.probe import probe
from airflow_provider_videoretalk.outbound.host_access import any_address

UNTIL = datetime.now(timezone.utc) + timedelta(hours=4)
TEMPORARY = "oss://dashscope-instant/abc/clip.mp4"


class Store:
    """A store's library.

    :param life: longest that it signs for, in seconds; ``None`` if it cannot sign
    """

    def __init__(
        self, *, life: float | None = 7 * 86_400.0, info: dict[str, Any] | None = None, token: str = ""
    ) -> None:
        self.life = life
        self.facts = {"ETag": '"e1"', "size": 5, "LastModified": "now"} if info is None else info
        self.token = token
        self.signed = 0

    def info(self, path: str) -> dict[str, Any]:
        if not self.facts:
            raise FileNotFoundError(path)
        return self.facts

    def sign(self, path: str, expiration: int) -> str:
        if self.life is None:
            raise NotImplementedError
        self.signed += 1
        end = datetime.now(timezone.utc) + timedelta(seconds=min(expiration, self.life))
        return f"https://s3.example/{path}?Expires={end.timestamp():.0f}&Signature=secret{self.signed}{self.token}"


class StorePath:
    """The part of an ``ObjectStoragePath`` that is needed."""

    protocol = "s3"
    path = "bucket/clip.mp4"
    name = "clip.mp4"
    suffix = ".mp4"

    def __init__(self, store: Any) -> None:
        self._store = store

    @property
    def fs(self) -> Any:
        if self._store is None:
            raise ValueError("No filesystem registered")
        return self._store


def no_upload(content: Content) -> str:
    raise AssertionError("unexpected upload")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://h/a.mp4", "https://h/a.mp4"),
        ("https://h/早.mp4?a=1&b=%20", "https://h/%E6%97%A9.mp4?a=1&b=%20"),
        (TEMPORARY, TEMPORARY),
        ("https://h/100%.mp4", "https://h/100%25.mp4"),
        ("https://h/a%20b/100%/50%zz.mp4?c=5%", "https://h/a%20b/100%25/50%25zz.mp4?c=5%25"),
        ("https://h/%E6%97%A9%2F%ff.mp4", "https://h/%E6%97%A9%2F%ff.mp4"),
        ("oss://dashscope-instant/a/100%.mp4", "oss://dashscope-instant/a/100%25.mp4"),
    ],
)
def test_urls_stay_what_they_are(given: str, sent: str) -> None:
    assert source_of("video_url", given).url(until=UNTIL, upload=no_upload) == sent


@pytest.mark.parametrize("name", ["100%.mp4", "a%20b%.mp4", "%zz%25.mp4", "%E6%97%A9%20.mp4"])
def test_a_url_is_read_where_the_service_reads_it(name: str) -> None:
    with RangeServer() as server:
        source = source_of("video_url", server.url(f"/{name}"))
        with suppress(InputError):
            probe(source.location, access=any_address)
        (asked,) = server.asked
    assert server.url(asked.path) == source.url(until=UNTIL, upload=no_upload)


def test_a_url_is_the_same_input_however_it_is_signed() -> None:
    first = source_of("v", "https://u:p@h/a.mp4?v=2&Expires=1795000000&OSSAccessKeyId=a&Signature=secret1")
    again = source_of("v", "https://u:p@h/a.mp4?v=2&Expires=1795990000&OSSAccessKeyId=b&Signature=secret2")
    other = source_of("v", "https://u:p@h/a.mp4?v=3&Expires=1795990000&OSSAccessKeyId=b&Signature=secret2")
    assert first.content_identity() == again.content_identity() != other.content_identity()
    assert first.description == "https://h/a.mp4"


def test_an_object_is_signed_until_it_is_needed_no_longer() -> None:
    store = Store()
    source = source_of("video_url", StorePath(store))
    url = source.url(until=UNTIL, upload=no_upload)
    assert url.startswith("https://s3.example/bucket/clip.mp4?Expires=")
    assert int(url.partition("Expires=")[2].partition("&")[0]) >= UNTIL.timestamp() - 1


def test_an_object_is_the_same_input_until_it_is_replaced() -> None:
    store = Store()
    source = source_of("video_url", StorePath(store))
    first = source.content_identity()
    source.url(until=UNTIL, upload=no_upload)
    assert (
        source_of("video_url", StorePath(store)).content_identity()
        == first
        == source.description
        == "s3://bucket/clip.mp4#e1"
    )
    store.facts["ETag"] = '"e2"'
    assert source_of("video_url", StorePath(store)).content_identity() != first


def test_a_store_that_signs_for_too_short_is_refused() -> None:
    with pytest.raises(InputError, match=r"^video_url: the store signs URLs that expire at .*, needed") as error:
        source_of("video_url", StorePath(Store(life=3600))).url(until=UNTIL, upload=no_upload)
    assert "queue_timeout" in error.value.remedy
    assert "secret" not in str(error.value)


def test_borrowed_credentials_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    source_of("video_url", StorePath(Store(token="&X-Amz-Security-Token=t"))).url(until=UNTIL, upload=no_upload)
    assert "temporary credentials" in caplog.text
    assert "secret" not in caplog.text


def test_what_can_not_be_signed_is_uploaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uploaded: list[Content] = []

    def upload(content: Content) -> str:
        uploaded.append(content)
        return TEMPORARY

    path = StorePath(Store(life=None))
    file = tmp_path / "clip.mp4"
    with caplog.at_level(logging.WARNING):
        assert source_of("video_url", path).url(until=UNTIL, upload=upload) == TEMPORARY
        assert source_of("video_url", file.as_uri()).url(until=UNTIL, upload=upload) == TEMPORARY
    assert uploaded == [path, file]
    assert caplog.text.count("48 hours") == 2


def test_a_store_that_breaks_while_it_is_uploaded() -> None:
    def upload(content: Content) -> str:
        raise RuntimeError("https://signed?Signature=secret")

    with pytest.raises(TransportError, match=r"^video_url cannot be read for the upload: RuntimeError") as error:
        source_of("video_url", StorePath(Store(life=None))).url(until=UNTIL, upload=upload)
    assert "secret" not in str(error.value)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    first, copy, other = (tmp_path / name for name in ("a.mp4", "b.mp4", "c.mp4"))
    first.write_bytes(b"one")
    copy.write_bytes(b"one")
    other.write_bytes(b"two")
    identities = [source_of("v", given).content_identity() for given in (str(first), copy, other.as_uri())]
    assert identities[0] == identities[1] != identities[2]
    source = source_of("v", first)
    source.content_identity()
    assert source.description == f"file://{first}#{identities[0]}"


def test_what_can_not_be_looked_at_now(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"^v cannot be read: FileNotFoundError"):
        source_of("v", tmp_path / "none").content_identity()
    with pytest.raises(TransportError, match=r"^v cannot be looked up in its store: FileNotFoundError"):
        source_of("v", StorePath(Store(info={}))).content_identity()
    foreign = StorePath(None)
    foreign.protocol = "dbfs"
    for ask in (lambda source: source.content_identity(), lambda source: source.url(until=UNTIL, upload=no_upload)):
        with pytest.raises(ConfigurationError, match=r"^v is in a store \(dbfs\) that cannot be opened"):
            ask(source_of("v", foreign))


@pytest.mark.parametrize("given", ["clip.mp4", "", "ftp://h/a.mp4", None, 5, "https:///a.mp4", "http://h/a b.mp4"])
def test_what_is_no_location(given: Any) -> None:
    with pytest.raises(InputError, match=r"^video_url is .*, allowed is"):
        source_of("video_url", given)
