"""Against a real S3 server, with the library that Airflow's own S3 file system is made of."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from faulty_origin import FaultyOrigin, Kind, Turn
from object_store import attached, place
from seaweed import DOMAIN, KEY, SECRET, Seaweed, seaweed, why_not

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.fs.oss import get_fs, register_paths
from airflow_provider_videoretalk.media.download import Persistence
from airflow_provider_videoretalk.media.draft import BLOCK_BYTES, Destination, open_draft
from airflow_provider_videoretalk.media.transfer import Fetched, copy

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    # botocore's own, on Python 3.12 and newer.
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]

URI = "s3://weed@bucket/en.mp4"
IMPATIENT = Persistence(first_pause=0, read_timeout=2)


@pytest.fixture(scope="module")
def server() -> Iterator[Seaweed]:
    with seaweed() as running:
        yield running


@pytest.fixture
def store(server: Seaweed) -> Iterator[Any]:
    from s3fs import S3FileSystem

    fs = S3FileSystem(**server.options, skip_instance_cache=True)
    for found in fs.find("bucket"):
        fs.rm_file(found)
    with attached(weed=fs):
        yield fs


def describe(fetched: Fetched, _: Destination) -> Mapping[str, Any]:
    return {"size": fetched.verdict.size, "sha256": fetched.verdict.sha256}


def publish(origin: FaultyOrigin, *, uri: str = URI, **options: Any) -> None:
    options = {"describe": describe, "persistence": IMPATIENT, "sleep": lambda _: None} | options
    copy(origin.url, [place(uri)], **options)


def unfinished(store: Any) -> list[Any]:
    """Multipart uploads that nobody ended; they cost money, and no listing shows them."""
    return store.call_s3("list_multipart_uploads", Bucket="bucket").get("Uploads") or []


@pytest.mark.parametrize("size", [0, 1, 500_000, BLOCK_BYTES, 2 * BLOCK_BYTES + 12_345])
def test_whole_objects_of_any_size(store: Any, size: int) -> None:
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    with FaultyOrigin(content, script=[Turn(kind="cut", at=size // 2)] if size else [], sums=("md5",)) as origin:
        publish(origin)
    store.invalidate_cache()
    assert store.cat_file("bucket/en.mp4") == content
    assert json.loads(store.cat_file("bucket/en.mp4.json"))["size"] == size
    if size:
        assert store.info("bucket/en.mp4")["ContentType"] == "video/mp4"
    assert not unfinished(store)


@pytest.mark.parametrize("size", [100_000, 2 * BLOCK_BYTES + 12_345])
@pytest.mark.parametrize("before", [None, b"before"])
def test_a_download_that_ends_early_leaves_nothing_behind(store: Any, size: int, before: bytes | None) -> None:
    if before:
        store.pipe_file("bucket/en.mp4", before)
    broken = [Turn(kind="cut", at=size - 1000), *[Turn(kind="refuse")] * 8]
    for options in ({"script": broken}, {"script": [Turn(kind="flip", at=7)], "sums": ("md5",)}):
        with FaultyOrigin(bytes(size), **options) as origin, pytest.raises(TransportError):  # type: ignore[arg-type]
            publish(origin)
        store.invalidate_cache()
        assert store.find("bucket") == (["bucket/en.mp4"] if before else [])
        assert not before or store.cat_file("bucket/en.mp4") == before
        assert not unfinished(store)


def test_whole_objects_or_none_whatever_goes_wrong(store: Any) -> None:
    """A few of the thousand downloads that have a test of their own, larger than what is sent at once."""
    chance, seen, outcomes = random.Random(5), b"", set()
    kinds: tuple[Kind, ...] = ("cut", "cut", "refuse", "status", "window", "swap", "flip", "length")
    for _ in range(30):
        versions = [chance.randbytes(BLOCK_BYTES + chance.randrange(9_000_000)) for _ in range(2)]
        script = [
            Turn(kind=chance.choice(kinds), at=chance.randrange(1, 9_000_000)) for _ in range(chance.randrange(5))
        ]
        with FaultyOrigin(*versions, script=script, sums=("md5",)) as origin:
            try:
                publish(origin)
                outcomes.add("published")
            except TransportError:
                versions = [seen]
                outcomes.add("failed")
        store.invalidate_cache()
        found = store.cat_file("bucket/en.mp4") if store.exists("bucket/en.mp4") else b""
        assert found in versions
        seen = found
        assert not unfinished(store)
    assert outcomes == {"published", "failed"}


def test_nothing_is_seen_before_the_end(store: Any) -> None:
    with FaultyOrigin(bytes(2 * BLOCK_BYTES)) as origin:
        seen: list[list[str]] = []

        def look() -> None:
            store.invalidate_cache()
            seen.append(store.find("bucket"))

        def look_and_describe(fetched: Fetched, destination: Destination) -> Mapping[str, Any]:
            look()
            return describe(fetched, destination)

        publish(origin, describe=look_and_describe, on_object=look)
    assert seen == [[], ["bucket/en.mp4"]]


def test_the_first_of_its_name(store: Any) -> None:
    with FaultyOrigin(b"content") as origin:
        publish(origin, if_exists="fail")
        with pytest.raises(InputError, match="exists already"):
            publish(origin, if_exists="fail")
    draft = open_draft(place(URI), first=True)
    draft.write(b"too late")
    draft.seal()
    with pytest.raises(FileExistsError):
        draft.commit()
    draft.discard()
    assert store.cat_file("bucket/en.mp4") == b"content"
    assert not unfinished(store)


def test_the_same_is_skipped(store: Any) -> None:
    with FaultyOrigin(b"content") as origin:
        publish(origin)
        changed = store.info("bucket/en.mp4")["LastModified"]
        publish(origin, if_exists="skip_same")
        store.invalidate_cache()
        assert store.info("bucket/en.mp4")["LastModified"] == changed
    assert not unfinished(store)


def test_a_bucket_that_is_not_there(store: Any) -> None:
    with FaultyOrigin(b"content") as origin, pytest.raises(TransportError, match="can't be published"):
        publish(origin, uri="s3://weed@nowhere/en.mp4")


def test_oss_speaks_to_buckets_as_subdomains(server: Seaweed, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the options that OSS wants: neither a bucket in the path, nor a checksum behind the body.

    But for the signature: SeaweedFS takes version 2 only with the bucket in the path.
    """
    resolve: Callable[..., Any] = socket.getaddrinfo

    def resolve_subdomains(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return resolve("127.0.0.1" if name and name.endswith(DOMAIN) else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_subdomains)
    extra = {
        "auth_type": "AK",
        "access_key_id": KEY,
        "access_key_secret": SECRET,
        "endpoint": f"http://{DOMAIN}:{server.port}",
        "region": "us-east-1",
        "signature_version": "s3v4",
    }
    monkeypatch.setenv("AIRFLOW_CONN_MY_OSS", json.dumps({"conn_type": "oss", "extra": extra}))
    fs = get_fs("my_oss")
    sent: list[Any] = []
    fs.s3.meta.events.register("before-send.s3", lambda request, **_: sent.append(request))
    register_paths()
    content = bytes(BLOCK_BYTES + 1000)
    with FaultyOrigin(content) as origin, attached("oss", my_oss=fs):
        publish(origin, uri="oss://my_oss@bucket/of oss/en.mp4", if_exists="fail")
        publish(origin, uri="oss://my_oss@bucket/of oss/en.mp4")
    store.invalidate_cache()
    assert store.cat_file("bucket/of oss/en.mp4") == content
    assert store.info("bucket/of oss/en.mp4")["ContentType"] == "video/mp4"
    assert not unfinished(store)
    assert {request.url.split("/")[2] for request in sent} == {f"bucket.{DOMAIN}:{server.port}"}
    assert len(sent) > 10
    for request in sent:
        names = {name.lower() for name in request.headers}
        assert not names & {"x-amz-trailer", "x-amz-sdk-checksum-algorithm", "content-encoding", "if-none-match"}
