"""A file of this machine appears in a store complete, or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from object_store import ObjectStore, attached, place

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.publishing.file_upload import upload_file

# Two blocks and a part.
CONTENT = bytes(range(256)) * (2 * 32_768 + 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "part.wav"
    path.write_bytes(CONTENT)
    return path


def test_an_object_and_its_metadata(file: Path) -> None:
    store = ObjectStore()
    with attached(mine=store):
        upload_file(file, place("s3://mine@b/a.wav"), content_type="audio/wav", metadata={"seconds": 1.5, "size": 0})
    assert store.objects["b/a.wav"] == CONTENT
    assert json.loads(store.objects["b/a.wav.json"]) == {
        "seconds": 1.5,
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }
    assert [(call["path"], call["ContentType"]) for call in store.opened] == [
        ("b/a.wav", "audio/wav"),
        ("b/a.wav.json", "application/json"),
    ]


def test_what_fails_leaves_nothing(file: Path) -> None:
    store = ObjectStore()
    store.fail("commit", "a.wav")
    with attached(mine=store), pytest.raises(TransportError):
        upload_file(file, place("s3://mine@b/a.wav"), content_type="audio/wav", metadata={})
    assert (store.objects, store.uploads) == ({}, {})


def test_a_disk(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    upload_file(file, place(f"{folder.as_uri()}/a.wav"), content_type="audio/wav", metadata={})
    assert sorted(path.name for path in folder.iterdir()) == ["a.wav", "a.wav.json"]
    with pytest.raises(FileNotFoundError):
        upload_file(tmp_path / "none.wav", place(f"{folder.as_uri()}/b.wav"), content_type="audio/wav", metadata={})
    assert sorted(path.name for path in folder.iterdir()) == ["a.wav", "a.wav.json"]
