"""Values from Airflow's database as checked types. Anyone who may write an XCom can store anything there.

A value of an unexpected type, of an impossible size or that cannot be shown counts as missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

MAX_STORED_LENGTH = 256 * 1024
"""Characters of a stored value as JSON. A longer one counts as missing, and does not leave the database."""

# Of a text that is shown as it is, such as a script, and of one that names something.
_MAX_TEXT = 64 * 1024
_MAX_NAME = 500

# Years that a video can belong to. Arithmetic with times at the ends of the calendar overflows.
_FIRST_YEAR, _LAST_YEAR = 2000, 2200

_MAX_NUMBER = 1e12
_MAX_DEPTH = 6
_MAX_ITEMS = 200


def read_json(text: object) -> Any:
    """A JSON text's value; ``None`` if it is none, or is nested too deeply to be read."""
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def as_text(value: object, *, longest: int = _MAX_TEXT) -> str | None:
    """A text with more than whitespace, with a replacement for what UTF-8 cannot encode."""
    if not isinstance(value, str) or len(value) > longest or not value.strip():
        return None
    return value.encode("utf-8", "replace").decode().replace("\0", "")


def as_name(value: object) -> str | None:
    """A text that names something: an id, a connection, a language."""
    return as_text(value, longest=_MAX_NAME)


def as_number(value: object) -> float | None:
    """A number that is finite and of a possible size."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # False for NaN and infinity too.
    return float(value) if abs(value) <= _MAX_NUMBER else None


def as_amount(value: object) -> float | None:
    """A number that is not negative: seconds, bytes or money."""
    number = as_number(value)
    return number if number is not None and number >= 0 else None


def as_location(value: object) -> str | None:
    """A URL or a path that can be parsed."""
    text = as_text(value)
    try:
        urlsplit(text or "")
    except ValueError:
        return None
    return text


def as_time(value: object) -> datetime | None:
    """An ISO 8601 time, in UTC if it has no offset."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    if not _FIRST_YEAR <= parsed.year <= _LAST_YEAR:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def as_moment(value: object) -> datetime | None:
    """A time in seconds since the epoch."""
    seconds = as_number(value)
    if seconds is None or not _FIRST_YEAR <= 1970 + seconds / (366 * 86400) <= _LAST_YEAR:
        return None
    return datetime.fromtimestamp(seconds, tz=timezone.utc)


def stored_value(text: object) -> Any:
    """A stored JSON text as checked values. A mapping may be stored as a JSON text within."""
    value = read_json(text)
    if isinstance(value, str) and isinstance(inner := read_json(value), Mapping):
        value = inner
    return _checked(value, depth=0)


def checked_values(mapping: Mapping[Any, Any], *, depth: int = 0) -> dict[str, Any]:
    """The values that can be used: known fields of their type, and others that are safe to show."""
    checked = {}
    for name, value in mapping.items():
        # A field that names an input holds a location, or the mapping that another task returned.
        is_known = name in _KINDS and not (name in _MAY_BE_MAPPINGS and isinstance(value, Mapping))
        found = _KINDS[name](value) if is_known else _checked(value, depth=depth + 1)
        if found is not None or value is None:
            checked[str(name)] = found
    return checked


def _checked(value: object, *, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return checked_values(value, depth=depth) if len(value) <= _MAX_ITEMS else None
    if isinstance(value, list | tuple):
        return [_checked(item, depth=depth + 1) for item in value[:_MAX_ITEMS]]
    if isinstance(value, bool | None):
        return value
    return as_text(value) if isinstance(value, str) else as_number(value)


def _no_value(_: object) -> None:
    return None


_MAY_BE_MAPPINGS = frozenset(("video_url", "audio_url", "inputs", "poll_policy", "usage"))

_NAMES = ("task_id", "request_id", "status", "sha256", "language", "label", "currency", "dashscope_conn_id")
_AMOUNTS = (
    *("cost", "estimated_cost", "billed_seconds", "estimated_seconds", "expected_seconds", "seconds"),
    *("queue_seconds", "render_seconds", "queue_timeout", "render_timeout", "size"),
)

_KINDS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    dict.fromkeys(_NAMES, as_name)
    | dict.fromkeys(_AMOUNTS, as_amount)
    | dict.fromkeys(("script", "text", "uri", "expires_at", "submitted_at", "started_at", "finished_at"), as_text)
    | dict.fromkeys(("video_url", "audio_url"), as_location)
    | dict.fromkeys(("inputs", "poll_policy", "usage"), _no_value)
)
"""The type of each field of a return value, a template field or a trigger argument that a page reads."""
