"""What a rendered template holds, as the type that a field wants: Jinja makes strings of everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_videoretalk.dashscope.errors import InputError

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
