"""WebP."""

from __future__ import annotations

from airflow_provider_videoretalk.media.header.damage import DamageError
from airflow_provider_videoretalk.media.header.facts import Facts
from airflow_provider_videoretalk.media.ranged import Ranged


def read_webp(ranged: Ranged, container: str) -> Facts:
    head = ranged.at(0, 30)
    if len(head) < 30:
        raise DamageError("it ends within its header")
    if ranged.size is not None and int.from_bytes(head[4:8], "little") + 8 > ranged.size:
        raise DamageError("it ends before its picture does")
    width, height = _sides(head)
    return Facts(kind="image", container=container, codec="webp", width=width, height=height)


def _sides(head: bytes) -> tuple[int, int]:
    """Of the picture's first chunk: lossy (RFC 6386, 9.1), lossless, or the frame of more than one."""
    name, content = head[12:16], head[20:30]
    if name == b"VP8 " and content[3:6] == b"\x9d\x01\x2a":
        return _number(content[6:8]) & 0x3FFF, _number(content[8:10]) & 0x3FFF
    if name == b"VP8L" and content[0] == 0x2F:
        bits = _number(content[1:5])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8X":
        return _number(content[4:7]) + 1, _number(content[7:10]) + 1
    raise DamageError("it does not begin with a picture")


def _number(content: bytes) -> int:
    return int.from_bytes(content, "little")
