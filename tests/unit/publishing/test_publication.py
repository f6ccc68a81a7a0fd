"""An object and its JSON: both or neither, whatever fails, and never a JSON that tells of another object."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from object_store import ObjectStore, Step, attached, place

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError, TransportError
from airflow_provider_videoretalk.publishing.draft import BLOCK_BYTES, open_draft
from airflow_provider_videoretalk.publishing.publication import Publication, metadata_of

NEW, OLD = b"new" * 1000, b"old"
URI = "s3://mine@bucket/en.mp4"
KEY, BESIDE = "bucket/en.mp4", "bucket/en.mp4.json"


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    store = ObjectStore()
    with attached(mine=store):
        yield store


def told(content: bytes) -> bytes:
    return json.dumps({"size": len(content), "said": content.decode()[:3]}).encode()


def publish(uri: str = URI, *, content: bytes = NEW, first: bool = False, on_object: Any = lambda: None) -> None:
    publication = Publication(place(uri), content_type="video/mp4", first=first)
    try:
        publication.write(content)
        publication.seal(json.loads(told(content)))
        publication.commit(on_object=on_object)
    finally:
        publication.discard()


def holds(store: ObjectStore, content: bytes | None, of: bytes | None) -> None:
    """Checks that nothing is in the store but an object, and a JSON that tells of ``of``."""
    wanted = {KEY: content} if content is not None else {}
    wanted |= {BESIDE: told(of)} if of is not None else {}
    assert {name: json.loads(found) if name == BESIDE else found for name, found in store.objects.items()} == {
        name: json.loads(found) if name == BESIDE else found for name, found in wanted.items()
    }


def test_both_appear_the_object_first(store: ObjectStore) -> None:
    seen: list[set[str]] = []
    publish(on_object=lambda: seen.append(set(store.objects)))
    holds(store, NEW, of=NEW)
    assert seen == [{KEY}]
    assert [(each["path"], each["autocommit"], each["block_size"]) for each in store.opened] == [
        (KEY, False, BLOCK_BYTES),
        (BESIDE, False, BLOCK_BYTES),
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
    with pytest.raises(TransportError, match=rf"{name} can't be published: OSError") as caught:
        publish()
    holds(store, None, of=None)
    assert not store.uploads, "an unfinished upload costs money"
    assert str(caught.value.__cause__) == "the store is down"


@pytest.mark.parametrize(("step", "name"), [*FAILURES, ("read", ".json"), ("remove", ".json")])
def test_the_older_pair_or_an_object_without_a_json(store: ObjectStore, step: Step, name: str) -> None:
    store.objects |= {KEY: OLD, BESIDE: told(OLD)}
    store.fail(step, name)
    with pytest.raises(TransportError) as caught:
        publish()
    if (step, name) == ("commit", ".json"):
        holds(store, NEW, of=None)
        assert "itself was replaced, and has no metadata now" in str(caught.value)
    else:
        holds(store, OLD, of=OLD)
    assert not store.uploads


def test_no_json_tells_of_another_object_at_any_time(store: ObjectStore) -> None:
    store.objects |= {KEY: OLD, BESIDE: told(OLD)}
    at = store.at

    def watched(step: Step, path: str) -> None:
        at(step, path)
        if BESIDE in store.objects:
            assert store.objects[BESIDE] == told(store.objects[KEY])

    store.at = watched  # type: ignore[method-assign]
    publish(on_object=lambda: holds(store, NEW, of=None))
    holds(store, NEW, of=NEW)


def test_a_process_that_ends_in_between_takes_the_first_object_back(store: ObjectStore) -> None:
    def end() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        publish(on_object=end)
    holds(store, None, of=None)


def test_a_commit_whose_answer_was_lost(store: ObjectStore) -> None:
    """The new object may be there: then the older JSON must not come back."""
    store.objects |= {KEY: OLD, BESIDE: told(OLD)}
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
    with pytest.raises(TransportError, match=r"en\.mp4\.json can't be published"):
        publish()
    assert "An object without metadata stays at s3://mine@bucket/en.mp4: OSError" in caplog.text


def test_an_upload_that_cannot_be_discarded_is_logged(store: ObjectStore, caplog: pytest.LogCaptureFixture) -> None:
    store.fail("close", "en.mp4")
    store.fail("discard", "en.mp4", ValueError("s3://bucket?Signature=secret"))
    with pytest.raises(TransportError):
        publish()
    assert "An unfinished upload stays behind at s3://mine@bucket/en.mp4: ValueError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("already", [False, True])
def test_a_key_that_may_only_write(store: ObjectStore, already: bool) -> None:
    store.objects |= {KEY: OLD, BESIDE: told(OLD)} if already else {}
    for step in ("info", "read", "remove"):
        store.fail(step, "", PermissionError())
    publish()
    holds(store, NEW, of=NEW)


def test_a_refusal_is_not_worth_another_try(store: ObjectStore) -> None:
    store.fail("close", "en.mp4", PermissionError())
    with pytest.raises(TransportError, match="PermissionError") as caught:
        publish()
    assert not caught.value.retryable


@pytest.mark.parametrize("size", [0, 10, 2 * BLOCK_BYTES + 10])
def test_a_store_that_commits_whatever_is_closed(size: int) -> None:
    """As Azure's does: what is given up must not be closed, not even by the garbage collector."""
    store = ObjectStore(commits_at_close=True)
    with attached(mine=store):
        publication = Publication(place(URI))
        publication.write(bytes(size))
        publication.discard()
        del publication
        assert not store.objects
        publish()
    holds(store, NEW, of=NEW)


