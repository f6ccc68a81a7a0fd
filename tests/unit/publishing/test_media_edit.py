"""Edits between the download and the upload."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import tempfile
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faulty_origin import FaultyOrigin, Turn
from full_disk import no_file_larger_than
from object_store import ObjectStore, attached, place
from small_mp4 import around, mp4

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, DashScopeError, TransportError
from airflow_provider_videoretalk.outbound.download import RetrySettings
from airflow_provider_videoretalk.outbound.host_access import any_address
from airflow_provider_videoretalk.publishing.atomic_object import Destination
from airflow_provider_videoretalk.publishing.expected_media import ExpectedMedia
from airflow_provider_videoretalk.publishing.media_edit import EditError, MediaEdit, edits_digest, working_folder
from airflow_provider_videoretalk.publishing.media_inspection import UnexpectedMediaError
from airflow_provider_videoretalk.publishing.object_metadata import describe_object
from airflow_provider_videoretalk.publishing.transfer import DownloadedObject, PublishedObject, copy_object

CONTENT = mp4(bytes(range(256)) * 100)
FIRST, SECOND = b"\0\0\0\x0dfreeFIRST", b"\0\0\0\x0efreeSECOND"
ONE, KEY = "s3://one@bucket/en.mp4", "bucket/en.mp4"
SAME_JOB: dict[str, Any] = {"if_exists": "skip_same", "identity": {"task_id": "t1"}}


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    store = ObjectStore()
    with attached(one=store):
        yield store


@pytest.fixture(autouse=True)
def working(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, which is empty after each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def appending(box: bytes, *, name: str = "box", value: object = 1, **fields: Any) -> MediaEdit:
    """An edit that adds a box to the end of a file."""

    def apply(source: Path, target: Path) -> Mapping[str, Any]:
        target.write_bytes(source.read_bytes() + box)
        return fields

    return MediaEdit(name=name, settings={"value": value}, apply=apply)


def failing(error: Exception) -> MediaEdit:
    def apply(source: Path, target: Path) -> Mapping[str, Any]:
        target.write_bytes(source.read_bytes()[:100])
        raise error

    return MediaEdit(name="subtitles", settings={}, apply=apply)


def cut(source: Path, target: Path) -> Mapping[str, Any]:
    target.write_bytes(source.read_bytes()[:9_000])
    return {}


CUTTING = MediaEdit(name="cut", settings={}, apply=cut)


def copied(origin: FaultyOrigin, *uris: str, **options: Any) -> list[PublishedObject]:
    def build_metadata(downloaded: DownloadedObject, destination: Destination) -> Mapping[str, Any]:
        return describe_object(downloaded, uri=str(destination), source={"task_id": "t1", "aigc": "claimed"})

    retry = RetrySettings(first_delay=0, read_timeout=1.5)
    paths = [place(uri) for uri in uris or (ONE,)]
    options = {"build_metadata": build_metadata, "retry": retry, "sleep": lambda _: None} | options
    return copy_object(origin.url, paths, access=any_address, **options)


def test_what_the_last_edit_wrote_is_published(
    tmp_path: Path, store: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    edits = [appending(FIRST, name="first", first=1), appending(SECOND, name="second", second="é")]
    with FaultyOrigin(CONTENT, script=[Turn(kind="cut", at=9_000)], sums=("md5",)) as origin:
        found = copied(origin, ONE, (tmp_path / "en.mp4").as_uri(), edits=edits)
    expected = CONTENT + FIRST + SECOND
    assert store.objects[KEY] == (tmp_path / "en.mp4").read_bytes() == expected
    metadata = json.loads(store.objects[f"{KEY}.json"])
    assert metadata == found[0].metadata
    assert (metadata["size"], metadata["sha256"]) == (len(expected), hashlib.sha256(expected).hexdigest())
    assert metadata["verified"] == ["length", "md5"]
    assert metadata["media"]["seconds"] == 3.0
    assert (metadata["first"], metadata["second"]) == (1, "é")
    assert metadata["edits"]["names"] == ["first", "second"]
    assert metadata["edits"]["original"] == {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    assert store.opened[0]["ContentType"] == "video/mp4"
    assert caplog.text.count("The download was resumed") == 1


def test_no_edit_no_field(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to the disk, and a return value can claim no marks."""
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *_, **__: pytest.fail("a working copy"))
    with FaultyOrigin(CONTENT) as origin:
        (found,) = copied(origin)
    assert not {"edits", "aigc"} & set(found.metadata)


def test_the_same_edits_of_the_same_job_are_kept(store: ObjectStore) -> None:
    with FaultyOrigin(CONTENT) as origin:
        (first,) = copied(origin, edits=[appending(FIRST)])
        (again,) = copied(origin, edits=[appending(FIRST)], **SAME_JOB)
        assert (again.kept, again.metadata) == (True, first.metadata)
        assert len(origin.requests) == 1


@pytest.mark.parametrize(
    "edits",
    [[], [appending(SECOND, value=2)], [appending(SECOND, name="other")], [appending(FIRST), appending(SECOND)]],
)
def test_other_edits_of_the_same_job_replace(store: ObjectStore, edits: list[MediaEdit]) -> None:
    with FaultyOrigin(CONTENT) as origin:
        copied(origin, edits=[appending(FIRST)])
        (again,) = copied(origin, edits=edits, **SAME_JOB)
        assert not again.kept
        written = store.objects[KEY]
        assert written != CONTENT + FIRST
        assert copied(origin, edits=edits, **SAME_JOB)[0].kept
        copied(origin, edits=[appending(FIRST)], **SAME_JOB)
    assert store.objects[KEY] == CONTENT + FIRST


