"""A source that is in a store, in place of one at a URL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from airflow_provider_videoretalk.media.store_object import StoreObject, open_filesystem
from airflow_provider_videoretalk.outbound.download import ChangedSourceError
from airflow_provider_videoretalk.outbound.read_budget import BudgetMeter, ReadBudget
from airflow_provider_videoretalk.outbound.response_metadata import ResponseMetadata
from airflow_provider_videoretalk.publishing.atomic_object import BLOCK_BYTES, Destination
from airflow_provider_videoretalk.publishing.media_edit import metadata_of_size
from airflow_provider_videoretalk.publishing.publication import read_metadata

# It is the user's own object, which has no signature that expires.
_NO_LIMIT = ReadBudget(size=2**63, requests=2**63, seconds=math.inf)


class StoredSource:
    """The bytes of an object in a store, each once and in order. Use it in a ``with`` block.

    A part of 8 MB is in memory. If the object has a metadata file of this package, its SHA-256 is that of the file.

    :ivar response_metadata: what is known of the object; inside the ``with`` block
    :raises InputError: the object does not exist, or may not be read
    :raises ConfigurationError: the store's connection cannot be used
    :raises ChangedSourceError: the object was replaced while it was read
    :raises TransportError: the store does not answer
    """

    resumed = 0

    def __init__(self, path: Destination) -> None:
        self.response_metadata: ResponseMetadata
        self._path = path
        self._file: StoreObject

    def __enter__(self) -> StoredSource:
        self._file = self._open()
        described = read_metadata(self._path) or {}
        sha256 = described.get("sha256")
        known = sha256.lower() if isinstance(sha256, str) else None
        self.response_metadata = replace(metadata_of_size(self._file.size), sha256=known)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        offset = 0
        while chunk := self._fetch(offset):
            offset += len(chunk)
            yield chunk
        if self._open().version != self._file.version:
            raise ChangedSourceError(
                "the source was replaced while it was read", remedy="Nothing was published; run the task again."
            )

    def _fetch(self, offset: int) -> bytes:
        left = BLOCK_BYTES if self._file.size is None else min(self._file.size - offset, BLOCK_BYTES)
        return self._file.fetch(offset, left) if left > 0 else b""

    def _open(self) -> StoreObject:
        # Some libraries cache listings.
        open_filesystem(self._path, field="source").invalidate_cache()
        return StoreObject(self._path, field="source", meter=BudgetMeter(_NO_LIMIT))
