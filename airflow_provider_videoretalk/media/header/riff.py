"""RIFF, the frame of WAV, AVI and WebP: a name, a size, and that many bytes, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_videoretalk.media.ranged import Ranged

HEAD_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One chunk: where its content begins in the file, and how many bytes it claims.

    :param name: of a list, with its type, as in ``LISTmovi``
    """

    name: bytes
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


def chunks(ranged: Ranged, start: int, *, end: int | None = None, most: int = 4096) -> Iterator[Chunk]:
    """The chunks from ``start`` on until ``end``, or the file's end, and no more than ``most``."""
    for _ in range(most):
        head = ranged.at(start, HEAD_BYTES + 4) if end is None or start + HEAD_BYTES <= end else b""
        if len(head) < HEAD_BYTES:
            return
        name, size = head[:4], int.from_bytes(head[4:8], "little")
        yield Chunk(name=name + head[8:12] if name in (b"LIST", b"RIFF") else name, start=start + HEAD_BYTES, size=size)
        start += HEAD_BYTES + size + size % 2
