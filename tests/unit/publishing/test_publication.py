"""An object and its metadata file: both or neither, and never the metadata of another object."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from object_store import ObjectStore, Step, attached, place

from airflow_provider_videoretalk.airflow_adapters.oss_filesystem import register_paths
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError, TransportError
from airflow_provider_videoretalk.publishing.atomic_object import BLOCK_BYTES, open_atomic_object
from airflow_provider_videoretalk.publishing.publication import Publication, read_metadata, remove_published

NEW, OLD = b"new" * 1000, b"old"
URI = "s3://mine@bucket/en.mp4"
KEY, METADATA_KEY = "bucket/en.mp4", "bucket/en.mp4.json"


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    store = ObjectStore()
    with attached(mine=store):
        yield store


def metadata_for(content: bytes) -> bytes:
    return json.dumps({"size": len(content), "said": content.decode()[:3]}).encode()


def publish(
    uri: str = URI, *, content: bytes = NEW, create_only: bool = False, on_object_visible: Any = lambda: None
) -> None:
    publication = Publication(place(uri), content_type="video/mp4", create_only=create_only)
    try:
        publication.write(content)
        publication.seal(json.loads(metadata_for(content)))
        publication.commit(on_object_visible=on_object_visible)
    finally:
        publication.discard()


def holds(store: ObjectStore, content: bytes | None, of: bytes | None) -> None:
    """Checks that the store holds only an object, and the metadata for ``of``."""
    wanted = {KEY: content} if content is not None else {}
    wanted |= {METADATA_KEY: metadata_for(of)} if of is not None else {}
    assert {name: json.loads(found) if name == METADATA_KEY else found for name, found in store.objects.items()} == {
        name: json.loads(found) if name == METADATA_KEY else found for name, found in wanted.items()
    }


def test_both_appear_the_object_first(store: ObjectStore) -> None:
    seen: list[set[str]] = []
    publish(on_object_visible=lambda: seen.append(set(store.objects)))
    holds(store, NEW, of=NEW)
    assert seen == [{KEY}]
    assert [(each["path"], each["autocommit"], each["block_size"]) for each in store.opened] == [
        (KEY, False, BLOCK_BYTES),
        (METADATA_KEY, False, BLOCK_BYTES),
    ]
    assert not store.uploads


def test_nothing_appears_before_both_are_at_the_store(store: ObjectStore) -> None:
    publication = Publication(place(URI))
    publication.write(NEW)
    publication.seal({})
    assert not store.objects
    publication.discard()
    assert not store.objects
    assert not store.uploads


FAILURES: list[tuple[Step, str]] = [
    ("open", "en.mp4"),
    ("close", "en.mp4"),
    ("open", ".json"),
    ("close", ".json"),
    ("commit", "en.mp4"),
    ("commit", ".json"),
    ("info", "en.mp4"),
]


@pytest.mark.parametrize(("step", "name"), FAILURES)
def test_neither_where_nothing_was(store: ObjectStore, step: Step, name: str) -> None:
    store.fail(step, name)
    with pytest.raises(TransportError, match=rf"{name} cannot be published: the store failed with OSError") as caught:
        publish()
    holds(store, None, of=None)
    assert not store.uploads, "an unfinished upload costs money"
    assert str(caught.value.__cause__) == "the store is down"


@pytest.mark.parametrize(("step", "name"), [*FAILURES, ("read", ".json"), ("remove", ".json")])
def test_the_older_pair_or_an_object_without_a_json(store: ObjectStore, step: Step, name: str) -> None:
    store.objects |= {KEY: OLD, METADATA_KEY: metadata_for(OLD)}
    store.fail(step, name)
    with pytest.raises(TransportError) as caught:
        publish()
    if (step, name) == ("commit", ".json"):
        holds(store, NEW, of=None)
        assert "itself was replaced and now has no metadata" in str(caught.value)
    else:
        holds(store, OLD, of=OLD)
    assert not store.uploads


def test_the_older_metadata_comes_back_as_json(store: ObjectStore) -> None:
    store.objects |= {KEY: OLD, METADATA_KEY: metadata_for(OLD)}
    store.fail("commit", "en.mp4")
    with pytest.raises(TransportError):
        publish()
    restored = store.opened[-1]
    assert (restored["path"], restored["ContentType"]) == (METADATA_KEY, "application/json")


def test_an_object_that_had_no_metadata_gets_none_back(store: ObjectStore, caplog: pytest.LogCaptureFixture) -> None:
    store.objects[KEY] = OLD
    store.fail("commit", "en.mp4")
    with pytest.raises(TransportError):
        publish()
    holds(store, OLD, of=None)
    assert not caplog.records


def test_the_metadata_never_describes_another_object(store: ObjectStore) -> None:
    store.objects |= {KEY: OLD, METADATA_KEY: metadata_for(OLD)}
    at = store.at

    def watched(step: Step, path: str) -> None:
        at(step, path)
        if METADATA_KEY in store.objects:
            assert store.objects[METADATA_KEY] == metadata_for(store.objects[KEY])

    store.at = watched  # type: ignore[method-assign]
    publish(on_object_visible=lambda: holds(store, NEW, of=None))
    holds(store, NEW, of=NEW)


def test_a_process_that_ends_in_between_takes_the_first_object_back(store: ObjectStore) -> None:
    def end() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        publish(on_object_visible=end)
    holds(store, None, of=None)


def test_a_commit_whose_answer_was_lost(store: ObjectStore) -> None:
    """The new object may be there: then the older metadata must not be restored."""
    store.objects |= {KEY: OLD, METADATA_KEY: metadata_for(OLD)}
    store.fail("commit", "en.mp4")
    at = store.at

    def late(step: Step, path: str) -> None:
        if step == "commit":
            store.objects[KEY] = NEW
        at(step, path)

    store.at = late  # type: ignore[method-assign]
    with pytest.raises(TransportError):
        publish()
    holds(store, NEW, of=None)


def test_what_cannot_be_undone_is_logged(store: ObjectStore, caplog: pytest.LogCaptureFixture) -> None:
    store.fail("commit", ".json")
    store.fail("remove", "en.mp4")
    with pytest.raises(TransportError, match=r"en\.mp4\.json cannot be published"):
        publish()
    assert "An object without metadata remains at s3://mine@bucket/en.mp4: OSError" in caplog.text


def test_an_upload_that_cannot_be_discarded_is_logged(store: ObjectStore, caplog: pytest.LogCaptureFixture) -> None:
    store.fail("close", "en.mp4")
    store.fail("discard", "en.mp4", ValueError("s3://bucket?Signature=secret"))
    with pytest.raises(TransportError):
        publish()
    assert (
        "The unfinished upload to s3://mine@bucket/en.mp4 could not be cancelled and remains: ValueError" in caplog.text
    )
    assert "secret" not in caplog.text


@pytest.mark.parametrize("already", [False, True])
def test_a_key_that_may_only_write(store: ObjectStore, already: bool) -> None:
    store.objects |= {KEY: OLD, METADATA_KEY: metadata_for(OLD)} if already else {}
    for step in ("info", "read", "remove"):
        store.fail(step, "", PermissionError())
    publish()
    holds(store, NEW, of=NEW)


@pytest.mark.parametrize(
    ("scheme", "option"),
    [
        ("s3", "ContentType"),
        ("s3a", "ContentType"),
        ("oss", "ContentType"),
        ("gs", "content_type"),
        ("gcs", "content_type"),
    ],
)
def test_the_content_type_of_each_store(scheme: str, option: str) -> None:
    register_paths()
    store = ObjectStore()
    with attached(scheme, mine=store):
        publish(f"{scheme}://mine@bucket/en.mp4")
    assert [each[option] for each in store.opened] == ["video/mp4", "application/json"]


def test_no_content_type_for_a_store_that_keeps_none() -> None:
    store = ObjectStore()
    with attached("abfs", mine=store):
        publish("abfs://mine@bucket/en.mp4")
    assert len(store.opened) == 2
    assert not [name for each in store.opened for name in each if "type" in name.lower()]


def test_no_content_type_that_is_not_known(store: ObjectStore) -> None:
    open_atomic_object(place(URI)).discard()
    assert "ContentType" not in store.opened[0]


def test_a_part_of_an_upload_has_8_mb(store: ObjectStore) -> None:
    """It is in memory until it is complete."""
    publication = Publication(place(URI))
    publication.write(bytes(8 * 2**20 - 1))
    assert ("write", "en.mp4") not in store.steps
    publication.write(b"!")
    assert ("write", "en.mp4") in store.steps
    publication.discard()


def test_a_refusal_is_not_worth_another_try(store: ObjectStore) -> None:
    store.fail("close", "en.mp4", PermissionError())
    with pytest.raises(TransportError, match="PermissionError") as caught:
        publish()
    assert not caught.value.retryable


@pytest.mark.parametrize("size", [0, 10, 2 * BLOCK_BYTES + 10])
def test_a_store_that_commits_whatever_is_closed(size: int) -> None:
    """As Azure's does: a discarded file must not be closed, not even by the garbage collector."""
    store = ObjectStore(commits_at_close=True)
    with attached(mine=store):
        publication = Publication(place(URI))
        publication.write(bytes(size))
        publication.discard()
        del publication
        assert not store.objects
        publish(on_object_visible=lambda: holds(store, NEW, of=None))
    holds(store, NEW, of=NEW)


