"""A source that lies in a store: the video that another task joined there."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from object_store import ObjectStore, attached
from small_mp4 import mp4

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.outbound import read_budget
from airflow_provider_videoretalk.outbound.download import ChangedSourceError
from airflow_provider_videoretalk.publishing import stored_source
from airflow_provider_videoretalk.publishing.media_inspection import UnexpectedMediaError

# More than two parts of 8 MB.
CONTENT = mp4(bytes(range(256)) * 70_000, seconds=240.0)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LOCATION, KEY = "s3://mine@bucket/pieces/long.mp4", "bucket/pieces/long.mp4"

pytestmark = pytest.mark.usefixtures("sources_on_this_machine")


@pytest.fixture
def stores() -> Iterator[tuple[ObjectStore, ObjectStore]]:
    mine, other = ObjectStore(), ObjectStore()
    mine.objects[KEY] = other.objects[KEY] = CONTENT
    with attached(mine=mine, other=other):
        yield mine, other


def source(**fields: Any) -> dict[str, Any]:
    """The return value of a task that joined a video."""
    joined = {"task_id": "t4", "request_id": "r4", "status": "SUCCEEDED", "video_url": None, "expires_at": None}
    return joined | {"video_location": LOCATION, "billed_seconds": 244.0, "seconds": 240.0} | fields


def publish(given: Any, context: dict[str, Any], **options: Any) -> dict[str, Any]:
    options = {"destination": "s3://mine@bucket/videos/"} | options
    returned: dict[str, Any] = PublishMediaOperator(task_id="publish", source=given, **options).execute(context)
    return returned


def test_it_is_streamed_and_looked_at(stores: tuple[ObjectStore, ObjectStore], context: dict[str, Any]) -> None:
    returned = publish(source(), context)
    assert stores[0].objects["bucket/videos/t4.mp4"] == CONTENT
    assert returned["uri"] == "s3://mine@bucket/videos/t4.mp4"
    assert (returned["sha256"], returned["verified"]) == (SHA256, ["length"])
    assert (returned["task_id"], returned["billed_seconds"]) == ("t4", 244.0)
    assert returned["media"]["seconds"] == 240.0
    assert not stores[1].steps


def test_a_file(tmp_path: Path, context: dict[str, Any]) -> None:
    piece = tmp_path / "pieces" / "a b.mp4"
    piece.parent.mkdir()
    piece.write_bytes(CONTENT)
    returned = publish(source(video_location=piece.as_uri()), context, destination=f"{tmp_path.as_uri()}/")
    assert (tmp_path / "t4.mp4").read_bytes() == CONTENT
    assert returned["verified"] == ["length"]


@pytest.mark.parametrize("fits", [True, False])
def test_its_metadata_file_gives_its_sum(
    stores: tuple[ObjectStore, ObjectStore], context: dict[str, Any], fits: bool
) -> None:
    described = {"size": len(CONTENT), "sha256": SHA256 if fits else SHA256[::-1]}
    stores[0].objects[f"{KEY}.json"] = json.dumps(described).encode()
    if fits:
        assert publish(source(), context)["verified"] == ["length", "sha256"]
        return
    with pytest.raises(TransportError, match="differs from the source: its sha256 is"):
        publish(source(), context)
    assert "bucket/videos/t4.mp4" not in stores[0].objects


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-100], "^source is an MP4 file that is cut"),
        (mp4(seconds=100.0), r"^source is a file of 100\.00 s, where 240\.00 s were billed or measured"),
        (b"<html>no</html>" * 100, "^source is an HTML page"),
        (None, "^InvalidURL: source cannot be read from the store"),
    ],
)
def test_what_is_not_the_video_is_not_published(
    stores: tuple[ObjectStore, ObjectStore], context: dict[str, Any], content: bytes | None, message: str
) -> None:
    stores[0].objects = {} if content is None else {KEY: content}
    with pytest.raises((UnexpectedMediaError, InputError), match=message):
        publish(source(), context)
    assert set(stores[0].objects) <= {KEY}
    assert not stores[0].uploads


def test_a_video_that_is_replaced_while_it_is_read(
    stores: tuple[ObjectStore, ObjectStore], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cat_file = ObjectStore.cat_file

    def replace_after(self: ObjectStore, path: str, start: Any = None, end: Any = None, **options: Any) -> bytes:
        part = cat_file(self, path, start, end, **options)
        if start:
            self.objects[path] = CONTENT[:-1] + b"!"
        return part

    monkeypatch.setattr(ObjectStore, "cat_file", replace_after)
    with pytest.raises(
        ChangedSourceError, match=r"replaced while it was read\. Nothing was published; run the task again"
    ):
        publish(source(), context)
    assert set(stores[0].objects) == {KEY}


def test_a_listing_that_the_library_keeps_does_not_hide_that(
    stores: tuple[ObjectStore, ObjectStore], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor that the video is another one than when the library looked before."""
    kept: dict[str, Any] = {}
    info, cat_file = ObjectStore.info, ObjectStore.cat_file

    def keeping(self: ObjectStore, path: str, **options: Any) -> dict[str, Any]:
        return kept.setdefault(path, info(self, path, **options))

    def replace_after(self: ObjectStore, path: str, start: Any = None, end: Any = None, **options: Any) -> bytes:
        part = cat_file(self, path, start, end, **options)
        self.objects[KEY] = CONTENT[:-1] + b"!"
        return part

    monkeypatch.setattr(ObjectStore, "invalidate_cache", lambda self, path=None: kept.clear())
    monkeypatch.setattr(ObjectStore, "info", keeping)
    kept[KEY] = {"size": 7, "type": "file"}
    assert publish(source(), context)["size"] == len(CONTENT)
    monkeypatch.setattr(ObjectStore, "cat_file", replace_after)
    with pytest.raises(ChangedSourceError, match="replaced while it was read"):
        publish(source(), context)


