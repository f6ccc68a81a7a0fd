"""A part of a file, as a browser asks for it (RFC 9110, 14.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


class UnsatisfiableError(Exception):
    """The range lies outside the file."""


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """Bytes from ``start`` up to and without ``end``, of ``size``."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def parse_range(header: str | None, *, size: int) -> ByteRange | None:
    """The one range that is asked for; ``None`` for the whole file, as for what is not understood, or several.

    :raises UnsatisfiableError: it begins after the end
    """
    found = _ONE.match(header or "")
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise UnsatisfiableError
    return ByteRange(start=start, end=end, size=size)