def test_a_file_that_is_none_of_fsspecs_own(store: ObjectStore, tmp_path: Path) -> None:
    """As SFTP's is: commit and discard are attributes of the instance, and ``closed`` cannot be set."""

    class File:
        closed = property(lambda _: False)

        def __init__(self) -> None:
            self.done: list[str] = []
            self.write = self.done.append
            self.close, self.commit, self.discard = (
                lambda: self.done.append("close"),
                lambda: self.done.append("commit"),
                lambda: self.done.append("discard"),
            )

    kept, given_up = File(), File()
    files = iter((kept, given_up))
    store.open = lambda *_, **__: next(files)  # type: ignore[method-assign]
    atomic_object = open_atomic_object(place(URI))
    atomic_object.seal()
    atomic_object.commit()
    atomic_object.discard()
    open_atomic_object(place(URI)).discard()
    assert (kept.done, given_up.done) == (["close", "commit"], ["discard"])


@pytest.mark.parametrize("methods", [(), ("commit",), ("discard",)])
def test_a_store_whose_files_cannot_be_held_back(store: ObjectStore, methods: tuple[str, ...]) -> None:
    file = SimpleNamespace(**dict.fromkeys(("write", "close", *methods)))
    store.open = lambda *_, **__: file  # type: ignore[method-assign]
    with pytest.raises(
        ConfigurationError, match=r"s3://mine@bucket/en\.mp4 is in a store that shows objects before they are complete"
    ):
        open_atomic_object(place(URI))


