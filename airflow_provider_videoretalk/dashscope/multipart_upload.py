"""A ``multipart/form-data`` body with one file, which the client streams."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import IO, Any, Literal, Protocol

CHUNK_BYTES = 1024 * 1024


class Content(Protocol):
    """The part of ``Path`` and ``ObjectStoragePath`` that an upload needs."""

    @property
    def name(self) -> str: ...

    @property
    def suffix(self) -> str: ...

    def is_file(self) -> bool: ...

    def stat(self) -> Any: ...

    def open(self, mode: Literal["rb"]) -> IO[bytes]: ...


class MultipartUpload:
    """Text fields, then the file as the last part.

    The library requests sends it as an iterable of known length. The file is never in memory as a whole.

    :param fields: the text fields, in order
    :param content: the file
    :param name: the file name in the form
    """

    def __init__(self, *, fields: Mapping[str, str], content: Content, name: str) -> None:
        self._content = content
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        self._head = "".join(parts).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"

    def __len__(self) -> int:
        return len(self._head) + int(self._content.stat().st_size) + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        with self._content.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        yield self._tail
