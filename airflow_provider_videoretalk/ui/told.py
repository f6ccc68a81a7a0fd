"""What a task told by its return value; the value itself says what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

Kind = Literal["result", "submission", "speech", "publication"]


def plain(value: object) -> Mapping[str, Any] | None:
    """An XCom's stored value, where it is a mapping; ``None`` for all else, as a custom backend's reference."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, Mapping) else None


def kind_of(told: Mapping[str, Any]) -> Kind | None:
    """Which of this package's return values it is; ``None`` for none of them."""
    if told.get("uri") and "sha256" in told:
        return "publication"
    if "task_id" in told and "video_url" in told:
        return "result"
    if "task_id" in told and "status" in told:
        return "submission"
    if "audio_url" in told:
        return "speech"
    return None


def number(told: Mapping[str, Any] | None, name: str) -> float | None:
    """A field that is a number; ``None`` where it is missing, or something else."""
    value = (told or {}).get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def text(told: Mapping[str, Any] | None, name: str) -> str | None:
    """A field that is a text with something in it; ``None`` where it is missing, or something else."""
    value = (told or {}).get(name)
    return value if isinstance(value, str) and value.strip() else None
