"""Reads RIFF, the container of WAV, AVI and WebP: a sequence of chunks, each with a name, a size and content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_videoretalk.media.ranged_reader import RangedReader

CHUNK_HEADER_BYTES = 8
FIRST_CHUNK = 12
"""Position of the first chunk in a file: after ``RIFF``, the file's size and its type."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One chunk.

    :param name: four characters; of a list followed by the list's type, as in ``LISTmovi``
    :param start: position of the content in the file
    :param size: bytes of content that the header states
    """

    name: bytes
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


def read_chunks(ranged: RangedReader, start: int, *, end: int | None = None, max_chunks: int = 4096) -> Iterator[Chunk]:
    """The chunks from ``start`` to ``end`` or to the end of the file, at most ``max_chunks``."""
    for _ in range(max_chunks):
        header = (
            ranged.read_at(start, CHUNK_HEADER_BYTES + 4) if end is None or start + CHUNK_HEADER_BYTES <= end else b""
        )
        if len(header) < CHUNK_HEADER_BYTES:
            return
        name, size = header[:4], int.from_bytes(header[4:8], "little")
        content = start + CHUNK_HEADER_BYTES
        yield Chunk(name=name + header[8:12] if name in (b"LIST", b"RIFF") else name, start=content, size=size)
        start = content + size + size % 2
