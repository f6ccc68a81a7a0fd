"""Where the video of a row goes, and which destinations are refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from object_store import ObjectStore, attached

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.operators.output_folder import OutputFolder


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    (tmp_path / "videos" / "is-a-folder.mp4").mkdir(parents=True)
    return OutputFolder.open(f"{tmp_path.as_uri()}/videos/")


def place(folder: OutputFolder, destination: str | None) -> str:
    row = cast("Any", SimpleNamespace(destination=destination, file_name="hello-en.mp4"))
    path: str = folder.video(row).path
    return path.removeprefix(folder.path.path)


@pytest.mark.parametrize(
    ("destination", "below"),
    [
        (None, "hello-en.mp4"),
        ("spring/", "spring/hello-en.mp4"),
        ("spring/a.mp4", "spring/a.mp4"),
        ("a b (1).mp4", "a b (1).mp4"),
        ("cafe\u0301.mp4", "caf\u00e9.mp4"),
        ("speech.mp4", "speech.mp4"),
        ("x" * 246 + ".mp4", "x" * 246 + ".mp4"),
        ("\u00e9" * 123 + ".mp4", "\u00e9" * 123 + ".mp4"),
    ],
)
def test_a_name_below_the_folder(folder: OutputFolder, destination: str | None, below: str) -> None:
    assert place(folder, destination).lstrip("/") == below


@pytest.mark.parametrize(
    ("destination", "allowed"),
    [
        ("a.avi", "a name that ends with .mp4"),
        ("a.MP4", "a name that ends with .mp4"),
        ("../a.mp4", "a plain path below the folder"),
        ("a/../b.mp4", "a plain path below the folder"),
        ("./a.mp4", "a plain path below the folder"),
        ("a//b.mp4", "a plain path below the folder"),
        (". /a.mp4", "a plain path below the folder"),
        (".a.mp4", "a plain path below the folder"),
        *((f"a{character}.mp4", "a plain path below the folder") for character in '\\:*?"<>|#%{}[]'),
        ("http://h/a.mp4", "an object in a store, or a file"),
        ("HTTPS://h/a.mp4", "an object in a store, or a file"),
        ("batches/a.mp4", "no folder batches, speech and pieces: plans, speeches and pieces are there"),
        ("speech/x/a.mp4", "no folder batches, speech and pieces: plans, speeches and pieces are there"),
        ("Speech/a.mp4", "no folder batches, speech and pieces: plans, speeches and pieces are there"),
        ("is-a-folder.mp4", "no folder with the name of a video"),
        ("a.mp4/b.mp4", "no folder with the name of a video"),
        ("x" * 247 + ".mp4", "at most 250 bytes in each part, and 1000 in all"),
        ("\u00e9" * 124 + ".mp4", "at most 250 bytes in each part, and 1000 in all"),
    ],
)
def test_a_destination_that_is_refused(folder: OutputFolder, destination: str, allowed: str) -> None:
    with pytest.raises(InputError) as caught:
        place(folder, destination)
    assert caught.value.message.startswith("destination is ")
    assert caught.value.message.endswith(f", allowed is {allowed}")
    assert caught.value.remedy == "Leave it empty, or name it as spring/welcome.mp4."


@pytest.mark.parametrize(("more", "is_allowed"), [(0, True), (1, False)])
def test_a_path_has_1000_bytes_at_most(folder: OutputFolder, more: int, is_allowed: bool) -> None:
    left = 1000 - len(f"{folder.path.path.rstrip('/')}/".encode())
    parts = ["x" * 200] * ((left - 50) // 201)
    name = "/".join([*parts, ""])
    name += "y" * (left - len(name) - 4 + more) + ".mp4"
    if is_allowed:
        assert place(folder, name).lstrip("/") == name
    else:
        with pytest.raises(InputError, match="and 1000 in all"):
            place(folder, name)


def test_another_place_has_its_connection(tmp_path: Path, folder: OutputFolder) -> None:
    elsewhere = tmp_path / "elsewhere" / "a.mp4"
    assert place(folder, elsewhere.as_uri()) == str(elsewhere)
    assert place(folder, str(elsewhere)) == str(elsewhere)
    assert folder.storage_conn_id is None
    allowed = f"{tmp_path.as_uri()}/videos/"
    narrow = OutputFolder.open(allowed, storage_conn_id="my_store", allowed_destinations=allowed)
    assert (narrow.storage_conn_id, place(narrow, "a.mp4").lstrip("/")) == ("my_store", "a.mp4")
    with pytest.raises(InputError, match=r"^destination is .*, allowed is .*allowed_destinations"):
        place(narrow, elsewhere.as_uri())


def test_a_folder_in_a_store_has_its_connection() -> None:
    with attached(my_store=ObjectStore()):
        folder = OutputFolder.open("s3://b/x/", storage_conn_id="my_store", allowed_destinations="s3://my_store@b/")
        assert str(folder.path).rstrip("/") == "s3://my_store@b/x"
        with pytest.raises(InputError, match=r"^folder is 's3://my_store@c/', allowed is .*allowed_destinations"):
            OutputFolder.open("s3://c/", storage_conn_id="my_store", allowed_destinations="s3://my_store@b/")


def test_the_folder_of_a_run_and_of_a_speech(folder: OutputFolder) -> None:
    ti = SimpleNamespace(dag_id="spring", run_id="manual__1")
    run = folder.run({"ti": ti})
    assert run.parent.path == f"{folder.path.path.rstrip('/')}/batches"
    assert folder.speech("a.wav").path == f"{folder.path.path.rstrip('/')}/speech/a.wav"


@pytest.mark.parametrize("given", ["file:///videos", "s3://b/videos"])
def test_a_folder_ends_with_a_slash(given: str) -> None:
    with pytest.raises(InputError, match=r"^folder is '.*', allowed is the URI of a folder\. End it with a slash"):
        OutputFolder.open(given)
    with pytest.raises(InputError, match=r"^memory is '.*', allowed is the URI of a folder"):
        OutputFolder.open(given, field="memory")
    with pytest.raises(InputError, match=r"^memory is '', allowed is"):
        OutputFolder.open("", field="memory")
