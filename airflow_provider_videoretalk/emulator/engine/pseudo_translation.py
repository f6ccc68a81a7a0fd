"""A translation that is none: words that sound like a language, in its letters, about as long as a translation.

Each line begins with the code of the language in brackets, so that nobody takes it for a translation. The same word
always becomes the same word. Punctuation, numbers and line breaks stay, and terms are used as given.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airflow_provider_videoretalk.emulator.engine.language_detection import scripts_in


@dataclass(frozen=True, kw_only=True)
class _Sound:
    """How the pseudo-words of a language are made.

    :param syllables: of which words are made
    :param length: letters of a translation for each letter of a text in Latin letters
    :param separator: between words
    :param is_wide: whether its punctuation has the width of a Han character
    """

    syllables: tuple[str, ...]
    length: float
    separator: str = " "
    is_wide: bool = False


def _sound(syllables: str, *, length: float, separator: str = " ", is_wide: bool = False) -> _Sound:
    return _Sound(syllables=tuple(syllables.split()), length=length, separator=separator, is_wide=is_wide)


_LATIN = _sound("ba le mi ro ta ne su lo ka ve di so pa ri mo te na li ko ra", length=1.1)
_ARABIC = _sound("سا بي مو لا نا را كي دو تا في رو ما", length=0.9)
_DEVANAGARI = _sound("का मे ना री सो ता दी पा रा ली को ने", length=1.05)
_CYRILLIC = _sound("ра ни то ко ве ла мо се на ди по ре ми ва", length=1.1)

# By code. The lengths are of the usual order of translations out of English; they are no statement of the vendor's.
_SOUNDS: Mapping[str, _Sound] = {
    "en": _sound("the in er an re on at en ing ti or al", length=1.0),
    "de": _sound("ge ver un ten ich schen aus lich ung ben der ein keit", length=1.2),
    "es": _sound("la de ción es ta do en que mi ra lo con pa", length=1.2),
    "fr": _sound("le ment de ou la tion en que ré mi son ve", length=1.25),
    "it": _sound("la re di zio ne to che mi co no so ra", length=1.15),
    "pt": _sound("ção de que mi do ra no en lo pa se ta", length=1.15),
    "ru": _CYRILLIC,
    "uk": _CYRILLIC,
    "bg": _CYRILLIC,
    "sr": _CYRILLIC,
    "be": _CYRILLIC,
    "kk": _CYRILLIC,
    "mk": _CYRILLIC,
    "el": _sound("κα το με να λο ρι σε πα δι τη μο νε", length=1.15),
    "he": _sound("לה מי של בו רא נו תי קו דה סו", length=0.8),
    "ar": _ARABIC,
    "arz": _ARABIC,
    "fa": _ARABIC,
    "ur": _ARABIC,
    "hi": _DEVANAGARI,
    "mr": _DEVANAGARI,
    "ne": _DEVANAGARI,
    "th": _sound("กา มี ไป ดี ทา นา รู ตา โล พา", length=0.95, separator=""),
    "zh": _sound("人 大 天 中 来 上 说 年 时 好 我 们 学 生 开 明 新 水", length=0.3, separator="", is_wide=True),
    "zh_tw": _sound("人 大 天 中 來 上 說 年 時 好 我 們 學 生 開 明 新 水", length=0.3, separator="", is_wide=True),
    "yue": _sound("人 大 天 中 嚟 上 講 年 時 好 我 哋 學 生 開 明 新 水", length=0.3, separator="", is_wide=True),
    "ja": _sound("か し の ま た き に も る い さ ら こ て", length=0.45, separator="", is_wide=True),
    "ko": _sound("가 나 다 이 는 에 한 사 지 고 로 기", length=0.45),
}

# How many Latin letters a letter of another script stands for.
_WORTH = {"han": 3.0, "kana": 2.0, "hangul": 2.0}

_FULL_WIDTH = str.maketrans({".": "。", ",": "，", "?": "？", "!": "！", ";": "；", ":": "："})
_PLAIN = str.maketrans({"。": ". ", "，": ", ", "？": "? ", "！": "! ", "；": "; ", "：": ": ", "、": ", "})

_MARK = "\0"
_BLANK_BEFORE_MARK = re.compile(r"\s+([.,?!;:])")

_HAN = "㐀-鿿豈-﫿぀-ヿ"
# A term that was put in, a number, a few Han letters or Kana, a word, or anything else.
_TOKEN = re.compile(rf"{_MARK}\d+{_MARK}|\d[\d.,:]*|[{_HAN}]{{1,2}}|[^\W\d_{_HAN}]+(?:['’][^\W\d_]+)*|\s+|.", re.DOTALL)


def pseudo_translate(text: str, *, language: str, terms: Mapping[str, str] | None = None) -> str:
    """
    :param language: the code of the target language
    :param terms: translations that must be used, by the word or phrase
    """
    lines = text.split("\n")
    return "\n".join(_line(line, language, terms or {}) if line.strip() else line for line in lines)


def _line(line: str, language: str, terms: Mapping[str, str]) -> str:
    sound = _SOUNDS.get(language, _LATIN)
    marked, used = _mark_terms(line.replace(_MARK, ""), terms)
    if not sound.is_wide:
        marked = marked.translate(_PLAIN)
    translated = "".join(_tokens(marked, sound, used, language)).strip()
    translated = translated.translate(_FULL_WIDTH) if sound.is_wide else _BLANK_BEFORE_MARK.sub(r"\1", translated)
    return f"[{language}] {translated}"


def _mark_terms(line: str, terms: Mapping[str, str]) -> tuple[str, list[str]]:
    """The line with marks in place of its terms, and the translations of these. Longer terms come first."""
    if not terms:
        return line, []
    targets = {source.casefold(): target for source, target in terms.items()}
    longest_first = sorted(terms, key=len, reverse=True)
    used: list[str] = []

    def replace(found: re.Match[str]) -> str:
        used.append(targets[found[0].casefold()])
        return f"{_MARK}{len(used) - 1}{_MARK}"

    return re.sub("|".join(map(re.escape, longest_first)), replace, line, flags=re.IGNORECASE), used


def _tokens(line: str, sound: _Sound, used: list[str], language: str) -> Iterator[str]:
    for found in _TOKEN.finditer(line):
        token = found[0]
        if token.startswith(_MARK):
            yield used[int(token[1:-1])]
        elif token.isspace():
            yield sound.separator
        elif token[0].isalpha():
            # Han letters have no blanks between words.
            yield _word(token, sound, language) + (sound.separator if re.match(f"[{_HAN}]", token) else "")
        else:
            yield token


def _word(word: str, sound: _Sound, language: str) -> str:
    scripts = scripts_in(word)
    worth = sum(count * _WORTH.get(script, 1.0) for script, count in scripts.items()) or len(word)
    wanted = max(1, round(worth * sound.length))
    number = int.from_bytes(hashlib.sha256(f"{language} {word.casefold()}".encode(errors="replace")).digest(), "big")
    made = ""
    while len(made) < wanted:
        number, chosen = divmod(number, len(sound.syllables))
        made += sound.syllables[chosen]
    # The last syllable may be too long for a short word.
    made = made[:wanted] if len(made) - wanted > 1 and wanted > 1 else made
    return made[0].upper() + made[1:] if word[0].isupper() else made
