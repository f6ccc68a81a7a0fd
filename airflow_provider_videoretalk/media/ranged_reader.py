"""Random access to the bytes of a file, fetched by ranges on demand."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_videoretalk.outbound.read_budget import BudgetMeter

BLOCK_BYTES = 32 * 1024
"""The smallest range that is fetched."""

# The largest range that is fetched ahead in a sequential read.
_MAX_READ_AHEAD_BYTES = 2 * 1024 * 1024


class RangedFile(Protocol):
    """A file that gives ranges of its bytes.

    :param size: of the file in bytes; ``None`` while it is unknown, or if the server does not give it
    :param forward_only: whether :meth:`fetch` can only continue where it ended; may change with the first call
    :param notes: checks of the location that could not be made, as ``"what: why"``
    """

    size: int | None
    forward_only: bool
    notes: tuple[str, ...]

    def fetch(self, start: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``start`` on; no bytes only at the end of the file.

        :raises OutOfReachError: the server has no ranges, or the budget does not allow it
        :raises TransportError: the file cannot be fetched, or was replaced
        :raises InputError: the file does not exist, or may not be read
        """
        raise NotImplementedError

    def close(self) -> None: ...


class RangedReader:
    """Reads a :class:`RangedFile` at any position. Fetched bytes are kept, so memory is limited by the budget."""

    def __init__(self, file: RangedFile, meter: BudgetMeter) -> None:
        self._file = file
        self._meter = meter
        self._pieces: list[tuple[int, bytes]] = [(0, b"")]
        self._read_ahead = BLOCK_BYTES

    @property
    def size(self) -> int | None:
        """In bytes; known after the first read, ``None`` if the server does not give it."""
        return self._file.size

    @property
    def requests_left(self) -> int:
        """Requests that the budget still allows."""
        return self._meter.requests_left

    @property
    def bytes_left(self) -> int:
        """Bytes that the budget still allows."""
        return self._meter.bytes_left

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`RangedFile`."""
        return self._file.notes

    def read_at(self, start: int, length: int) -> bytes:
        """``length`` bytes from ``start`` on; fewer only at the end of the file.

        :raises OutOfReachError: the server has no ranges, or the budget does not allow it
        :raises TransportError: see :meth:`RangedFile.fetch`
        """
        begin, piece = self._pieces[-1]
        if begin <= start and start + length <= begin + len(piece):
            return piece[start - begin : start - begin + length]
        if start > 0 and len(self._pieces) == 1:
            # The first reply shows whether the server has ranges. Without ranges it begins with the first byte.
            self._fetch(0, 1)
        parts = []
        while length > 0:
            part = self._cached(start, length) or self._fetch(start, length)
            if not part:
                break
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return b"".join(parts)

    def _cached(self, start: int, length: int) -> bytes:
        """The bytes from ``start`` on that one earlier fetch holds."""
        for begin, piece in reversed(self._pieces):
            if begin <= start < begin + len(piece):
                return piece[start - begin : start - begin + length]
        return b""

    def _fetch(self, start: int, length: int) -> bytes:
        size = self._file.size
        if size is not None and start >= size:
            return b""
        end = self._pieces[-1][0] + len(self._pieces[-1][1])
        # The range doubles as long as the reads are sequential, or skip less than a range.
        is_near = end and 0 <= start - end < self._read_ahead
        self._read_ahead = min(2 * self._read_ahead, _MAX_READ_AHEAD_BYTES) if is_near else BLOCK_BYTES
        begin = end if self._file.forward_only else start
        wanted = start + length - begin
        ahead = max(wanted, min(self._read_ahead, self._meter.bytes_left))
        piece = self._file.fetch(begin, ahead if size is None else min(ahead, size - begin))
        if piece:
            self._pieces.append((begin, piece))
        return piece[start - begin : start - begin + length]
