"""Computes the checksums of an object while it is copied, and compares them with the server's."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.model_catalog.limit import MEGABYTE
from airflow_provider_videoretalk.optional_dependencies import install_command
from airflow_provider_videoretalk.outbound.response_metadata import ResponseMetadata
from airflow_provider_videoretalk.publishing.crc64 import fast_crc64, slow_crc64

# Bytes passed to the threads at once. For a few bytes, waking a thread takes longer than hashing.
_BATCH_BYTES = MEGABYTE // 2
# Batches that may wait for one thread. They stay in memory.
_MAX_WAITING_BATCHES = 2

# Pure Python computes a CRC-64 at a few megabytes a second.
_MAX_SLOW_CRC_BYTES = 16 * MEGABYTE
_NO_CRC_REASON = f"over {_MAX_SLOW_CRC_BYTES // MEGABYTE} MB it needs fastcrc: {install_command('crc')}"


@dataclass(frozen=True, kw_only=True)
class VerifiedContent:
    """The size and the checksum of an object, and which values of the server were confirmed.

    :param size: in bytes
    :param sha256: in hexadecimal
    :param verified: the values of the server that are confirmed: ``length``, ``md5``, ``crc64``, or
        ``sha256`` of a source in a store
    :param unverified: the values of the server that were not checked, each with the reason
    """

    size: int
    sha256: str
    verified: tuple[str, ...]
    unverified: Mapping[str, str]


class _ChecksumThread:
    """Computes one checksum in its own thread."""

    def __init__(self, update: Callable[[bytes], object]) -> None:
        self._update = update
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def add(self, batch: Sequence[bytes]) -> None:
        """Blocks while too many batches wait."""
        self._waiting.append(self._thread.submit(self._update_all, batch))
        if len(self._waiting) > _MAX_WAITING_BATCHES:
            self._waiting.popleft().result()

    def finish(self) -> None:
        """Returns when all batches are processed."""
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        self._thread.shutdown()

    def _update_all(self, batch: Sequence[bytes]) -> None:
        for chunk in batch:
            self._update(chunk)


class Checksums:
    """Computes the checksums of the bytes that are added. Use it in a ``with`` block.

    Each checksum has its own thread, because hashing releases the interpreter's lock. In one thread, checksums would
    halve the speed of a local copy.

    The MD5 takes more than twice as long as the SHA-256. It is computed only if the server gives no CRC-64, or one that
    cannot be computed here at its speed: one sum over all bytes shows whether they are those of the source.

    :param metadata: the server's description of the object
    """

    def __init__(self, metadata: ResponseMetadata) -> None:
        self.size = 0
        self._metadata = metadata
        self._sha256 = hashlib.sha256()
        fast = fast_crc64() if metadata.crc64 is not None else None
        self._md5 = hashlib.md5(usedforsecurity=False) if metadata.md5 and fast is None else None
        self._crc64 = fast or (slow_crc64 if metadata.crc64 is not None else None)
        self._crc = 0
        self._crc_bytes = 0
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._threads = [_ChecksumThread(self._sha256.update)]
        if self._md5:
            self._threads.append(_ChecksumThread(self._md5.update))
        if self._crc64:
            self._threads.append(_ChecksumThread(self._update_crc))

    def __enter__(self) -> Checksums:
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.close()

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._batch_bytes += len(chunk)
        self._batch.append(chunk)
        if self._batch_bytes >= _BATCH_BYTES:
            self._submit_batch()

    def _submit_batch(self) -> None:
        for thread in self._threads:
            thread.add(self._batch)
        self._batch, self._batch_bytes = [], 0

    def _update_crc(self, chunk: bytes) -> None:
        self._crc_bytes += len(chunk)
        if self._crc64 is slow_crc64 and max(self._crc_bytes, self._metadata.size or 0) > _MAX_SLOW_CRC_BYTES:
            self._crc64 = None
        if self._crc64:
            self._crc = self._crc64(chunk, self._crc)

    def verify(self) -> VerifiedContent:
        """Compares the added bytes with the server's description of the object.

        :raises TransportError: they differ
        """
        self._submit_batch()
        for thread in self._threads:
            thread.finish()
        declared = self._metadata
        values: dict[str, tuple[object, object]] = {
            "length": (declared.size, self.size),
            "md5": (declared.md5, self._md5.hexdigest() if self._md5 else None),
            "crc64": (declared.crc64, self._crc if self._crc64 else None),
            "sha256": (declared.sha256, self._sha256.hexdigest()),
        }
        compared = {name: pair for name, pair in values.items() if None not in pair}
        for name, (expected, found) in compared.items():
            if expected != found:
                raise TransportError(
                    f"the download differs from the source: its {name} is {found}, the server gives {expected}",
                    remedy="Nothing was published; run the task again.",
                )
        skipped = declared.crc64 is not None and self._crc64 is None
        return VerifiedContent(
            size=self.size,
            sha256=self._sha256.hexdigest(),
            verified=tuple(compared),
            unverified={"crc64": _NO_CRC_REASON} if skipped else {},
        )
