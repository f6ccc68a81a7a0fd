"""The return values of this package's tasks. The fields of a value show which kind it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from airflow_provider_videoretalk.ui.stored_values import as_number, as_text, checked_values, read_json

ReturnValueKind = Literal["result", "submission", "speech", "publication"]


def parse_return_value(stored: object) -> Mapping[str, Any] | None:
    """A checked value, or a JSON text in one, as a mapping.

    ``None`` for anything else, such as the reference of a custom XCom backend.
    """
    if isinstance(stored, str) and isinstance(value := read_json(stored), Mapping):
        return checked_values(value)
    return stored if isinstance(stored, Mapping) else None


def return_value_kind(value: Mapping[str, Any]) -> ReturnValueKind | None:
    """The kind of a return value; ``None`` if it is not one of this package's."""
    if value.get("uri") and "sha256" in value:
        return "publication"
    if "task_id" in value and "video_url" in value:
        return "result"
    if "task_id" in value and "status" in value:
        return "submission"
    if "audio_url" in value:
        return "speech"
    return None


def get_number(mapping: Mapping[str, Any] | None, name: str) -> float | None:
    """A field that is a number; ``None`` if it is missing or of another type."""
    return as_number((mapping or {}).get(name))


def get_text(mapping: Mapping[str, Any] | None, name: str) -> str | None:
    """A field that is a text with more than whitespace; ``None`` if it is missing, blank or of another type."""
    return as_text((mapping or {}).get(name))
