"""A disk that takes no more bytes leaves nothing behind: the kernel itself refuses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from faulty_origin import FaultyOrigin
from full_disk import no_file_larger_than
from object_store import place
from small_mp4 import mp4

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.outbound.host_access import any_address
from airflow_provider_videoretalk.publishing.publication import Publication
from airflow_provider_videoretalk.publishing.transfer import copy_object


# Within a write, within the last bytes that closing writes, and within the metadata.
@pytest.mark.parametrize(("size", "limit"), [(3_000_000, 1_000_000), (150_000, 100_000), (900, 800), (900, 1_000)])
@pytest.mark.parametrize("before", [None, b"before"])
def test_a_full_disk(tmp_path: Path, size: int, limit: int, before: bytes | None) -> None:
    path = tmp_path / "en.mp4"
    if before:
        path.write_bytes(before)

    def build_metadata(*_: object) -> dict[str, Any]:
        return {"size": size, "note": "x" * 2_000}

    with (
        FaultyOrigin(mp4(bytes(size - 651))) as origin,
        no_file_larger_than(limit),
        pytest.raises(TransportError, match="the store failed with OSError") as caught,
    ):
        copy_object(origin.url, [place(path.as_uri())], access=any_address, build_metadata=build_metadata)
    assert caught.value.retryable
    assert {found.name: found.read_bytes() for found in tmp_path.iterdir()} == ({"en.mp4": before} if before else {})


@pytest.mark.parametrize("piece", [1, 1_000, 8_192, 100_000])
def test_pieces_of_any_size(tmp_path: Path, piece: int) -> None:
    """The last pieces may wait in a buffer, which closing the file writes again."""
    publication = Publication(place((tmp_path / "en.mp4").as_uri()))
    with no_file_larger_than(50_000):
        with pytest.raises(TransportError):  # noqa: PT012
            for _ in range(200_000 // piece):
                publication.write(bytes(piece))
        publication.discard()
    assert list(tmp_path.iterdir()) == []


def test_metadata_that_cannot_be_restored_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "en.mp4"
    path.write_bytes(b"before")
    (tmp_path / "en.mp4.json").write_text(json.dumps({"size": 6, "note": "x" * 20_000}))
    publication = Publication(place(path.as_uri()))
    publication.write(b"after")
    publication.seal({})

    def fail() -> None:
        raise OSError("the disk is full")

    publication._object.commit = fail  # type: ignore[method-assign]
    with no_file_larger_than(10_000), pytest.raises(TransportError):
        publication.commit(on_object_visible=lambda: None)
    publication.discard()
    assert [found.name for found in tmp_path.iterdir()] == ["en.mp4"]
