"""The sums of an object, taken while it passes."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.limits import MEGABYTE
from airflow_provider_videoretalk.publishing.announcement import Announcement
from airflow_provider_videoretalk.publishing.crc64 import fast_crc64, slow_crc64

# What is handed to the threads at once: for a few bytes, waking them takes longer than summing.
_BATCH_BYTES = MEGABYTE
# Batches that may wait for a sum; they stay in memory.
_AHEAD = 8

# In Python a CRC-64 takes a second for some megabytes.
_SLOW_CRC_BYTES = 16 * MEGABYTE
_WHY_NO_CRC = f"over {_SLOW_CRC_BYTES // MEGABYTE} MB it needs the extra 'crc'"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What an object was found to be.

    :param size: in bytes
    :param sha256: in hexadecimal
    :param verified: what its origin says of it and was found true: ``length``, ``md5``, ``crc64``
    :param unverified: what its origin says of it and was not looked at, each with the reason
    """

    size: int
    sha256: str
    verified: tuple[str, ...]
    unverified: Mapping[str, str]


class _Sum:
    """One sum, taken in a thread of its own."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tally")
        self._waiting: deque[Future[None]] = deque()

    def add(self, batch: Sequence[bytes]) -> None:
        """Waits while too many wait already."""
        self._waiting.append(self._thread.submit(self._take_all, batch))
        if len(self._waiting) > _AHEAD:
            self._waiting.popleft().result()

    def finish(self) -> None:
        """Returns when all is summed."""
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    def _take_all(self, batch: Sequence[bytes]) -> None:
        for chunk in batch:
            self._take(chunk)


class Tally:
    """Counts and sums what passes, and holds it against what was announced; to be used in a ``with`` block.

    Each sum is taken in a thread of its own, since hashing lets others work: else they cost a local copy half of its
    speed.
    """

    def __init__(self, announced: Announcement) -> None:
        self.size = 0
        self._announced = announced
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if announced.md5 else None
        self._crc64 = (fast_crc64() or slow_crc64) if announced.crc64 is not None else None
        self._crc = 0
        self._summed = 0
        self._batch: list[bytes] = []
        self._batched = 0
        self._sums = [_Sum(self._sha256.update)]
        if self._md5:
            self._sums.append(_Sum(self._md5.update))
        if self._crc64:
            self._sums.append(_Sum(self._take_crc))

    def __enter__(self) -> Tally:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._sums:
            each.close()

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._batch.append(chunk)
        self._batched += len(chunk)
        if self._batched >= _BATCH_BYTES:
            self._hand_over()

    def _hand_over(self) -> None:
        for each in self._sums:
            each.add(self._batch)
        self._batch, self._batched = [], 0

    def _take_crc(self, chunk: bytes) -> None:
        self._summed += len(chunk)
        if self._crc64 is slow_crc64 and max(self._summed, self._announced.size or 0) > _SLOW_CRC_BYTES:
            self._crc64 = None
        if self._crc64:
            self._crc = self._crc64(chunk, self._crc)

    def verdict(self) -> Verdict:
        """
        :raises TransportError: what passed is not what was announced
        """
        self._hand_over()
        for each in self._sums:
            each.finish()
        announced = self._announced
        sums: dict[str, tuple[object, object]] = {
            "length": (announced.size, self.size),
            "md5": (announced.md5, self._md5.hexdigest() if self._md5 else None),
            "crc64": (announced.crc64, self._crc if self._crc64 else None),
        }
        compared = {name: pair for name, pair in sums.items() if None not in pair}
        for name, (said, found) in compared.items():
            if said != found:
                raise TransportError(
                    f"the bytes that arrived are not the source's: {name} is {found}, the server says {said}",
                    remedy="Nothing was published; run the task again.",
                )
        skipped = announced.crc64 is not None and self._crc64 is None
        return Verdict(
            size=self.size,
            sha256=self._sha256.hexdigest(),
            verified=tuple(compared),
            unverified={"crc64": _WHY_NO_CRC} if skipped else {},
        )
