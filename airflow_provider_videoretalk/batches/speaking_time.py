"""How long a text takes to speak, by its letters."""

from __future__ import annotations

import unicodedata
from collections import Counter

# Letters that are spoken in a second, as a rule.
_LETTERS_PER_SECOND = 13.0

# How many letters a Han, Hangul or Kana character, and a digit, take as long as.
_WIDE_LETTERS, _DIGIT_LETTERS = 3, 6


def typical_seconds(text: str) -> float:
    """About how many seconds a text takes to speak."""
    return spoken_letters(text) / _LETTERS_PER_SECOND


def spoken_letters(text: str) -> int:
    """The length of a text in Latin letters that take as long to speak."""
    return sum(count * _letters_of(character) for character, count in Counter(text).items())


def _letters_of(character: str) -> int:
    if character.isdigit():
        return _DIGIT_LETTERS
    return _WIDE_LETTERS if unicodedata.east_asian_width(character) in "WF" else 1