def test_the_same_bytes_of_another_job_are_not_edited_again(store: ObjectStore) -> None:
    with FaultyOrigin(CONTENT, mp4(b"other"), script=[Turn(), Turn(), Turn(kind="swap")]) as origin:
        copied(origin, edits=[appending(FIRST)])
        never = failing(AssertionError("edited again"))
        same = MediaEdit(name="box", settings={"value": 1}, apply=never.apply)
        other_job = SAME_JOB | {"identity": {"task_id": "t2"}}
        assert copied(origin, edits=[same], **other_job)[0].kept
        assert len(origin.requests) == 2
        assert not copied(origin, edits=[appending(FIRST)], **other_job)[0].kept
    assert store.objects[KEY] == mp4(b"other") + FIRST


@pytest.mark.parametrize(
    ("edit", "kind", "message", "retryable"),
    [
        (
            failing(ValueError("no track")),
            EditError,
            "subtitles could not be applied .*: ValueError: no track",
            False,
        ),
        (failing(ConfigurationError("no key")), ConfigurationError, "no key", False),
        (
            MediaEdit(name="aigc_label", settings={}, apply=lambda *_: {}),
            EditError,
            r"aigc_label wrote no file\. Nothing was published",
            False,
        ),
        (CUTTING, UnexpectedMediaError, "the edited file is an MP4 file that is cut after", True),
    ],
)
def test_a_failing_edit_publishes_nothing(
    tmp_path: Path, store: ObjectStore, edit: MediaEdit, kind: type[DashScopeError], message: str, retryable: bool
) -> None:
    with FaultyOrigin(CONTENT) as origin:
        copied(origin)
        before = dict(store.objects)
        with pytest.raises(kind, match=message) as caught:
            copied(origin, ONE, (tmp_path / "en.mp4").as_uri(), edits=[appending(FIRST), edit])
    assert caught.value.retryable is retryable
    assert store.objects == before
    assert not store.uploads
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]


def test_wrong_bytes_are_not_edited(store: ObjectStore) -> None:
    never = failing(AssertionError("edited"))
    with FaultyOrigin(CONTENT, script=[Turn(kind="flip", at=77)], sums=("md5",)) as origin:
        with pytest.raises(TransportError, match="differs from the source"):
            copied(origin, edits=[never])
        with pytest.raises(UnexpectedMediaError, match=r"source is a file of 3\.00 s"):
            copied(origin, edits=[never], expected=ExpectedMedia(kinds=("video",), seconds=9))
    assert not store.objects


@pytest.mark.parametrize("limit", [10_000, len(CONTENT) + 10])
def test_a_full_disk(working: Path, store: ObjectStore, limit: int) -> None:
    """While the download is written, and while an edit is."""
    with FaultyOrigin(CONTENT) as origin, no_file_larger_than(limit), pytest.raises(EditError) as caught:
        copied(origin, edits=[appending(FIRST)])
    assert str(caught.value).startswith(f"{working} has no room for the working copies of the file: one has ")
    assert "set TMPDIR" in caught.value.remedy
    assert caught.value.retryable
    assert not store.objects


@pytest.mark.parametrize(
    ("missing", "message"),
    [(0, "could not be applied .*: ValueError: broken pipe"), (1, "has no room for the working")],
)
def test_a_tool_fails_in_its_own_way_on_a_full_disk(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, missing: int, message: str
) -> None:
    """FFmpeg's error does not say so. A disk with room for another copy is not full."""
    free = len(CONTENT) - missing
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with FaultyOrigin(CONTENT) as origin, pytest.raises(EditError, match=message):
        copied(origin, edits=[failing(ValueError("broken pipe"))])


def test_a_disk_without_room_for_a_first_byte(working: Path) -> None:
    with pytest.raises(EditError, match=f"^{working} has no room .*: one has 0 bytes so far"), working_folder():
        raise OSError(errno.ENOSPC, "no space left")


def test_another_error_of_the_disk_stays_as_it_is() -> None:
    with pytest.raises(OSError, match="worn out"), working_folder():
        raise OSError(errno.EIO, "worn out")


def test_two_copies_at_a_time_in_a_folder_that_is_known_by_its_name(store: ObjectStore) -> None:
    """A process that is killed leaves it."""
    seen: list[tuple[str, int]] = []

    def note(source: Path, target: Path) -> Mapping[str, Any]:
        target.write_bytes(source.read_bytes())
        seen.append((target.parent.name.partition("-")[0], len(list(target.parent.iterdir()))))
        return {}

    edit = MediaEdit(name="note", settings={}, apply=note)
    with FaultyOrigin(CONTENT) as origin:
        copied(origin, edits=[edit, edit, edit])
    assert seen == [("videoretalk", 2)] * 3


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def apply(source: Path, target: Path) -> Mapping[str, Any]:
        source.rename(target)
        source.touch()
        return {}

    before, after = around(64 << 20)
    with FaultyOrigin(before + bytes(64 << 20) + after) as origin:
        tracemalloc.start()
        copied(origin, (tmp_path / "en.mp4").as_uri(), edits=[MediaEdit(name="moved", settings={}, apply=apply)])
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    assert peak < 40


def test_the_settings_have_a_digest_that_is_stored() -> None:
    """In any order of their names. A later release compares it with its own."""

    def unchanged(source: Path, target: Path) -> Mapping[str, Any]:
        return {}

    orders: list[dict[str, Any]] = [{"a": 1, "b": "x"}, {"b": "x", "a": 1}]
    digests = {edits_digest([MediaEdit(name="mark", settings=each, apply=unchanged)]) for each in orders}
    # Of [["mark", {"a": 1, "b": "x"}]].
    assert digests == {hashlib.sha256(b'[["mark", {"a": 1, "b": "x"}]]').hexdigest()}
    assert edits_digest([]) is None
