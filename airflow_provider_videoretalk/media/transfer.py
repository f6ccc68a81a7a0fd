"""Copies a result into a store: streamed, and visible there whole or not at all."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import requests

from airflow_provider_videoretalk.dashscope.errors import ResultExpiredError, TransportError

CHUNK_BYTES = 1024 * 1024

# Of a multipart upload, held in memory by the store's library; its own default is 50 MB.
BLOCK_BYTES = 8 * 1024 * 1024

_TIMEOUT = (10, 60)

_LOCAL = ("", "file", "local")

# How the libraries of the stores are told what an object is; a browser downloads what it does not know to be a video.
_CONTENT_TYPE = {"s3": "ContentType", "s3a": "ContentType", "gs": "content_type", "gcs": "content_type"}


class Destination(Protocol):
    """The part of Airflow's ``ObjectStoragePath`` that a copy needs."""

    @property
    def protocol(self) -> str: ...

    @property
    def path(self) -> str: ...

    def open(self, mode: str, **kwargs: Any) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What was copied.

    :param size: in bytes
    :param sha256: in hexadecimal
    """

    size: int
    sha256: str
    content_type: str | None


def copy(url: str, destination: Destination) -> Copied:
    """Streams ``url`` to ``destination``; memory stays bounded, whatever the size.

    :raises ResultExpiredError: the store of the results refuses the URL, as it does after its end
    :raises TransportError: the download failed or ended early; nothing is visible at the destination
    """
    digest, size = hashlib.sha256(), 0
    try:
        with requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=_TIMEOUT, stream=True) as response:
            _check(response)
            content_type = response.headers.get("Content-Type")
            with atomic(destination, content_type=content_type) as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
    except requests.RequestException as error:
        # Not the exception itself: its text holds the URL and its signature.
        raise TransportError(
            f"the result can't be fetched: {type(error).__name__}", remedy="Nothing was published; run the task again."
        ) from None
    return Copied(size=size, sha256=digest.hexdigest(), content_type=content_type)


def is_local(destination: Destination) -> bool:
    """Whether ``destination`` is a file on this machine, or on a share that is mounted here."""
    return destination.protocol in _LOCAL


@contextmanager
def atomic(destination: Destination, *, content_type: str | None = None) -> Iterator[Any]:
    """A file to write to, which appears at ``destination`` when the block ends well, and never otherwise."""
    if is_local(destination):
        with _sibling(Path(destination.path)) as draft:
            yield draft
        return
    options = {_CONTENT_TYPE[destination.protocol]: content_type} if destination.protocol in _CONTENT_TYPE else {}
    # A plain "wb" commits when it is closed, also while an exception passes through.
    file = destination.open("wb", autocommit=False, block_size=BLOCK_BYTES, **options)
    try:
        yield file
        file.close()
        file.commit()
    except BaseException:
        file.discard()
        raise


@contextmanager
def _sibling(path: Path) -> Iterator[IO[bytes]]:
    """A hidden file beside ``path``, moved there at the end: a rename within one folder is one step, a copy is not."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with draft.open("xb") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _check(response: requests.Response) -> None:
    if response.status_code in (403, 404, 410):
        raise ResultExpiredError(
            "the source's URL is refused",
            status=response.status_code,
            remedy="If it is a result of the service: those live 24 hours. Run the task that made it again.",
        )
    if response.status_code != 200:
        raise TransportError("the result can't be fetched", status=response.status_code)
