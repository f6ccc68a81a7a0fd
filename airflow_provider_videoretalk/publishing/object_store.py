"""The object that a destination already holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, TransportError
from airflow_provider_videoretalk.publishing.atomic_object import Destination, is_local, open_atomic_object


def find_object(destination: Destination) -> Mapping[str, Any] | None:
    """The store's information about a file, with ``size`` in bytes; ``None`` if there is no file."""
    fs = destination.fs
    # Some libraries cache listings.
    fs.invalidate_cache()
    try:
        found: Mapping[str, Any] = fs.info(destination.path)
    except FileNotFoundError:
        return None
    return found if found.get("type", "file") == "file" else None


def read_object(destination: Destination) -> bytes | None:
    """The content of a small file; ``None`` if there is no file."""
    try:
        content: bytes = destination.fs.cat_file(destination.path)
    except FileNotFoundError:
        return None
    return content


def make_folder_of(destination: Destination) -> None:
    """Creates the folder of a local file. Stores have no folders."""
    if is_local(destination):
        Path(destination.path).parent.mkdir(parents=True, exist_ok=True)


def write_object(destination: Destination, content: bytes, *, content_type: str) -> None:
    """Writes a small file. It appears complete, and replaces another one. Creates the folder of a local file."""
    make_folder_of(destination)
    written = open_atomic_object(destination, content_type=content_type)
    try:
        written.write(content)
        written.seal()
        written.commit()
    finally:
        written.discard()


def remove_object(destination: Destination) -> None:
    destination.fs.rm_file(destination.path)


@contextmanager
def store_errors_named(destination: Destination) -> Iterator[None]:
    """Converts the errors of a store's library into one that names the object.

    :raises TransportError: with the library's error as its cause
    """
    try:
        yield
    except DashScopeError:
        raise
    except Exception as error:
        raise TransportError(
            f"{destination} cannot be published: the store failed with {type(error).__name__}",
            retryable=not isinstance(error, PermissionError),
            remedy="See the cause in the task's log. Check the store and the permissions of its connection.",
        ) from error
