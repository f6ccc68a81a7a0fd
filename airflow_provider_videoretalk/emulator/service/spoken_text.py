"""What the emulator has spoken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class SpokenText:
    """A speech: its file, its text, the language that the request names, and its voice."""

    path: Path
    text: str
    language: str | None
    voice: str
