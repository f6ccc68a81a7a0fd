"""CRC-64/XZ. Alibaba Cloud's OSS sends it with every object as ``x-oss-hash-crc64ecma``."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

Crc64 = Callable[[bytes, int], int]
"""Takes bytes and the checksum of all bytes before them (0 at the start); returns the checksum of both."""

_POLYNOMIAL = 0xC96C5795D7870F42
_ALL = 0xFFFFFFFFFFFFFFFF


def fast_crc64() -> Crc64 | None:
    """The function of the optional package ``fastcrc`` (gigabytes a second); ``None`` if it is not installed."""
    try:
        from fastcrc.crc64 import xz  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    checksum: Crc64 = xz
    return checksum


def slow_crc64(data: bytes, crc: int = 0) -> int:
    """The same in pure Python: a few megabytes a second."""
    table = _table()
    crc ^= _ALL
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ _ALL


@lru_cache(maxsize=1)
def _table() -> tuple[int, ...]:
    rows = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        rows.append(crc)
    return tuple(rows)
