"""What a destination holds, how a small file gets there, and what is one object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from object_store import ObjectStore, attached, place

from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.publishing import object_store as module
from airflow_provider_videoretalk.publishing.object_name import object_key
from airflow_provider_videoretalk.publishing.object_store import (
    find_object,
    read_object,
    store_errors_named,
    write_object,
)

URI = "s3://mine@bucket/plan.json"


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with attached(mine=(found := ObjectStore())):
        yield found


class Draft:
    """Notes what is done to an object, and fails at one step."""

    def __init__(self, *, fails: str = "") -> None:
        self.steps: list[str] = []
        self._fails = fails

    def __getattr__(self, step: str) -> Any:
        def note(*given: bytes) -> None:
            self.steps.append(step)
            if step == self._fails:
                raise OSError("no space")

        return note


@pytest.mark.parametrize(
    ("fails", "steps"),
    [
        ("", ["write", "seal", "commit", "discard"]),
        ("commit", ["write", "seal", "commit", "discard"]),
        ("seal", ["write", "seal", "discard"]),
        ("write", ["write", "discard"]),
    ],
)
def test_a_small_file_is_whole_before_it_is_visible(
    monkeypatch: pytest.MonkeyPatch, fails: str, steps: list[str]
) -> None:
    draft = Draft(fails=fails)
    types: list[str] = []

    def begin(destination: object, *, content_type: str) -> Draft:
        types.append(content_type)
        return draft

    monkeypatch.setattr(module, "open_atomic_object", begin)
    destination = cast("Any", SimpleNamespace(protocol="s3", path="bucket/plan.json"))
    try:
        write_object(destination, b"{}", content_type="application/json")
    except OSError:
        assert fails
    assert (draft.steps, types) == (steps, ["application/json"])


def test_a_small_file_replaces_another_one_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "plan.json"
    for content in (b"old", b"new"):
        write_object(place(path.as_uri()), content, content_type="application/json")
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_what_is_there(store: ObjectStore, tmp_path: Path) -> None:
    assert (find_object(place(URI)), read_object(place(URI))) == (None, None)
    store.objects["bucket/plan.json"] = b"{}"
    found = find_object(place(URI))
    assert found is not None
    assert (found["size"], read_object(place(URI))) == (2, b"{}")
    assert find_object(place(tmp_path.as_uri())) is None, "a folder is no file"


@pytest.mark.parametrize(("information", "is_file"), [({"size": 1}, True), ({"size": 1, "type": "directory"}, False)])
def test_a_store_that_states_no_type_has_files_only(information: dict[str, Any], is_file: bool) -> None:
    calls: list[str] = []
    fs = SimpleNamespace(
        invalidate_cache=lambda: calls.append("forgets its listings"),
        info=lambda path: calls.append(path) or information,
    )
    destination = cast("Any", SimpleNamespace(fs=fs, path="bucket/a"))
    assert (find_object(destination) is not None) is is_file
    assert calls == ["forgets its listings", "bucket/a"]


@pytest.mark.parametrize(("error", "retryable"), [(OSError("down"), True), (PermissionError("no"), False)])
def test_the_error_of_a_store_names_the_object(error: Exception, retryable: bool) -> None:
    with pytest.raises(TransportError) as caught, store_errors_named(place(URI)):
        raise error
    assert (caught.value.retryable, caught.value.__cause__) == (retryable, error)
    assert str(caught.value) == (
        f"s3://mine@bucket/plan.json cannot be published: the store failed with {type(error).__name__}. See the cause "
        "in the task's log. Check the store and the permissions of its connection."
    )


def test_an_error_that_says_enough_stays_as_it_is() -> None:
    error = InputError("destination is wrong")
    with pytest.raises(InputError) as caught, store_errors_named(place(URI)):
        raise error
    assert caught.value is error


def test_spellings_of_one_object(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "link").symlink_to("videos")
    local = object_key(place(f"{tmp_path.as_uri()}/videos/a.mp4"))
    for spelling in ("link/a.mp4", "videos//a.mp4", "videos/../videos/A.MP4"):
        assert object_key(place(f"{tmp_path.as_uri()}/{spelling}")) == local
    assert object_key(place(f"{tmp_path.as_uri()}/videos/b.mp4")) != local
    # Composed, decomposed, and folded to two letters.
    one, *others = (object_key(place(f"s3://mine@bucket/{name}")) for name in ("ÄSS", "A\u0308SS", "äß", "ÄSS/"))
    assert others == [one] * 3
    # A store has no links, and ".." is a name.
    assert object_key(place("s3://mine@bucket/x/../a")) != object_key(place("s3://mine@bucket/a"))
