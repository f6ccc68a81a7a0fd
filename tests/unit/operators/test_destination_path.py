"""The path of an object to publish: what is checked before anything is paid or downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from object_store import ObjectStore, attached

from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.operators import destination_path as module
from airflow_provider_videoretalk.operators.destination_path import asset_uri, object_paths, open_destination


def test_a_folder_gets_the_name_and_an_object_keeps_its_own(tmp_path: Path) -> None:
    folder = f" {tmp_path.as_uri()}/ "
    assert open_destination(folder, name="a.mp4").path == str(tmp_path / "a.mp4")
    assert open_destination(f"{tmp_path.as_uri()}/b.mp4", name="a.mp4").path == str(tmp_path / "b.mp4")
    assert open_destination(folder).path.rstrip("/") == str(tmp_path)
    with pytest.raises(InputError, match="is not a name in the folder"):
        open_destination(folder, name="../a.mp4")


@pytest.mark.parametrize("given", ["", None, 3])
def test_no_destination_is_named(given: Any) -> None:
    with pytest.raises(InputError, match=r"^destination is "):
        open_destination(given)


@pytest.mark.parametrize("uri", ["{}/a%0Ab.mp4", "{}/a%0Db.mp4", "{}/a%09b.mp4", "{}/a\tb.mp4", "{}/a%7F.mp4"])
def test_a_control_character_is_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(InputError, match=r"^destination is .* has a control character"):
        open_destination(uri.format(tmp_path.as_uri()))


def test_a_store_is_opened_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be opened fails before a video is paid for."""
    opened: list[tuple[str, str]] = []

    def refuse(path: Any, *, field: str) -> None:
        opened.append((str(path), field))
        raise ConfigurationError("no such connection")

    monkeypatch.setattr(module, "open_filesystem", refuse)
    with pytest.raises(ConfigurationError):
        open_destination(f"{tmp_path.as_uri()}/a.mp4")
    assert [field for _, field in opened] == ["destination"]


def test_what_is_not_allowed_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "open_filesystem", lambda path, field: pytest.fail("opened"))
    with pytest.raises(InputError, match=r"^destination is .*, allowed is .*, by the task's allowed_destinations"):
        open_destination(f"{tmp_path.as_uri()}/a.mp4", allowed_destinations="s3://b/")
    monkeypatch.setattr(module, "as_store_path", lambda *given, **named: pytest.fail("made a path"))
    with pytest.raises(InputError, match=r"^destination is .*allowed_destinations"):
        open_destination("s3://other@b/a.mp4", allowed_destinations="s3://b/")


@pytest.mark.parametrize(
    ("uri", "conn_id", "opened"),
    [("s3://b/a.mp4", "mine", "s3://mine@b/a.mp4"), ("s3://own@b/a.mp4", "mine", "s3://own@b/a.mp4")],
)
def test_the_connection_of_a_store(monkeypatch: pytest.MonkeyPatch, uri: str, conn_id: str, opened: str) -> None:
    asked: list[tuple[str, str]] = []

    def note(field: str, given: str) -> Any:
        asked.append((field, given))
        raise InputError("enough")

    monkeypatch.setattr(module, "as_store_path", note)
    with pytest.raises(InputError, match="enough"):
        open_destination(uri, storage_conn_id=conn_id)
    with pytest.raises(InputError, match="enough"):
        object_paths([uri], source={}, place="https://h/v.mp4", storage_conn_id=conn_id)
    assert asked == [("destination", opened)] * 2


def test_a_disk_is_warned_of_and_a_store_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    monkeypatch.setattr(module, "warn_of_local_disk", warned.append)
    with attached(mine=ObjectStore()):
        open_destination("s3://mine@b/a.mp4")
    open_destination(f"{tmp_path.as_uri()}/a.mp4")
    assert warned == [f"{tmp_path}/a.mp4"]


@pytest.mark.parametrize("given", [[], (), None, {"a": 1}, 3])
def test_no_list_of_destinations(given: Any) -> None:
    with pytest.raises(InputError) as caught:
        object_paths(given, source={}, place="https://h/v.mp4")
    assert caught.value.message == f"destination is {given!r}, allowed is a URI or a list of URIs"


def test_one_object_is_named_twice(tmp_path: Path) -> None:
    uri = (tmp_path / "a.mp4").as_uri()
    with pytest.raises(InputError) as caught:
        object_paths([uri, f"{tmp_path.as_uri()}/b.mp4", uri], source={}, place="https://h/v.mp4")
    assert caught.value.message == f"destination names {uri} twice"


def test_only_a_folder_gets_a_name(tmp_path: Path) -> None:
    """Whose folders are made for files."""
    folder = tmp_path / "new"
    source = {"task_id": "t1"}
    given = [f" {folder.as_uri()}/ ", f"{tmp_path.as_uri()}/b.mp4"]
    paths = object_paths(given, source=source, place="https://h/v.mp4", allowed_destinations=tmp_path.as_uri() + "/")
    assert [path.path for path in paths] == [str(folder / "t1.mp4"), str(tmp_path / "b.mp4")]
    assert folder.is_dir()
    with pytest.raises(InputError, match=r"^destination is .*allowed_destinations"):
        object_paths(given, source=source, place="https://h/v.mp4", allowed_destinations="s3://b/")


def test_an_asset_has_no_connection(tmp_path: Path) -> None:
    with attached(mine=ObjectStore()):
        assert asset_uri(open_destination("s3://mine@b/a b.mp4")) == "s3://b/a%20b.mp4"
    assert asset_uri(open_destination("file:///a%20b.mp4")) == "file:///a%20b.mp4"
