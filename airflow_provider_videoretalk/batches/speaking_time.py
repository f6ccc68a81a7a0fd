"""How long a text takes to speak, by its letters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

# Letters that are spoken in a second, as a rule.
_LETTERS_PER_SECOND = 13.0

# How many letters a Han, Hangul or Kana character, and a digit, take as long as.
_WIDE_LETTERS, _DIGIT_LETTERS = 3, 6


_SLOWEST_RATE, _FASTEST_RATE = 0.5, 2.0


def typical_seconds(text: str, *, rate: float = 1.0) -> float:
    """About how many seconds a text takes to speak.

    :param rate: see :func:`speaking_rate`
    """
    return spoken_letters(text) / _LETTERS_PER_SECOND / rate


def speaking_rate(speech_options: Mapping[str, Any]) -> float:
    """How many times faster than usual a speech is asked for: CosyVoice's ``rate``, 0.5 to 2; 1 without one."""
    rate = speech_options.get("rate")
    is_rate = isinstance(rate, int | float) and _SLOWEST_RATE <= rate <= _FASTEST_RATE
    return float(rate) if is_rate and rate is not None else 1.0


def spoken_letters(text: str) -> int:
    """The length of a text in Latin letters that take as long to speak."""
    return sum(count * _letters_of(character) for character, count in Counter(text).items())


def _letters_of(character: str) -> int:
    if character.isdigit():
        return _DIGIT_LETTERS
    return _WIDE_LETTERS if unicodedata.east_asian_width(character) in "WF" else 1
