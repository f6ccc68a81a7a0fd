"""Where the source of a publish task is: at a URL, or in a store that the task may open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.airflow_adapters.location_policy import LocationPolicy
from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_urls
from airflow_provider_videoretalk.dashscope.errors import InputError, ResultExpiredError, TaskUnknownError
from airflow_provider_videoretalk.dashscope.media_url import media_url
from airflow_provider_videoretalk.operators.destination_path import open_destination
from airflow_provider_videoretalk.operators.location_fields import LOCATION_FIELD, location_of_output, url_of_output
from airflow_provider_videoretalk.operators.template_values import as_text
from airflow_provider_videoretalk.outbound.location_prefix import LOCAL_SCHEMES, scheme_of, with_connection

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_videoretalk.outbound.host_access import AccessRule

_FIELD = f"source's {LOCATION_FIELD}"
_BILLED_AGAIN = "The service keeps results for 24 hours, for one account. Making the result again is billed again."


def source_place(source: str | Mapping[str, Any], *, is_output: bool, allowed_sources: object = None) -> str:
    """The URL of a source, or the URI of an object in a store. Opens nothing.

    :param source: a return value, or a URL
    :param is_output: whether a return value is that of another task; any other source must be allowed
    :raises InputError: there is none, it is malformed, or it is not allowed
    """
    if not isinstance(source, Mapping):
        place, is_output = media_url("source", source), False
    elif (location := location_of_output(source)) is not None:
        place = as_text(_FIELD, location).strip()
    else:
        place = url_of_output("source", source)
    if not is_output:
        LocationPolicy(setting="allowed_sources", own=allowed_sources).check("source", place)
    return place


def open_source_location(
    location: object,
    *,
    destinations: Sequence[ObjectStoragePath],
    storage_conn_id: str | None = None,
    allowed_destinations: object = None,
) -> ObjectStoragePath:
    """The path of a video in a store, by another task's return value.

    An XCom can be changed by others than the DAG's author. So the location must be allowed as a destination is. Without
    an ``allowed_destinations`` of the task, it must also be in a store that the task writes to: the same scheme,
    connection and bucket.

    :param location: URI of the object
    :raises InputError: the location is a URL or a folder, or is not allowed
    :raises ConfigurationError: its store cannot be opened
    """
    uri = with_connection(as_text(_FIELD, location).strip(), storage_conn_id)
    if scheme_of(uri) in ("http", "https") or uri.endswith("/"):
        raise InputError(
            f"{_FIELD} is {uri[:300]!r}, allowed is the URI of an object in a store",
            remedy="Pass a URL as video_url.",
        )
    # Before its store is opened.
    if allowed_destinations is None and _store(uri) not in (_store(str(path)) for path in destinations):
        raise InputError(
            f"{_FIELD} is {uri[:300]!r}, which is in another store than the task's destinations",
            remedy="Publish to the same connection and bucket, or set allowed_destinations to both.",
        )
    return open_destination(uri, allowed_destinations=allowed_destinations, field=_FIELD)


def _store(uri: str) -> tuple[str, str]:
    """Scheme, and connection with bucket. All files that the configuration allows are in one store."""
    scheme = scheme_of(uri)
    return ("file", "") if scheme in LOCAL_SCHEMES else (scheme, uri.partition("://")[2].partition("/")[0])


def source_identity(source: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that identify a source: a render job makes one video, and a speech request one audio file."""
    return next(({name: source[name]} for name in ("task_id", "request_id") if source.get(name)), {})


def media_access(conn_id: str | None) -> AccessRule:
    """How the host of a source may be connected to, by a connection; ``None`` for the default one."""
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

    return DashScopeHook(conn_id or DashScopeHook.default_conn_name).media_access


def request_new_url(conn_id: str, task_id: str) -> str:
    """A new URL of a render job's result, which is free.

    :raises TaskUnknownError: the service no longer knows the job
    :raises ResultExpiredError: the job no longer has a result
    """
    from airflow_provider_videoretalk.dashscope.task import get_task
    from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

    task = DashScopeHook(conn_id).client.send(get_task(task_id))
    try:
        task.raise_for_status()
    except TaskUnknownError as error:
        error.remedy = _BILLED_AGAIN
        raise
    if task.result_url is None:
        raise ResultExpiredError(
            f"source's URL has expired, and render job {task_id} no longer has a result", remedy=_BILLED_AGAIN
        )
    mask_urls(task.result_url)
    return media_url("source", task.result_url)
