"""Reads stored JSON into dataclasses: unknown fields are ignored, other versions and wrong types are refused.

A format's version is an integer. A new optional field keeps it; any other change raises it.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from airflow_provider_videoretalk.dashscope.errors import StateReadError

T = TypeVar("T")

# Every stored number is a count, a duration or a time since the epoch. datetime can represent times up to this one.
_MAX_NUMBER = 2e11


def unreadable(name: str, reason: str) -> StateReadError:
    """The error for stored data that cannot be read.

    :param name: where the data is stored, e.g. ``Variable dashscope_submission_...``
    """
    return StateReadError(
        f"the {name} cannot be read: {reason}",
        remedy=f"Install the release of airflow-provider-videoretalk that wrote the {name}, or delete it. Before you "
        "delete it, look for its render job in the service's list: a new submit is billed again.",
    )


def versioned_mapping(data: object, *, version: int, name: str) -> Mapping[str, Any]:
    """Returns stored data that has the given version.

    :raises StateReadError: it is no mapping, or has another version
    """
    if not isinstance(data, Mapping):
        raise unreadable(name, f"it is of type {type(data).__name__}, allowed is a mapping")
    found = data.get("version")
    if type(found) is not int or found != version:
        # Only a short version is worth showing: the data may be anything.
        shown = f"version {found}" if isinstance(found, int) and abs(found) < 1e9 else "no usable version"
        raise unreadable(name, f"it has {shown}, allowed is {version} in this release")
    return data


def read_dataclass(kind: type[T], data: object, *, name: str, path: str = "") -> T:
    """An instance of a dataclass, from the mapping that ``dataclasses.asdict`` makes of it.

    :param path: the field that holds ``data``, for messages
    :raises StateReadError: a field without a default is missing, or a value has the wrong type
    """
    if not isinstance(data, Mapping):
        raise unreadable(name, f"{path or 'it'} is of type {type(data).__name__}, allowed is a mapping")
    values = {}
    for field in _stored_fields(kind):  # type: ignore[arg-type]
        if field.name in data:
            values[field.name] = _read_value(field, data[field.name], name=name, path=path)
        elif field.is_required:
            raise unreadable(name, f"{_full_path(path, field.name)} is missing")
    return kind(**values)


def storable_number(value: float | None) -> float | None:
    """A number of the service; ``None`` if it could not be read back, as a negative or an infinite one."""
    return value if value is not None and 0 <= value <= _MAX_NUMBER else None


class _StoredField(NamedTuple):
    """A field of a stored dataclass.

    :param kind: the type of its value
    :param is_optional: whether the value may be ``None``
    :param is_required: whether it must be stored
    """

    name: str
    kind: Any
    is_optional: bool
    is_required: bool


# Resolving type hints takes longer than reading: a page reads the records of weeks.
@lru_cache(maxsize=32)
def _stored_fields(kind: type[Any]) -> tuple[_StoredField, ...]:
    hints = get_type_hints(kind)
    return tuple(_stored_field(field, hints[field.name]) for field in fields(kind))


def _stored_field(field: Field[Any], hint: Any) -> _StoredField:
    is_optional = False
    if get_origin(hint) in (Union, types.UnionType):
        is_optional = type(None) in get_args(hint)
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    if not is_dataclass(hint) and hint not in (int, float, str, bool):
        hint = Mapping
    is_required = field.default is MISSING and field.default_factory is MISSING
    return _StoredField(field.name, hint, is_optional, is_required)


def _read_value(field: _StoredField, value: object, *, name: str, path: str) -> Any:
    kind = field.kind
    if value is None and field.is_optional:
        return None
    if kind is int or kind is float:
        if isinstance(value, (int, kind)) and not isinstance(value, bool) and 0 <= value <= _MAX_NUMBER:
            return kind(value)
        allowed = "a number from 0 to 2e11"
    elif kind is str or kind is bool or kind is Mapping:
        if isinstance(value, kind):
            return value
        allowed = kind.__name__
    else:
        return read_dataclass(kind, value, name=name, path=_full_path(path, field.name))
    found = type(value).__name__
    raise unreadable(name, f"{_full_path(path, field.name)} is of type {found}, allowed is {allowed}")


def _full_path(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field
