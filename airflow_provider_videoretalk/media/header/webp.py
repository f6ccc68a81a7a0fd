"""Reads WebP."""

from __future__ import annotations

from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.media_facts import MediaFacts
from airflow_provider_videoretalk.media.ranged_reader import RangedReader


def read_webp(ranged: RangedReader, container: str) -> MediaFacts:
    header = ranged.read_at(0, 30)
    if len(header) < 30:
        raise DamagedFileError("it ends within its header")
    if ranged.size is not None and int.from_bytes(header[4:8], "little") + 8 > ranged.size:
        raise DamagedFileError("it ends before its image does")
    width, height = _width_and_height(header)
    return MediaFacts(kind="image", container=container, codec="webp", width=width, height=height)


def _width_and_height(header: bytes) -> tuple[int, int]:
    """By the first chunk: lossy (RFC 6386, 9.1), lossless, or extended."""
    name, content = header[12:16], header[20:30]
    if name == b"VP8 " and content[3:6] == b"\x9d\x01\x2a":
        return _integer(content[6:8]) & 0x3FFF, _integer(content[8:10]) & 0x3FFF
    if name == b"VP8L" and content[0] == 0x2F:
        bits = _integer(content[1:5])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8X":
        return _integer(content[4:7]) + 1, _integer(content[7:10]) + 1
    raise DamagedFileError("it does not begin with an image")


def _integer(content: bytes) -> int:
    return int.from_bytes(content, "little")
