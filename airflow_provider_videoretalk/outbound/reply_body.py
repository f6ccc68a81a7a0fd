"""Reads the body of a reply into memory, up to a limit that also holds for what a compressed body expands to."""

from __future__ import annotations

import zlib

from airflow_provider_videoretalk.dashscope.errors import TransportError

MAX_BYTES = 4 * 1024 * 1024
"""The largest reply of the service that is read. A page of its list has a few kilobytes."""

CHUNK_BYTES = 64 * 1024

# gzip and zlib, which their headers distinguish.
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class ReplyBody:
    """The bytes of a body as they arrive.

    :param encoding: the reply's ``Content-Encoding``
    :raises TransportError: the encoding is not supported
    """

    def __init__(self, *, encoding: str | None) -> None:
        name = (encoding or "").strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise TransportError("the reply has a content encoding that was not asked for")
        self._decompressor = None if name in ("", "identity") else zlib.decompressobj(_GZIP_OR_ZLIB)
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """
        :raises TransportError: the body is too large, or its compression is damaged
        """
        if self._decompressor is not None:
            chunk = self._decompress(chunk)
        self._size += len(chunk)
        if self._size > MAX_BYTES:
            raise TransportError(f"the reply is larger than {MAX_BYTES:,} bytes, the most that is read")
        self._parts.append(chunk)

    def content(self) -> bytes:
        return b"".join(self._parts)

    def _decompress(self, chunk: bytes) -> bytes:
        assert self._decompressor is not None
        try:
            return self._decompressor.decompress(chunk, MAX_BYTES - self._size + 1)
        except zlib.error:
            raise TransportError("the reply cannot be read: its compression is damaged") from None
