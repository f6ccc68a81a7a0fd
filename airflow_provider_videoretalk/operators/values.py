"""What a rendered template holds, as the type that a field wants: Jinja makes strings of everything."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.url import TEMPORARY

if TYPE_CHECKING:
    from airflow_provider_videoretalk.media.location import Location

_WORDS = {"true": True, "false": False}


def as_bool(field: str, value: object) -> bool:
    """
    :raises InputError: neither a boolean nor the word for one
    """
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in _WORDS:
        raise InputError(f"{field} is {value!r}, allowed is true or false", remedy="Give a boolean.")
    return _WORDS[word]


def as_int(field: str, value: object) -> int:
    """
    :raises InputError: not a whole number
    """
    try:
        if isinstance(value, bool):
            raise ValueError
        return int(str(value).strip())
    except ValueError:
        raise InputError(f"{field} is {value!r}, allowed is a whole number", remedy="Give an integer.") from None


def as_text(field: str, value: object) -> str:
    """
    :raises InputError: not a text, or an empty one
    """
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{field} is {value!r}, allowed is a text that is not empty", remedy=f"Give the {field}.")
    return value


def as_location(field: str, value: Location) -> Location:
    """What ``value`` names: a URL and a path stay what they are, any other scheme is that of a store.

    :raises InputError: a store that Airflow knows no filesystem of
    """
    scheme, separator, _ = value.strip().partition("://") if isinstance(value, str) else ("", "", "")
    if not separator or scheme.lower() in ("http", "https", "file") or str(value).strip().startswith(TEMPORARY):
        return value
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_videoretalk.fs.oss import register_paths

    register_paths()
    try:
        path = ObjectStoragePath(str(value).strip())
    except ValueError as error:
        raise InputError(
            f"{field} has the scheme {scheme!r}, which names no store here ({error})",
            remedy="Install the provider of that store, or give a URL.",
        ) from None
    return cast("Location", path)


def as_mapping(field: str, value: object) -> Mapping[str, Any]:
    """
    :raises InputError: not a mapping; a bare string would be taken apart letter by letter elsewhere
    """
    if not isinstance(value, Mapping):
        raise InputError(
            f"{field} is a {type(value).__name__}, allowed is a mapping of field names to values",
            remedy="Pass a dict; from a template, set render_template_as_native_obj on the DAG.",
        )
    return value


def as_seconds(field: str, value: timedelta | float) -> float:
    """
    :raises InputError: neither a timedelta nor a number of seconds, or below 0
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise InputError(
            f"{field} is {value!r}, allowed is a timedelta or a number of seconds",
            remedy="Give timedelta(hours=1), say.",
        )
    return float(seconds)


def check_word(field: str, value: object, words: Collection[str]) -> None:
    """
    :raises InputError: not one of the policy's words
    """
    if value not in words:
        raise InputError(f"{field} is {value!r}, allowed is one of {', '.join(words)}", remedy="Choose one of these.")
