"""Copies a result into a store: streamed, and visible there whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import requests

from airflow_provider_videoretalk.dashscope.errors import ResultExpiredError, TransportError

CHUNK_BYTES = 1024 * 1024

# Of a multipart upload, held in memory by the store's library; its own default is 50 MB.
BLOCK_BYTES = 8 * 1024 * 1024

_TIMEOUT = (10, 60)


class Destination(Protocol):
    """The part of Airflow's ``ObjectStoragePath`` that a copy needs."""

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
            with atomic(destination) as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                _check_length(response, size)
            content_type = response.headers.get("Content-Type")
    except requests.RequestException as error:
        # Not the exception's own text: it holds the URL and its signature.
        raise TransportError(
            f"the result can't be fetched: {type(error).__name__}", remedy="Nothing was published; run the task again."
        ) from error
    return Copied(size=size, sha256=digest.hexdigest(), content_type=content_type)


@contextmanager
def atomic(destination: Destination) -> Iterator[Any]:
    """A file to write to, which appears at ``destination`` when the block ends well, and never otherwise."""
    # A plain "wb" commits when it is closed, also while an exception passes through.
    file = destination.open("wb", autocommit=False, block_size=BLOCK_BYTES)
    try:
        yield file
        file.close()
    except BaseException:
        file.discard()
        raise
    file.commit()


def _check(response: requests.Response) -> None:
    if response.status_code in (403, 404, 410):
        raise ResultExpiredError(
            "the result's URL is refused",
            status=response.status_code,
            remedy="Results live 24 hours: ask for the task again while its record lives, or make the video again.",
        )
    if response.status_code != 200:
        raise TransportError("the result can't be fetched", status=response.status_code)


def _check_length(response: requests.Response, size: int) -> None:
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and int(announced) != size:
        raise TransportError(
            f"the download ended after {size} of {announced} bytes", remedy="Nothing was published; run the task again."
        )
