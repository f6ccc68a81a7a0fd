"""Any location becomes a URL that the service can fetch, or an error before anything is sent."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError, TransportError
from airflow_provider_videoretalk.dashscope.form import Content
from airflow_provider_videoretalk.media.source import source_of

UNTIL = datetime.now(timezone.utc) + timedelta(hours=4)
TEMPORARY = "oss://dashscope-instant/abc/clip.mp4"


class Store:
    """A store's library.

    :param life: longest that it signs for, in seconds; ``None`` where it can't sign
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
    raise AssertionError("nothing is to be uploaded")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://h/a.mp4", "https://h/a.mp4"),
        ("https://h/早.mp4?a=1&b=%20", "https://h/%E6%97%A9.mp4?a=1&b=%20"),
        (TEMPORARY, TEMPORARY),
    ],
)
def test_urls_stay_what_they_are(given: str, sent: str) -> None:
    assert source_of("video_url", given).url(until=UNTIL, upload=no_upload) == sent


def test_a_url_is_the_same_input_however_it_is_signed() -> None:
    first = source_of("v", "https://u:p@h/a.mp4?v=2&Expires=1795000000&OSSAccessKeyId=a&Signature=secret1")
    again = source_of("v", "https://u:p@h/a.mp4?v=2&Expires=1795990000&OSSAccessKeyId=b&Signature=secret2")
    other = source_of("v", "https://u:p@h/a.mp4?v=3&Expires=1795990000&OSSAccessKeyId=b&Signature=secret2")
    assert first.identity() == again.identity() != other.identity()
    assert first.record == "https://h/a.mp4"


def test_an_object_is_signed_until_it_is_needed_no_longer() -> None:
    store = Store()
    source = source_of("video_url", StorePath(store))
    url = source.url(until=UNTIL, upload=no_upload)
    assert url.startswith("https://s3.example/bucket/clip.mp4?Expires=")
    assert int(url.partition("Expires=")[2].partition("&")[0]) >= UNTIL.timestamp() - 1


def test_an_object_is_the_same_input_until_it_is_replaced() -> None:
    store = Store()
    source = source_of("video_url", StorePath(store))
    first = source.identity()
    source.url(until=UNTIL, upload=no_upload)
    assert source_of("video_url", StorePath(store)).identity() == first == source.record == "s3://bucket/clip.mp4#e1"
    store.facts["ETag"] = '"e2"'
    assert source_of("video_url", StorePath(store)).identity() != first


def test_a_store_that_signs_for_too_short_is_refused() -> None:
    with pytest.raises(InputError, match=r"^video_url: the store signs URLs that live until .*, needed") as error:
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

    with pytest.raises(TransportError, match=r"^video_url can't be read to be uploaded: RuntimeError") as error:
        source_of("video_url", StorePath(Store(life=None))).url(until=UNTIL, upload=upload)
    assert "secret" not in str(error.value)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    first, copy, other = (tmp_path / name for name in ("a.mp4", "b.mp4", "c.mp4"))
    first.write_bytes(b"one")
    copy.write_bytes(b"one")
    other.write_bytes(b"two")
    identities = [source_of("v", given).identity() for given in (str(first), copy, other.as_uri())]
    assert identities[0] == identities[1] != identities[2]
    source = source_of("v", first)
    source.identity()
    assert source.record == f"file://{first}#{identities[0]}"


def test_what_can_not_be_looked_at_now(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"^v can't be read: FileNotFoundError"):
        source_of("v", tmp_path / "none").identity()
    with pytest.raises(TransportError, match=r"^v can't be looked at in its store: FileNotFoundError"):
        source_of("v", StorePath(Store(info={}))).identity()
    for ask in (lambda source: source.identity(), lambda source: source.url(until=UNTIL, upload=no_upload)):
        with pytest.raises(ConfigurationError, match=r"^v lies in a store \(s3\) that can't be opened"):
            ask(source_of("v", StorePath(None)))


@pytest.mark.parametrize("given", ["clip.mp4", "", "ftp://h/a.mp4", None, 5, "https:///a.mp4", "http://h/a b.mp4"])
def test_what_is_no_location(given: Any) -> None:
    with pytest.raises(InputError, match=r"^video_url is .*, allowed is"):
        source_of("video_url", given)
