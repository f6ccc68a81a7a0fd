"""Converts rendered template fields to the types that they need. Jinja renders every value as text."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.media_url import TEMPORARY
from airflow_provider_videoretalk.model_catalog.price import parse_amount
from airflow_provider_videoretalk.polling.poll_policy import MAX_SECONDS

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_videoretalk.media.location import Location

_WORDS = {"true": True, "false": False}
# A form's empty field, and what Jinja renders for None.
_EMPTY = ("", "None")


def is_empty(value: object) -> bool:
    """Whether a rendered field has no value: ``None``, an empty text, or the text None."""
    return value is None or (isinstance(value, str) and value.strip() in _EMPTY)


def as_bool(field: str, value: object, *, default: bool | None = None) -> bool:
    """
    :param default: for a field without a value; by default such a field is refused
    :raises InputError: neither a boolean nor the text true or false
    """
    if default is not None and is_empty(value):
        return default
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in _WORDS:
        raise InputError(f"{field} is {value!r}, allowed is true or false", remedy=f"Set {field} to a boolean.")
    return _WORDS[word]


def as_int(field: str, value: object, *, default: int | None = None) -> int:
    """
    :param default: for a field without a value; by default such a field is refused
    :raises InputError: no whole number
    """
    if default is not None and is_empty(value):
        return default
    try:
        if isinstance(value, bool):
            raise ValueError
        # JSON has one kind of numbers: a form takes 2.0 for an integer.
        whole, _, fraction = str(value).strip().partition(".")
        if fraction.strip("0"):
            raise ValueError
        return int(whole)
    except ValueError:
        raise InputError(
            f"{field} is {value!r}, allowed is a whole number", remedy=f"Set {field} to an integer."
        ) from None


def as_optional_amount(field: str, value: object) -> Decimal | None:
    """An amount of money, or ``None`` for a field without a value.

    :raises InputError: no number of 0 or more
    """
    if is_empty(value):
        return None
    try:
        return parse_amount(value)
    except ValueError:
        raise InputError(
            f"{field} is {value!r}, allowed is a number of 0 or more",
            remedy="Give an amount, or None for no limit.",
        ) from None


def as_text(field: str, value: object) -> str:
    """
    :raises InputError: no text, or an empty one
    """
    if not isinstance(value, str) or is_empty(value):
        raise InputError(
            f"{field} is {value!r}, allowed is a text that is not empty",
            remedy=f"Set {field}. A template whose value is missing renders as an empty text or as None.",
        )
    return value


def as_optional_text(field: str, value: object) -> str | None:
    """The text, or ``None`` for a field without a value.

    :raises InputError: no text
    """
    return None if is_empty(value) else as_text(field, value)


def as_location(field: str, value: Location) -> Location:
    """A URL or a path as it is, or an ``ObjectStoragePath`` for any other scheme.

    :raises InputError: the field has no value, or Airflow has no filesystem for the scheme
    """
    if is_empty(value):
        raise InputError(
            f"{field} is {value!r}, allowed is a URL or a path",
            remedy=f"Set {field}. A template whose value is missing renders as an empty text or as None.",
        )
    scheme, separator, _ = value.strip().partition("://") if isinstance(value, str) else ("", "", "")
    if not separator or scheme.lower() in ("http", "https", "file") or str(value).strip().startswith(TEMPORARY):
        return value
    return cast("Location", as_store_path(field, str(value).strip()))


def as_store_path(field: str, uri: str, *, conn_id: str | None = None) -> ObjectStoragePath:
    """The path of a URI. Does not open its store.

    :param conn_id: the Airflow connection of the store, if the URI has none
    :raises InputError: Airflow has no filesystem for the scheme, or the URI names no file on this machine
    """
    # Loads fsspec.
    from airflow_provider_videoretalk.airflow_adapters.object_storage_path import store_path

    try:
        return store_path(uri, conn_id=conn_id)
    except ValueError as error:
        if "://" not in uri or uri.lower().startswith(("file:", "local:")):
            raise InputError(
                f"{field} is {uri!r}, which names no file on this machine: {error}",
                remedy="Write it as file:///folder/name, percent-encoded.",
            ) from None
        raise InputError(
            f"{field} has the scheme {uri.partition('://')[0]!r}, for which no store is installed ({error})",
            remedy="Install the Airflow provider of that store, or pass an http(s) URL.",
        ) from None


def as_mapping(field: str, value: object) -> Mapping[str, Any]:
    """
    :raises InputError: no mapping
    """
    if not isinstance(value, Mapping):
        raise InputError(
            f"{field} is a {type(value).__name__}, allowed is a mapping of field names to values",
            remedy="Pass a dict; from a template, set render_template_as_native_obj on the DAG.",
        )
    return value


def as_optional_mapping(field: str, value: object) -> dict[str, Any]:
    """The fields of a mapping that have a value; none for a field without a value.

    :raises InputError: no mapping
    """
    given = {} if is_empty(value) else as_mapping(field, value)
    return {name: one for name, one in given.items() if not is_empty(one)}


def as_json(field: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The value as it is read back from JSON, with which it may be compared.

    :raises InputError: it is not JSON-safe
    """
    try:
        stored: Mapping[str, Any] = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{field} cannot be written as JSON: {error}", remedy="Give texts, numbers, booleans, lists and mappings."
        ) from None
    return stored


def as_seconds(field: str, value: timedelta | float) -> float:
    """
    :raises InputError: neither a timedelta nor a number of seconds, below 0, or over a year
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_SECONDS:
        raise InputError(
            f"{field} is {value!r}, allowed is a timedelta or a number of seconds, from 0 to {MAX_SECONDS:.0f}",
            remedy=f"Set {field} to a value such as timedelta(hours=1).",
        )
    return float(seconds)


def as_optional_seconds(field: str, value: timedelta | float | None) -> float | None:
    """Like :func:`as_seconds`; ``None`` stays ``None``.

    :raises InputError: neither a timedelta nor a number of seconds, or below 0
    """
    return None if value is None else as_seconds(field, value)


def check_word(field: str, value: object, words: Collection[str]) -> None:
    """
    :raises InputError: not one of ``words``
    """
    if value not in words:
        raise InputError(
            f"{field} is {value!r}, allowed is one of {', '.join(words)}", remedy=f"Set {field} to one of these."
        )
