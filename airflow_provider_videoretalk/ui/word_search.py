"""A search for words, in any order and case. Letters with accents match however they are encoded."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

MAX_LENGTH = 200
"""Characters of what a person may search for."""


@dataclass(frozen=True)
class WordSearch:
    """What a person searches for.

    :param text: as the person wrote it; empty for no search
    """

    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.text.split())

    def finds(self, texts: Iterable[str | None]) -> bool:
        """Whether each word is in one of the texts. Without words, every text matches."""
        words = folded(self.text).split()
        searched = folded("\n".join(text for text in texts if text)) if words else ""
        return all(word in searched for word in words)


def folded(text: str) -> str:
    """The text in a form in which texts that a reader takes for the same are equal."""
    return unicodedata.normalize("NFKC", text).casefold()
