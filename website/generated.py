"""The pages that are made from the code. They are kept in the repository, and a test compares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from website import commands, error_codes, gallery, llms, models, results, settings, voices

ROOT = Path(__file__).parents[1]
NOTICE = "<!-- Made by python -m website. Change the code, and not this file. -->\n\n"

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/gallery.md": gallery.page,
    "docs/reference/commands.md": commands.page,
    "docs/reference/error-codes.md": error_codes.page,
    "docs/reference/models.md": models.page,
    "docs/reference/results.md": results.page,
    "docs/reference/settings.md": settings.page,
    "docs/reference/voices.md": voices.page,
}
"""What makes each page, by its path."""


def contents() -> dict[str, str]:
    """Every generated file, by its path from the root."""
    return {path: NOTICE + make() for path, make in PAGES.items()}


def write() -> None:
    """Writes all generated files; the list of pages last, since it reads the others."""
    for path, content in contents().items():
        (ROOT / path).write_text(content, encoding="utf-8")
    (ROOT / llms.PATH).write_text(llms.content(), encoding="utf-8")
