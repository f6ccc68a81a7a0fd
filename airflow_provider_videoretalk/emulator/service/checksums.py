"""The checksums that OSS sends with an object: MD5 and CRC-64/XZ."""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1024 * 1024
_POLYNOMIAL = 0xC96C5795D7870F42
_ALL = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class Checksums:
    """Size in bytes, MD5 in hexadecimal, CRC-64/XZ as an unsigned number."""

    size: int
    md5: str
    crc64: int

    @property
    def etag(self) -> str:
        """OSS's ETag of an object that was uploaded in one part: the quoted MD5 in upper case."""
        return f'"{self.md5.upper()}"'

    @property
    def content_md5(self) -> str:
        return base64.b64encode(bytes.fromhex(self.md5)).decode()


def checksums_of(path: Path) -> Checksums:
    """The checksums of a file, which is read once.

    The CRC in pure Python processes a few MB/s: call this outside the server process.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    size, crc = 0, 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            md5.update(chunk)
            size += len(chunk)
            crc = crc64(chunk, crc)
    return Checksums(size=size, md5=md5.hexdigest(), crc64=crc)


def crc64(data: bytes, crc: int = 0) -> int:
    """CRC-64/XZ of `data`; `crc` is the checksum of the bytes before it."""
    tables = _tables()
    t0, t1, t2, t3, t4, t5, t6, t7 = tables
    crc ^= _ALL
    whole = len(data) // 8 * 8
    for (word,) in struct.iter_unpack("<Q", data[:whole]):
        crc ^= word
        crc = (
            t7[crc & 255]
            ^ t6[crc >> 8 & 255]
            ^ t5[crc >> 16 & 255]
            ^ t4[crc >> 24 & 255]
            ^ t3[crc >> 32 & 255]
            ^ t2[crc >> 40 & 255]
            ^ t1[crc >> 48 & 255]
            ^ t0[crc >> 56]
        )
    for byte in data[whole:]:
        crc = t0[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ _ALL


@lru_cache(maxsize=1)
def _tables() -> tuple[tuple[int, ...], ...]:
    """Eight lookup tables, so that one step processes eight bytes."""
    first = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        first.append(crc)
    tables = [first]
    for _ in range(7):
        tables.append([first[value & 255] ^ value >> 8 for value in tables[-1]])
    return tuple(tuple(table) for table in tables)