@pytest.mark.parametrize(("scheme", "mode"), [("s3", "xb"), ("s3a", "xb"), ("oss", "wb"), ("gs", "wb")])
def test_a_store_that_is_asked_to_replace_nothing(scheme: str, mode: str) -> None:
    """The libraries of the others would refuse, or ignore it."""
    register_paths()
    store = ObjectStore()
    with attached(scheme, mine=store):
        publish(f"{scheme}://mine@bucket/en.mp4", create_only=True)
    assert store.opened[0]["mode"] == mode


def test_the_first_of_its_name(store: ObjectStore) -> None:
    publish(create_only=True)
    before = dict(store.objects)
    with pytest.raises(InputError, match="exists already, and if_exists is 'fail'"):
        publish(content=OLD, create_only=True)
    assert store.objects == before


def test_the_first_of_its_name_where_the_store_cannot_create_only() -> None:
    """The destination is checked once more when everything has been sent."""
    store = ObjectStore()
    with attached("gs", mine=store):
        publication = Publication(place("gs://mine@bucket/en.mp4"), create_only=True)
        publication.write(NEW)
        publication.seal({})
        store.objects |= {KEY: OLD, METADATA_KEY: metadata_for(OLD)}
        with pytest.raises(InputError, match="exists already"):
            publication.commit(on_object_visible=lambda: None)
        publication.discard()
    assert store.opened[0]["mode"] == "wb"
    holds(store, OLD, of=OLD)
    assert not store.uploads


