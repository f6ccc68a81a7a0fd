"""Which published object a page may open: one that the publish operator's rendered destination names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from airflow_provider_videoretalk.airflow_adapters.location_policy import LocationPolicy
from airflow_provider_videoretalk.outbound.location_prefix import LOCAL_SCHEMES, scheme_of, with_connection
from airflow_provider_videoretalk.ui.return_values import get_text

_PLAIN_NAME = re.compile(r"(?!\.{1,2}\Z)[^/\\\x00]+")


def published_uri(fields: Mapping[str, Any], named: str) -> str | None:
    """The URI of the object at a destination.

    :param fields: the publish operator's rendered fields. Airflow keeps those of the last runs of a DAG
    :param named: the URI in the operator's return value. It selects one of the destinations, and in a folder the
        object. It is not opened itself, since others than the DAG's author can change it
    :return: ``None`` if no destination is allowed and names the object
    """
    for destination in _destinations(fields):
        is_local = scheme_of(destination) in LOCAL_SCHEMES
        uri = (_local_object if is_local else _remote_object)(destination, named)
        if uri is not None and is_allowed(fields, uri):
            return uri
    return None


def is_allowed(fields: Mapping[str, Any], uri: str) -> bool:
    """Whether the publish operator may have written an object at a URI."""
    allowed = LocationPolicy(setting="allowed_destinations", own=fields.get("allowed_destinations"))
    is_local = scheme_of(uri) in LOCAL_SCHEMES
    return allowed.allows(Path(unquote(uri[len("file://") :])) if is_local else uri)


def _destinations(fields: Mapping[str, Any]) -> Iterator[str]:
    rendered = fields.get("destination")
    for destination in rendered if isinstance(rendered, list) else [rendered]:
        if isinstance(destination, str) and destination.strip():
            yield with_connection(destination.strip(), get_text(fields, "storage_conn_id"))


def _remote_object(destination: str, named: str) -> str | None:
    name = named.rpartition("/")[2]
    if not destination.endswith("/"):
        return destination if destination == named else None
    uri = f"{destination}{name}"
    return uri if uri == named and _PLAIN_NAME.fullmatch(name) else None


def _local_object(destination: str, named: str) -> str | None:
    # Loads fsspec.
    from airflow_provider_videoretalk.airflow_adapters.object_storage_path import store_path

    name = unquote(named.rpartition("/")[2])
    try:
        path = Path(store_path(destination).path)
    except (ValueError, OSError, RuntimeError):
        return None
    if destination.endswith("/"):
        if not _PLAIN_NAME.fullmatch(name):
            return None
        path /= name
    return path.as_uri() if path.is_absolute() and path.as_uri() == named else None
