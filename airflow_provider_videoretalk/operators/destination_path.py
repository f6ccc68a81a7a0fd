"""The paths of objects to publish, from rendered destinations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_videoretalk.airflow_adapters.location_policy import LocationPolicy
from airflow_provider_videoretalk.airflow_adapters.shared_disk import warn_of_local_disk
from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.media.store_object import open_filesystem
from airflow_provider_videoretalk.operators.template_values import as_store_path, as_text
from airflow_provider_videoretalk.outbound.location_prefix import with_connection
from airflow_provider_videoretalk.publishing.atomic_object import is_local
from airflow_provider_videoretalk.publishing.expected_media import expected_media
from airflow_provider_videoretalk.publishing.object_name import name_in_folder, object_in_folder

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def open_destination(
    destination: object,
    *,
    name: str = "",
    storage_conn_id: str | None = None,
    allowed_destinations: object = None,
    field: str = "destination",
) -> ObjectStoragePath:
    """The path of an object that may be published, in a store that can be opened. Writes nothing.

    A DAG can call it before it pays for what it will publish.

    :param destination: URI of the object, or of a folder with a slash at its end
    :param name: the object's name, if the destination is a folder
    :param storage_conn_id: the connection of the store, if the URI names none
    :param allowed_destinations: as of ``PublishMediaOperator``
    :param field: that names it, for messages
    :raises InputError: the destination is not allowed
    :raises ConfigurationError: its store cannot be opened
    """
    uri = with_connection(as_text(field, destination).strip(), storage_conn_id)
    policy = LocationPolicy(setting="allowed_destinations", own=allowed_destinations)
    # Airflow opens the connection of a store when it makes the path.
    policy.check_remote(field, uri)
    path = as_store_path(field, uri)
    _check_path(field, uri, path)
    if name and uri.endswith("/"):
        path = object_in_folder(path, name)
    policy.check(field, path)
    # A store that cannot be opened is reported before anything is downloaded.
    open_filesystem(path, field=field)
    if is_local(path):
        warn_of_local_disk(path.path)
    return path


def object_paths(
    given: object,
    *,
    source: Mapping[str, Any],
    place: str,
    storage_conn_id: str | None = None,
    allowed_destinations: object = None,
) -> list[ObjectStoragePath]:
    """The paths of the objects that a source becomes. Creates the folders of local files.

    :param given: a destination, or a list of them; see :func:`open_destination`
    :param source: the return value that is published, or a mapping with ``url``
    :param place: its URL or location
    :raises InputError: there is no destination, one is not allowed or named twice, or a folder has no slash at its end
    :raises ConfigurationError: a store cannot be opened
    """
    destinations = [given] if isinstance(given, str) else given
    if not isinstance(destinations, Sequence) or not destinations:
        raise InputError(
            f"destination is {given!r}, allowed is a URI or a list of URIs", remedy="Give at least one URI."
        )
    paths = []
    for destination in destinations:
        in_folder = str(destination).rstrip().endswith("/")
        path = open_destination(
            destination,
            name=name_in_folder(source, place, expected_media(source, place)) if in_folder else "",
            storage_conn_id=storage_conn_id,
            allowed_destinations=allowed_destinations,
        )
        _make_local_folder(path)
        paths.append(path)
    uris = [str(path) for path in paths]
    repeated = next((uri for uri in uris if uris.count(uri) > 1), None)
    if repeated:
        raise InputError(f"destination names {repeated} twice", remedy="Name each object once.")
    return paths


def _make_local_folder(path: ObjectStoragePath) -> None:
    """
    :raises InputError: the path is a folder itself
    """
    if not is_local(path):
        return
    if path.is_dir():
        raise InputError(
            f"destination is {path}, which is a folder, allowed is a file or a folder with a slash at its end",
            remedy="End it with a slash, or name a file in it.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)


def asset_uri(path: ObjectStoragePath) -> str:
    """The object's URI for assets: percent-encoded, and without the Airflow connection."""
    return f"{path.protocol or 'file'}://{quote(path.path)}"


def _check_path(field: str, uri: str, path: ObjectStoragePath) -> None:
    """
    :raises InputError: it has a control character
    """
    # Parsers of URLs drop line ends without a word, so that the object would get another name.
    if _CONTROL.search(uri) or _CONTROL.search(path.path):
        raise InputError(
            f"{field} is {uri!r}, which has a control character", remedy="Remove it, also if it is encoded."
        )