def test_a_library_that_cannot_create_only(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = ObjectStore._open

    def older(self: ObjectStore, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "xb":
            raise NotImplementedError("File mode not supported")
        return usual(self, path, mode, **options)

    monkeypatch.setattr(ObjectStore, "_open", older)
    publish(create_only=True)
    holds(store, NEW, of=NEW)


def test_nothing_is_kept_for_a_transaction(store: ObjectStore) -> None:
    publish()
    assert not store.transaction.files


def test_somebody_else_was_faster(store: ObjectStore) -> None:
    """Between the check and the commit."""
    store.fail("commit", "nothing")
    at = store.at

    def race(step: Step, path: str) -> None:
        at(step, path)
        if step == "commit":
            store.objects |= {KEY: OLD, METADATA_KEY: metadata_for(OLD)}

    store.at = race  # type: ignore[method-assign]
    with pytest.raises(InputError, match="exists already"):
        publish(create_only=True)
    holds(store, OLD, of=OLD)


@pytest.mark.parametrize(
    ("said", "create_only", "error", "message"),
    [
        ("At least one of the pre-conditions you specified did not hold", True, InputError, "exists already"),
        ("At least one of the pre-conditions you specified did not hold", False, TransportError, "cannot be published"),
        ("the store is down", True, TransportError, "cannot be published"),
    ],
)
def test_what_s3_says_at_a_commit(
    store: ObjectStore, said: str, create_only: bool, error: type[Exception], message: str
) -> None:
    """s3fs has no error of its own for an object that was there first."""
    store.fail("commit", "en.mp4", OSError(said))
    with pytest.raises(error, match=message):
        publish(create_only=create_only)
    holds(store, None, of=None)
    assert not store.uploads


def on_disk(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file(tmp_path: Path) -> None:
    uri = (tmp_path / "en.mp4").as_uri()
    publish(uri, content=OLD)
    publish(uri)
    assert (tmp_path / "en.mp4").read_bytes() == NEW
    assert json.loads((tmp_path / "en.mp4.json").read_text()) == json.loads(metadata_for(NEW))
    assert on_disk(tmp_path) == {"en.mp4", "en.mp4.json"}


@pytest.mark.parametrize("letter", ["a", "語"])
def test_a_name_as_long_as_a_disk_allows(tmp_path: Path, letter: str) -> None:
    """255 bytes, with the five of the metadata file's suffix."""
    name = letter * (246 // len(letter.encode())) + ".mp4"
    publish(f"{tmp_path}/{name}")
    assert on_disk(tmp_path) == {name, f"{name}.json"}


def test_a_commit_leaves_nothing_to_discard(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for create_only in (True, False):
        publish((tmp_path / "en.mp4").as_uri(), create_only=create_only)
    assert not caplog.records


@pytest.mark.parametrize("create_only", [True, False])
def test_a_commit_leaves_no_other_file(tmp_path: Path, create_only: bool) -> None:
    """The process may be killed right after it."""
    atomic_object = open_atomic_object(place((tmp_path / "en.mp4").as_uri()), create_only=create_only)
    atomic_object.write(NEW)
    atomic_object.seal()
    atomic_object.commit()
    assert on_disk(tmp_path) == {"en.mp4"}


def test_the_metadata_file_is_readable_text(tmp_path: Path) -> None:
    publication = Publication(place((tmp_path / "zh.mp4").as_uri()))
    publication.seal({"label": "早上好"})
    publication.commit(on_object_visible=lambda: None)
    assert (tmp_path / "zh.mp4.json").read_text("utf-8") == '{\n  "label": "早上好"\n}'


@pytest.mark.parametrize("scheme", ["", "file://", "local://"])
def test_a_file_that_is_given_up(tmp_path: Path, scheme: str) -> None:
    """Until then it is hidden in its own folder, from which it would be renamed: elsewhere is another disk, perhaps."""
    publication = Publication(place(f"{scheme}{tmp_path}/en.mp4"))
    publication.write(NEW)
    (draft,) = on_disk(tmp_path)
    assert draft.startswith(".")
    publication.discard()
    assert on_disk(tmp_path) == set()


@pytest.mark.parametrize("links", [True, False])
def test_the_first_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """Also where the file system has no links."""
    if not links:

        def refuse(*_: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "en.mp4"
    publish(path.as_uri(), create_only=True)
    atomic_object = open_atomic_object(place(path.as_uri()), create_only=True)
    atomic_object.write(OLD)
    atomic_object.seal()
    with pytest.raises(FileExistsError):
        atomic_object.commit()
    atomic_object.discard()
    assert path.read_bytes() == NEW
    assert on_disk(tmp_path) == {"en.mp4", "en.mp4.json"}


def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "worn out")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(TransportError, match="OSError"):
        publish((tmp_path / "en.mp4").as_uri(), create_only=True)
    assert on_disk(tmp_path) == set()


def test_a_temporary_file_that_cannot_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    atomic_object = open_atomic_object(place((tmp_path / "en.mp4").as_uri()))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", refuse)
    atomic_object.discard()
    assert "could not be deleted and remains" in caplog.text


@pytest.mark.parametrize(
    ("objects", "known"),
    [
        ({}, None),
        ({KEY: OLD}, None),
        ({METADATA_KEY: metadata_for(OLD)}, None),
        ({KEY: OLD, METADATA_KEY: metadata_for(OLD)}, {"size": 3, "said": "old"}),
        ({KEY: NEW, METADATA_KEY: metadata_for(OLD)}, None),
        ({KEY: OLD, METADATA_KEY: b"{"}, None),
        ({KEY: OLD, METADATA_KEY: b"\xff"}, None),
        ({KEY: OLD, METADATA_KEY: b"[3]"}, None),
        ({KEY: OLD, METADATA_KEY: b""}, None),
    ],
)
def test_what_is_known_of_an_object(store: ObjectStore, objects: dict[str, bytes], known: Any) -> None:
    store.objects |= objects
    assert read_metadata(place(URI)) == known


def test_a_store_that_cannot_be_read(store: ObjectStore) -> None:
    store.fail("info", "en.mp4")
    with pytest.raises(TransportError, match=r"s3://mine@bucket/en\.mp4"):
        read_metadata(place(URI))


def test_both_are_removed(store: ObjectStore) -> None:
    others = {"bucket/en.json": b"another", "bucket/en.mp4.json.mp4": b"another"}
    store.objects |= {KEY: OLD, METADATA_KEY: metadata_for(OLD), **others}
    remove_published(place(URI))
    assert store.objects == others


@pytest.mark.parametrize("name", ["en.mp4", "en.mp4.json"])
def test_what_is_left_of_both_is_removed(tmp_path: Path, name: str) -> None:
    """Of a disk, where removing nothing is an error of the library."""
    (tmp_path / name).touch()
    for _ in range(2):
        remove_published(place((tmp_path / "en.mp4").as_uri()))
        assert on_disk(tmp_path) == set()


@pytest.mark.parametrize("name", ["en.mp4", "en.mp4.json"])
def test_a_store_that_removes_nothing(store: ObjectStore, name: str) -> None:
    store.fail("remove", name)
    with pytest.raises(TransportError, match=f"^s3://mine@bucket/{name} cannot be published: .* OSError"):
        remove_published(place(URI))


def test_commit_comes_after_seal(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="after seal"):
        Publication(place(URI)).commit(on_object_visible=lambda: None)
