"""Converts between URIs and Airflow's ``ObjectStoragePath``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fsspec import available_protocols  # type: ignore[import-untyped]
from upath.registry import available_implementations

from airflow_provider_videoretalk.airflow_adapters.oss_filesystem import register_paths

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_LOCAL = ("", "file", "local")
_LOCAL_URI = re.compile("(?:file|local):", re.IGNORECASE)


def store_path(uri: str, *, conn_id: str | None = None) -> ObjectStoragePath:
    """The path for a URI. The percent-encoding of a ``file`` URI (RFC 8089) is decoded, which Airflow does not do.

    The key in any other URI, and a path without a scheme, are taken as they are.

    :param conn_id: the store's connection, if the URI does not name one
    :raises ValueError: the scheme belongs to no known store, or the path is relative or on another machine
    """
    from airflow.sdk import ObjectStoragePath

    register_paths()
    scheme, separator, _ = uri.partition("://")
    if local := _LOCAL_URI.match(uri):
        uri = f"file://{_file_path(uri[local.end() :])}"
    elif not separator and not uri.startswith("/"):
        # universal_pathlib 0.2 would make it absolute, and 0.3 would look in the process's working directory.
        raise ValueError("a path without a scheme begins with a slash")
    elif separator and scheme not in (*available_implementations(), *available_protocols()):
        # Airflow 3.1 reports an unknown scheme only when the store is opened.
        raise ValueError(f"Protocol not known: {scheme!r}")
    # Airflow 3.1 uses conn_id=None as a connection id.
    return ObjectStoragePath(uri, conn_id=conn_id) if conn_id else ObjectStoragePath(uri)


def uri_of(path: Any) -> str:
    """The URI of an ``ObjectStoragePath``, which :func:`store_path` accepts. The URI of a file is percent-encoded."""
    return Path(path.path).as_uri() if path.protocol in _LOCAL else str(path)


def _file_path(rest: str) -> str:
    """The path in a ``file`` URI, from what follows its scheme.

    :raises ValueError: the file is on another machine, its path is not absolute, or the URI is not percent-encoded; or
        the path has a line end or a tab, which Airflow would drop
    """
    host, path = re.match("(?://([^/]*))?(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if host not in (None, "", "localhost"):
        raise ValueError(f"a file URI has three slashes, and this one names the host {host!r}")
    if not path.startswith("/"):
        raise ValueError("the path in a file URI begins with a slash")
    if "?" in path or "#" in path:
        raise ValueError("in a file URI, ? is written as %3F, and # as %23")
    path = unquote(path)
    if re.search(r"[\t\r\n]", path):
        raise ValueError("it has a control character, without which it is another file's")
    return path