def test_a_file_that_is_none_of_fsspecs_own(store: ObjectStore, tmp_path: Path) -> None:
    """As SFTP's is: its last steps are put on it when it is opened, and it can't be marked as closed."""

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
    draft = open_draft(place(URI))
    draft.seal()
    draft.commit()
    draft.discard()
    open_draft(place(URI)).discard()
    assert (kept.done, given_up.done) == (["close", "commit"], ["discard"])


def test_a_store_whose_files_cannot_be_held_back(tmp_path: Path, store: ObjectStore) -> None:
    file = (tmp_path / "file").open("wb")
    store.open = lambda *_, **__: file  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match=r"s3://mine@bucket/en\.mp4 shows objects before they are whole"):
        open_draft(place(URI))
    file.close()


def test_the_first_of_its_name(store: ObjectStore) -> None:
    publish(first=True)
    assert store.opened[0]["mode"] == "xb"
    before = dict(store.objects)
    with pytest.raises(InputError, match="exists already, and if_exists is 'fail'"):
        publish(content=OLD, first=True)
    assert store.objects == before


def test_the_first_of_its_name_where_the_store_cannot_be_told() -> None:
    """It is looked for once more when all has been sent."""
    store = ObjectStore()
    with attached("gs", mine=store):
        publication = Publication(place("gs://mine@bucket/en.mp4"), first=True)
        publication.write(NEW)
        publication.seal({})
        store.objects |= {KEY: OLD, BESIDE: told(OLD)}
        with pytest.raises(InputError, match="exists already"):
            publication.commit(on_object=lambda: None)
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
    publish(first=True)
    holds(store, NEW, of=NEW)


def test_nothing_is_kept_for_a_transaction(store: ObjectStore) -> None:
    publish()
    assert not store.transaction.files


def test_somebody_else_was_faster(store: ObjectStore) -> None:
    """Between the look and the commit."""
    store.fail("commit", "nothing")
    at = store.at

    def race(step: Step, path: str) -> None:
        at(step, path)
        if step == "commit":
            store.objects |= {KEY: OLD, BESIDE: told(OLD)}

    store.at = race  # type: ignore[method-assign]
    with pytest.raises(InputError, match="exists already"):
        publish(first=True)
    holds(store, OLD, of=OLD)


def on_disk(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file(tmp_path: Path) -> None:
    uri = (tmp_path / "en.mp4").as_uri()
    publish(uri, content=OLD)
    publish(uri)
    assert (tmp_path / "en.mp4").read_bytes() == NEW
    assert json.loads((tmp_path / "en.mp4.json").read_text()) == json.loads(told(NEW))
    assert on_disk(tmp_path) == {"en.mp4", "en.mp4.json"}


def test_a_file_that_is_given_up(tmp_path: Path) -> None:
    publication = Publication(place((tmp_path / "en.mp4").as_uri()))
    publication.write(NEW)
    assert on_disk(tmp_path).isdisjoint({"en.mp4", "en.mp4.json"})
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
    publish(path.as_uri(), first=True)
    draft = open_draft(place(path.as_uri()), first=True)
    draft.write(OLD)
    draft.seal()
    with pytest.raises(FileExistsError):
        draft.commit()
    draft.discard()
    assert path.read_bytes() == NEW
    assert on_disk(tmp_path) == {"en.mp4", "en.mp4.json"}


def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "worn out")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(TransportError, match="OSError"):
        publish((tmp_path / "en.mp4").as_uri(), first=True)
    assert on_disk(tmp_path) == set()


def test_a_draft_that_cannot_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    draft = open_draft(place((tmp_path / "en.mp4").as_uri()))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", refuse)
    draft.discard()
    assert "A draft stays behind at" in caplog.text


@pytest.mark.parametrize(
    ("objects", "known"),
    [
        ({}, None),
        ({KEY: OLD}, None),
        ({BESIDE: told(OLD)}, None),
        ({KEY: OLD, BESIDE: told(OLD)}, {"size": 3, "said": "old"}),
        ({KEY: NEW, BESIDE: told(OLD)}, None),
        ({KEY: OLD, BESIDE: b"{"}, None),
        ({KEY: OLD, BESIDE: b"\xff"}, None),
        ({KEY: OLD, BESIDE: b"[3]"}, None),
        ({KEY: OLD, BESIDE: b""}, None),
    ],
)
def test_what_is_known_of_an_object(store: ObjectStore, objects: dict[str, bytes], known: Any) -> None:
    store.objects |= objects
    assert metadata_of(place(URI)) == known


def test_a_store_that_cannot_be_read(store: ObjectStore) -> None:
    store.fail("info", "en.mp4")
    with pytest.raises(TransportError, match=r"s3://mine@bucket/en\.mp4"):
        metadata_of(place(URI))


def test_commit_comes_after_seal(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="after seal"):
        Publication(place(URI)).commit(on_object=lambda: None)