def test_each_byte_is_asked_for_once(
    stores: tuple[ObjectStore, ObjectStore], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none after the last one, which S3 would refuse."""
    asked: list[tuple[int, int]] = []
    cat_file = ObjectStore.cat_file

    def noting(self: ObjectStore, path: str, start: Any = None, end: Any = None, **options: Any) -> bytes:
        if path == KEY:
            asked.append((start, end))
        return cat_file(self, path, start, end, **options)

    monkeypatch.setattr(ObjectStore, "cat_file", noting)
    publish(source(), context)
    part = 8 * 2**20
    assert asked == [(0, part), (part, 2 * part), (2 * part, len(CONTENT))]


def test_a_video_may_need_any_number_of_requests_and_any_time(
    stores: tuple[ObjectStore, ObjectStore], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlike a look at a file, which has limits."""
    hours = itertools.count(step=3600)
    monkeypatch.setattr(read_budget, "time", SimpleNamespace(monotonic=lambda: float(next(hours))))
    monkeypatch.setattr(stored_source, "BLOCK_BYTES", len(CONTENT) // 100)
    assert publish(source(), context)["sha256"] == SHA256


def test_the_same_video_is_kept_by_its_bytes(stores: tuple[ObjectStore, ObjectStore], context: dict[str, Any]) -> None:
    """The render job names the last piece only: another piece may have been made again."""
    first = publish(source(), context, if_exists="skip_same")
    assert publish(source(), context, if_exists="skip_same") == first
    stores[0].objects[KEY] = mp4(b"other", seconds=240.0)
    again = publish(source(), context, if_exists="skip_same")
    assert again["sha256"] != first["sha256"]
    assert stores[0].objects["bucket/videos/t4.mp4"] == mp4(b"other", seconds=240.0)


@pytest.mark.parametrize(
    ("location", "options", "message"),
    [
        ("s3://other@bucket/pieces/long.mp4", {}, "in another store than the task's destinations"),
        ("s3://mine@secret/long.mp4", {}, "in another store than the task's destinations"),
        (LOCATION, {"allowed_destinations": "s3://mine@bucket/videos/"}, "allowed is s3://mine@bucket/videos/"),
        ("s3://mine@bucket/videos/../pieces/long.mp4", {"allowed_destinations": "s3://mine@bucket/videos/"}, "allowed"),
        ("file:///etc/hostname", {}, "in another store than the task's destinations"),
        ("/etc/hostname", {}, "in another store than the task's destinations"),
        ("file:///etc/hostname", {"allowed_destinations": "remote"}, "video_location is '/etc/hostname', allowed is"),
        ("http://v.example/long.mp4", {}, "allowed is the URI of an object in a store"),
        ("https://v.example/long.mp4", {}, "allowed is the URI of an object in a store"),
        ("s3://mine@bucket/pieces/", {}, "allowed is the URI of an object in a store"),
        (["s3://mine@bucket/a.mp4"], {}, "allowed is a text"),
        ({"video_location": LOCATION}, {}, "allowed is a text"),
        (7, {}, "allowed is a text"),
    ],
)
def test_a_forged_location_opens_no_other_store(
    stores: tuple[ObjectStore, ObjectStore],
    context: dict[str, Any],
    location: Any,
    options: dict[str, Any],
    message: str,
) -> None:
    """An XCom can be changed by others than the DAG's author."""
    with pytest.raises(InputError, match=message):
        publish(source(video_location=location), context, **options)
    assert not stores[0].steps
    assert not stores[1].steps


def test_a_location_without_a_connection_is_in_the_tasks_store(
    stores: tuple[ObjectStore, ObjectStore], context: dict[str, Any]
) -> None:
    options = {"destination": "s3://bucket/videos/", "storage_conn_id": "mine"}
    assert publish(source(video_location="s3://bucket/pieces/long.mp4"), context, **options)["sha256"] == SHA256
    assert not stores[1].steps


def test_another_store_that_the_author_allows(stores: tuple[ObjectStore, ObjectStore], context: dict[str, Any]) -> None:
    allowed = ["s3://mine@bucket/videos/", "s3://other@bucket/pieces/"]
    given = source(video_location="s3://other@bucket/pieces/long.mp4")
    assert publish(given, context, allowed_destinations=allowed)["sha256"] == SHA256


def test_a_location_that_a_template_wrote_must_be_an_allowed_source(
    stores: tuple[ObjectStore, ObjectStore], context: dict[str, Any]
) -> None:
    task = PublishMediaOperator(
        task_id="publish",
        source={"task_id": "t4", "video_location": "{{ params.location }}"},  # type: ignore[typeddict-item]
        destination="s3://mine@bucket/videos/",
        allowed_sources="s3://mine@bucket/elsewhere/",
    )
    task.source["video_location"] = LOCATION  # type: ignore[index, typeddict-unknown-key]
    with pytest.raises(InputError, match=r"^source is .*allowed_sources"):
        task.execute(context)
