"""The ``Range`` header of a request (RFC 9110, section 14.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeGuard

_SINGLE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


class UnsatisfiableRangeError(Exception):
    """The range lies outside the file."""


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """The bytes from ``start`` to ``end``, exclusive, of a file of ``size`` bytes."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def is_single_range(header: str | None) -> TypeGuard[str]:
    """Whether the header requests one range. Only such a header is passed on to another server."""
    return header is not None and _SINGLE_RANGE.match(header) is not None


def parse_range(header: str | None, *, size: int) -> ByteRange | None:
    """The requested range; ``None`` for the whole file, also for an invalid header or several ranges.

    :param size: of the file, in bytes
    :raises UnsatisfiableRangeError: the range starts after the end of the file
    """
    match = _SINGLE_RANGE.match(header or "")
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise UnsatisfiableRangeError
    return ByteRange(start=start, end=end, size=size)
