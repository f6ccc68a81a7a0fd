"""Uploads a file of this machine to a store, with its metadata file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_provider_videoretalk.publishing.atomic_object import BLOCK_BYTES, Destination
from airflow_provider_videoretalk.publishing.object_store import make_folder_of, store_errors_named
from airflow_provider_videoretalk.publishing.publication import Publication


def upload_file(file: Path, destination: Destination, *, content_type: str, metadata: Mapping[str, Any]) -> None:
    """The object appears complete, and replaces another one. Its metadata file has ``size`` and ``sha256`` besides.

    :raises TransportError: the store failed
    """
    with store_errors_named(destination):
        make_folder_of(destination)
    publication, digest, size = Publication(destination, content_type=content_type), hashlib.sha256(), 0
    try:
        with file.open("rb") as content:
            while chunk := content.read(BLOCK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                publication.write(chunk)
        publication.seal({**metadata, "size": size, "sha256": digest.hexdigest()})
        publication.commit(on_object_visible=lambda: None)
    finally:
        publication.discard()
