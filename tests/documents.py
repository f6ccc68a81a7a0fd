"""The project's Markdown files: their code blocks, headings and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]

_FENCE = re.compile(r"^```(?P<label>[^\n]*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_DEFINITION = re.compile(r"^\[([^\]]+)\]: (\S+)$", re.MULTILINE)
_REFERENCE = re.compile(r"\[([^\]]+)\](?![(:\]])")
_INLINE_CODE = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced code block.

    :param name: file and line
    :param label: the word behind the opening fence
    """

    name: str
    label: str
    code: str


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """The text without its code blocks, whose lines may look like headings and links."""
        return _FENCE.sub("", self.text)

    @property
    def blocks(self) -> list[Block]:
        return [
            Block(
                name=f"{self.name}:{self.text.count(chr(10), 0, found.start()) + 1}",
                label=found["label"],
                code=found["code"],
            )
            for found in _FENCE.finditer(self.text)
        ]

    @property
    def indented_code(self) -> list[str]:
        """Lines that Markdown shows as code because they are indented. They have no label."""
        return re.findall(r"(?<=\n\n) {4}.*", self.prose)

    @cached_property
    def anchors(self) -> set[str]:
        """The anchors of the headings, as GitHub makes them."""
        return {_anchor(heading) for heading in _HEADING.findall(self.prose)}

    @property
    def links(self) -> list[str]:
        """The targets of the links and pictures."""
        return _LINK.findall(self._text_without_code) + list(self.definitions.values())

    @cached_property
    def definitions(self) -> dict[str, str]:
        """The targets that are defined at the end of the page, by name in lower case."""
        return {name.lower(): link for name, link in _DEFINITION.findall(self.prose)}

    @property
    def references(self) -> set[str]:
        """The names of the defined links that the text uses."""
        return {" ".join(name.lower().split()) for name in _REFERENCE.findall(self._text_without_code)}

    @property
    def _text_without_code(self) -> str:
        """The prose without inline code."""
        return _INLINE_CODE.sub("", self.prose)


def _anchor(heading: str) -> str:
    words = re.sub(r"[^\w\- ]", "", heading.lower())
    return words.replace(" ", "-")


PAGES = [Page(path) for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]]
BLOCKS = [block for page in PAGES for block in page.blocks]


def blocks(label: str) -> list[Block]:
    return [block for block in BLOCKS if block.label == label]
