"""Rendered fields that name a location: what may be in them, and who wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import XComArg

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.media_url import media_url
from airflow_provider_videoretalk.outbound.signed_url import has_signed_url

URL_FIELDS = ("video_url", "audio_url", "url")
"""The fields of a return value that can hold a URL, in the order in which they are looked for."""

LOCATION_FIELD = "video_location"
"""The field of a return value whose video is in a store, and has no URL."""

# Fields of a return value that expire, and that give access to the result before.
_EXPIRING_FIELDS = (*URL_FIELDS, "expires_at", "output", "result_urls")


def permanent_fields(value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a return value that may be stored: those without a signed URL, at any depth."""
    return {name: one for name, one in value.items() if name not in _EXPIRING_FIELDS and not _has_signature(one)}


def _has_signature(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_signature, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_has_signature, value))
    return isinstance(value, str) and has_signed_url(value)


def is_task_output(value: object) -> bool:
    """Whether a field gets another task's return value. Ask before the field is rendered.

    A template may render to a mapping as well, if the DAG renders native objects. Who triggers the DAG may have written
    such a mapping, so it is no return value.
    """
    if isinstance(value, XComArg):
        return True
    # A mapped task gets the value itself.
    return isinstance(value, Mapping) and not any(
        _is_template(value.get(name)) for name in (*URL_FIELDS, LOCATION_FIELD)
    )


def _is_template(value: object) -> bool:
    return value is not None and (not isinstance(value, str) or "{" in value)


def location_of_output(value: Mapping[str, Any]) -> object:
    """The location of the video in another task's return value; ``None`` if it has a URL, or no location."""
    return None if any(value.get(name) for name in URL_FIELDS) else value.get(LOCATION_FIELD)


def url_of_output(field: str, value: Mapping[str, Any], names: tuple[str, ...] = URL_FIELDS) -> str:
    """The URL in another task's return value.

    An XCom can be changed by others than the DAG's author. So it never names a file or an object in a store.

    :raises InputError: there is no URL in it, or one that is neither http nor https
    """
    found = next((value[name] for name in names if value.get(name)), None)
    if found is None:
        raise InputError(
            f"{field} is a mapping with the keys {sorted(map(str, value))}, allowed is one with {' or '.join(names)}",
            remedy="Pass the return value of an operator or sensor of this package, or a location.",
        )
    url = media_url(field, found)
    if not url.startswith(("http://", "https://")):
        raise InputError(
            f"{field} is a return value whose URL is {url.partition('?')[0][:300]!r}, allowed is an http or https URL",
            remedy="Pass a file or an object in a store as a text, and not in a mapping.",
        )
    return url
