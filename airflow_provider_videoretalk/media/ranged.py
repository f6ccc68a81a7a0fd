"""The bytes of one file, fetched in pieces as they are asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_videoretalk.dashscope.errors import TransportError
from airflow_provider_videoretalk.limits import MEGABYTE

BLOCK_BYTES = 32 * 1024
"""Least that is asked for at once."""

# Most that is asked for at once when a file is read from one end to the other.
_AHEAD_BYTES = MEGABYTE


class OutOfReachError(TransportError):
    """A part of a file that is not read: the server has no ranges, or it would cost more than the budget."""

    retryable_by_default = False


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What reading one file may cost.

    :param size: bytes in all
    :param requests: requests in all, redirects included
    :param seconds: time in all
    """

    size: int = 8 * MEGABYTE
    requests: int = 64
    seconds: float = 60.0


REMOTE = Budget()
LOCAL = Budget(size=64 * MEGABYTE, requests=4096)


class Meter:
    """Counts what was spent of a budget."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.size = 0
        self.requests = 0
        self._end = time.monotonic() + budget.seconds

    @property
    def left(self) -> int:
        """Bytes that may still be read."""
        return self.budget.size - self.size

    def charge(self, *, size: int = 0, requests: int = 1) -> None:
        """Books a request for ``size`` bytes before it is made.

        :raises OutOfReachError: the budget does not allow for it; nothing is booked
        """
        if size > self.left:
            raise OutOfReachError(f"it would take more than {self.budget.size:,} bytes of the file")
        if self.requests + requests > self.budget.requests:
            raise OutOfReachError(f"it would take more than {self.budget.requests} requests")
        self.check_time()
        self.size += size
        self.requests += requests

    def check_time(self) -> None:
        """:raises OutOfReachError: the time is up"""
        if time.monotonic() >= self._end:
            raise OutOfReachError(f"it took more than {self.budget.seconds:g} s")


class Origin(Protocol):
    """Where the bytes lie.

    :param size: of the file in bytes; ``None`` until it is known, for good where the server does not say
    :param forward_only: whether :meth:`fetch` can only go on where it ended; may be known after the first call
    :param notes: what could not be checked about the place itself, as ``"what: why"``
    """

    size: int | None
    forward_only: bool
    notes: tuple[str, ...]

    def fetch(self, start: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``start`` on; none at the end of the file, and nowhere else.

        :raises OutOfReachError: the place, or the budget, does not allow for it
        :raises TransportError: the file can't be fetched, or is another one by now
        :raises InputError: there is no such file, or it may not be read
        """
        raise NotImplementedError

    def close(self) -> None: ...


class Ranged:
    """Random access to the bytes of an origin. What was fetched once is kept, up to the budget."""

    def __init__(self, origin: Origin, meter: Meter) -> None:
        self._origin = origin
        self._meter = meter
        self._pieces: list[tuple[int, bytes]] = [(0, b"")]
        self._ahead = BLOCK_BYTES

    @property
    def size(self) -> int | None:
        """In bytes; known after the first read, ``None`` where the server does not say."""
        return self._origin.size

    @property
    def requests_left(self) -> int:
        """Requests that the budget still allows for."""
        return self._meter.budget.requests - self._meter.requests

    @property
    def notes(self) -> tuple[str, ...]:
        return self._origin.notes

    def at(self, start: int, length: int) -> bytes:
        """``length`` bytes from ``start`` on; fewer only where the file ends.

        :raises OutOfReachError: they are not to be had within the budget
        :raises TransportError: see :meth:`Origin.fetch`
        """
        begin, piece = self._pieces[-1]
        if begin <= start and start + length <= begin + len(piece):
            return piece[start - begin : start - begin + length]
        if start > 0 and len(self._pieces) == 1:
            # The first answer tells whether there are ranges; one that has none begins at the file's beginning.
            self._fetched(0, 1)
        parts = []
        while length > 0:
            part = self._held(start, length) or self._fetched(start, length)
            if not part:
                break
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return b"".join(parts)

    def _held(self, start: int, length: int) -> bytes:
        """What was fetched already from ``start`` on, as far as it hangs together."""
        for begin, piece in reversed(self._pieces):
            if begin <= start < begin + len(piece):
                return piece[start - begin : start - begin + length]
        return b""

    def _fetched(self, start: int, length: int) -> bytes:
        size = self._origin.size
        if size is not None and start >= size:
            return b""
        end = self._pieces[-1][0] + len(self._pieces[-1][1])
        # Twice as much each time, as long as it goes straight on.
        self._ahead = min(2 * self._ahead, _AHEAD_BYTES) if end and start == end else BLOCK_BYTES
        begin = end if self._origin.forward_only else start
        wanted = start + length - begin
        ahead = max(wanted, min(self._ahead, self._meter.left))
        piece = self._origin.fetch(begin, ahead if size is None else min(ahead, size - begin))
        if piece:
            self._pieces.append((begin, piece))
        return piece[start - begin : start - begin + length]
