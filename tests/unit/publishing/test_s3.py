"""Against a real S3 server, with the library of Airflow's own S3 file system."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from faulty_origin import FaultyOrigin, Turn
from object_store import attached, place
from seaweed import DOMAIN, KEY, SECRET, Seaweed
from small_mp4 import mp4, mp4_of_size
from store_observers import unfinished_uploads

from airflow_provider_videoretalk.airflow_adapters.oss_filesystem import get_fs, register_paths
from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.outbound.download import ChangedSourceError, RetrySettings
from airflow_provider_videoretalk.outbound.host_access import any_address
from airflow_provider_videoretalk.publishing.atomic_object import BLOCK_BYTES, Destination, open_atomic_object
from airflow_provider_videoretalk.publishing.media_edit import MediaEdit
from airflow_provider_videoretalk.publishing.transfer import DownloadedObject, copy_object

URI = "s3://weed@bucket/en.mp4"
CONTENT = mp4()
FAST_RETRY = RetrySettings(first_delay=0, read_timeout=2)


def build_metadata(downloaded: DownloadedObject, _: Destination) -> Mapping[str, Any]:
    content = downloaded.content
    return {"size": content.size, "sha256": content.sha256, "media": dict(downloaded.media)}


def publish(origin: FaultyOrigin, *, uri: str = URI, **options: Any) -> None:
    options = {"build_metadata": build_metadata, "retry": FAST_RETRY, "sleep": lambda _: None} | options
    copy_object(origin.url, [place(uri)], access=any_address, **options)


@pytest.mark.parametrize("size", [1_000, 500_000, BLOCK_BYTES, 2 * BLOCK_BYTES + 12_345])
def test_whole_objects_of_any_size(s3: Any, size: int) -> None:
    content = mp4_of_size(size, content=bytes(range(256)) * (size // 1_000))
    with FaultyOrigin(content, script=[Turn(kind="cut", at=size // 2)], sums=("md5",)) as origin:
        publish(origin)
    s3.invalidate_cache()
    assert s3.cat_file("bucket/en.mp4") == content
    assert json.loads(s3.cat_file("bucket/en.mp4.json"))["size"] == size
    assert s3.info("bucket/en.mp4")["ContentType"] == "video/mp4"
    assert not unfinished_uploads(s3)


@pytest.mark.parametrize("size", [100_000, 2 * BLOCK_BYTES + 12_345])
@pytest.mark.parametrize("before", [None, b"before"])
def test_a_download_that_ends_early_leaves_nothing_behind(s3: Any, size: int, before: bytes | None) -> None:
    if before:
        s3.pipe_file("bucket/en.mp4", before)
    broken = [Turn(kind="cut", at=size - 1000), *[Turn(kind="refuse")] * 8]
    for options in ({"script": broken}, {"script": [Turn(kind="flip", at=7)], "sums": ("md5",)}):
        with FaultyOrigin(mp4_of_size(size), **options) as origin, pytest.raises(TransportError):  # type: ignore[arg-type]
            publish(origin)
        s3.invalidate_cache()
        assert s3.find("bucket") == (["bucket/en.mp4"] if before else [])
        assert not before or s3.cat_file("bucket/en.mp4") == before
        assert not unfinished_uploads(s3)


def test_a_source_in_the_store_is_edited_and_published(s3: Any) -> None:
    content, longer = mp4_of_size(2 * BLOCK_BYTES + 12_345), b"\0\0\0\x0dfreeADDED"
    s3.pipe_file("bucket/pieces/long.mp4", content)

    def append(source: Path, target: Path) -> Mapping[str, Any]:
        target.write_bytes(source.read_bytes() + longer)
        return {}

    def copy(edit: MediaEdit) -> None:
        copy_object(
            place("s3://weed@bucket/pieces/long.mp4"), [place(URI)], build_metadata=build_metadata, edits=[edit]
        )

    copy(MediaEdit(name="append", settings={}, apply=append))
    s3.invalidate_cache()
    assert s3.cat_file("bucket/en.mp4") == content + longer
    assert s3.info("bucket/en.mp4")["ContentType"] == "video/mp4"
    assert json.loads(s3.cat_file("bucket/en.mp4.json"))["size"] == len(content) + len(longer)
    assert not unfinished_uploads(s3)


def test_a_source_in_the_store_that_is_replaced(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.pipe_file("bucket/pieces/long.mp4", mp4_of_size(2 * BLOCK_BYTES))
    cat_file = s3.cat_file

    def replace_first(path: str, **options: Any) -> Any:
        if options.get("start"):
            s3.pipe_file(path, mp4_of_size(2 * BLOCK_BYTES, content=b"other"))
        return cat_file(path, **options)

    monkeypatch.setattr(s3, "cat_file", replace_first)
    with pytest.raises(ChangedSourceError, match="replaced while it was read"):
        copy_object(place("s3://weed@bucket/pieces/long.mp4"), [place(URI)], build_metadata=build_metadata)
    s3.invalidate_cache()
    assert s3.find("bucket") == ["bucket/pieces/long.mp4"]


def test_nothing_is_seen_before_the_end(s3: Any) -> None:
    with FaultyOrigin(mp4_of_size(2 * BLOCK_BYTES)) as origin:
        seen: list[list[str]] = []

        def record_names() -> None:
            s3.invalidate_cache()
            seen.append(s3.find("bucket"))

        def record_and_build_metadata(downloaded: DownloadedObject, destination: Destination) -> Mapping[str, Any]:
            record_names()
            return build_metadata(downloaded, destination)

        publish(origin, build_metadata=record_and_build_metadata, on_object_visible=record_names)
    assert seen == [[], ["bucket/en.mp4"]]


def test_the_first_of_its_name(s3: Any) -> None:
    with FaultyOrigin(CONTENT) as origin:
        publish(origin, if_exists="fail")
        with pytest.raises(InputError, match="exists already"):
            publish(origin, if_exists="fail")
    atomic_object = open_atomic_object(place(URI), create_only=True)
    atomic_object.write(b"too late")
    atomic_object.seal()
    with pytest.raises(FileExistsError):
        atomic_object.commit()
    atomic_object.discard()
    assert s3.cat_file("bucket/en.mp4") == CONTENT
    assert not unfinished_uploads(s3)


def test_the_same_is_skipped(s3: Any) -> None:
    with FaultyOrigin(CONTENT) as origin:
        publish(origin)
        changed = s3.info("bucket/en.mp4")["LastModified"]
        publish(origin, if_exists="skip_same")
        s3.invalidate_cache()
        assert s3.info("bucket/en.mp4")["LastModified"] == changed
    assert not unfinished_uploads(s3)


def test_a_bucket_that_is_not_there(s3: Any) -> None:
    with FaultyOrigin(CONTENT) as origin, pytest.raises(TransportError, match="cannot be published"):
        publish(origin, uri="s3://weed@nowhere/en.mp4")


def test_oss_speaks_to_buckets_as_subdomains(s3_server: Seaweed, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the options that OSS requires: no bucket in the path, and no checksum after the body.

    Except the signature: SeaweedFS accepts version 2 only with the bucket in the path.
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
        "endpoint": f"http://{DOMAIN}:{s3_server.port}",
        "region": "us-east-1",
        "signature_version": "s3v4",
    }
    monkeypatch.setenv("AIRFLOW_CONN_MY_OSS", json.dumps({"conn_type": "oss", "extra": extra}))
    fs = get_fs("my_oss")
    # The first request makes the client that the others use.
    fs.exists("bucket")
    sent: list[Any] = []
    fs.s3.meta.events.register("before-send.s3", lambda request, **_: sent.append(request))
    register_paths()
    content = mp4_of_size(BLOCK_BYTES + 1000)
    with FaultyOrigin(content) as origin, attached("oss", my_oss=fs):
        publish(origin, uri="oss://my_oss@bucket/of oss/en.mp4", if_exists="fail")
        publish(origin, uri="oss://my_oss@bucket/of oss/en.mp4")
    s3.invalidate_cache()
    assert s3.cat_file("bucket/of oss/en.mp4") == content
    assert s3.info("bucket/of oss/en.mp4")["ContentType"] == "video/mp4"
    assert not unfinished_uploads(s3)
    assert {request.url.split("/")[2] for request in sent} == {f"bucket.{DOMAIN}:{s3_server.port}"}
    assert len(sent) > 10
    for request in sent:
        names = {name.lower() for name in request.headers}
        assert not names & {"x-amz-trailer", "x-amz-sdk-checksum-algorithm", "content-encoding", "if-none-match"}
