"""How wide a character is shown, how long it is spoken, and whether a line may break at it."""

from __future__ import annotations

import unicodedata
from functools import cache

_Ranges = tuple[tuple[int, int], ...]

# Letters of scripts that are written without spaces between words.
_KANA: _Ranges = ((0x3041, 0x3096), (0x30A1, 0x30FA), (0x31F0, 0x31FF), (0xFF66, 0xFF9F))
_HAN: _Ranges = ((0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3100, 0x312F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF))
_HAN += ((0xF900, 0xFAFF), (0x20000, 0x3FFFD))
_HANGUL = ((0x1100, 0x11FF), (0xAC00, 0xD7AF))
# Thai and Lao, Myanmar, Khmer. Where their words end is not known without a dictionary.
_WITHOUT_SPACES = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF))

# How long a character is spoken, with a Latin letter as the unit: a syllable has about three.
_SYLLABLE, _KANA_MORA, _DIGIT, _NAMED_SIGN = 3.0, 1.8, 4.5, 6.0
_NAMED_SIGNS = frozenset("%‰&+=€$£¥°@#*/％＋＝＆＠")


def _within(character: str, ranges: _Ranges) -> bool:
    return any(first <= ord(character) <= last for first, last in ranges)


@cache
def is_kana(character: str) -> bool:
    return _within(character, _KANA) or character == "ー"


@cache
def is_han(character: str) -> bool:
    """Whether it is a Chinese character (Han, Bopomofo), also one that Japanese uses."""
    return _within(character, _HAN)


def is_hangul(character: str) -> bool:
    return _within(character, _HANGUL)


@cache
def breaks_anywhere(character: str) -> bool:
    """Whether a line may break before and after a letter, since its script has no spaces between words."""
    return is_han(character) or is_kana(character) or _within(character, _WITHOUT_SPACES)


@cache
def is_mark(character: str) -> bool:
    """Whether a character belongs to the letter before it: an accent, a vowel sign, a joiner, a tone of an emoji."""
    return unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf") or 0x1F3FB <= ord(character) <= 0x1F3FF


@cache
def columns_of(character: str) -> int:
    """How wide a character is shown: a full-width one takes two columns, a mark none."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


@cache
def spoken_length(character: str) -> float:
    """How long a character is spoken, in Latin letters."""
    if character.isdigit():
        return _DIGIT
    if is_kana(character):
        return _KANA_MORA
    if is_han(character) or is_hangul(character):
        return _SYLLABLE
    if character in _NAMED_SIGNS:
        return _NAMED_SIGN
    return 1.0 if character.isalpha() else 0.0


def columns(text: str) -> int:
    return sum(map(columns_of, text))


def word_length(word: str) -> float:
    """How long a word is spoken, in Latin letters. A word of capitals is spelled letter by letter."""
    is_spelled = 2 <= len(word) <= 5 and word.isascii() and word.isalpha() and word.isupper()
    return _SYLLABLE * len(word) if is_spelled else sum(map(spoken_length, word))
