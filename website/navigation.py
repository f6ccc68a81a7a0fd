"""The navigation of the site, as mkdocs.yml has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]

ROOT_PAGES: Mapping[str, str] = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security-policy.md": "SECURITY.md",
}
"""The pages of the site that are files at the root of the repository, by their paths below ``docs``."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A page in the navigation.

    :param section: the heading above it; empty for a page at the top
    :param path: below ``docs``
    """

    section: str
    title: str
    path: str

    @property
    def file(self) -> Path:
        """The page's file in the repository."""
        return ROOT / ROOT_PAGES.get(self.path, f"docs/{self.path}")


def entries() -> list[Entry]:
    """All pages, in their order."""
    return list(_entries(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"], section=""))


def _entries(nodes: Any, *, section: str) -> Iterator[Entry]:
    for node in nodes:
        ((title, target),) = node.items()
        if isinstance(target, str):
            yield Entry(section=section, title=title, path=target)
        else:
            yield from _entries(target, section=title)
