"""What is at a destination already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, TransportError
from airflow_provider_videoretalk.publishing.draft import Destination


def look(destination: Destination) -> Mapping[str, Any] | None:
    """What the store tells of a file, ``size`` in bytes among it; ``None`` where there is none."""
    fs = destination.fs
    # Some libraries remember what they listed, and so what was there before.
    fs.invalidate_cache()
    try:
        found: Mapping[str, Any] = fs.info(destination.path)
    except FileNotFoundError:
        return None
    return found if found.get("type", "file") == "file" else None


def read(destination: Destination) -> bytes | None:
    """A small file, ``None`` where there is none."""
    try:
        content: bytes = destination.fs.cat_file(destination.path)
    except FileNotFoundError:
        return None
    return content


def remove(destination: Destination) -> None:
    destination.fs.rm_file(destination.path)


@contextmanager
def named_errors(destination: Destination) -> Iterator[None]:
    """Lets every failure of a store's library say which object it was about.

    :raises TransportError: with the library's own error as its cause
    """
    try:
        yield
    except DashScopeError:
        raise
    except Exception as error:
        raise TransportError(
            f"{destination} can't be published: {type(error).__name__}",
            retryable=not isinstance(error, PermissionError),
            remedy="The error that it was caused by tells more; check the store, and the connection's permissions.",
        ) from error
