"""The names of media files in lineage, by OpenLineage's naming of datasets: https://openlineage.io/docs/spec/naming."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class DatasetName(NamedTuple):
    """
    :param namespace: the store: ``s3://bucket``, ``https://host``, or ``file``
    :param name: the object or path in it
    """

    namespace: str
    name: str


def dataset_name(location: str) -> DatasetName | None:
    """The name of a file; ``None`` if the text is no URI. Credentials, queries and connection ids are left out.

    :param location: a URI; the version of its content may follow a ``#``
    """
    try:
        parts = urlsplit(location.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not parts.scheme:
        return None
    if parts.scheme in ("file", "local"):
        return DatasetName("file", unquote(parts.path))
    if not host:
        return None
    # A bucket's name keeps its case, which urlsplit's hostname does not.
    place = parts.netloc.rpartition("@")[2] if port is None else f"{host}:{port}"
    return DatasetName(f"{parts.scheme}://{place}", parts.path if parts.scheme in ("http", "https") else parts.path[1:])
