"""The words of a script: what is spoken, and where a line may break."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from html.parser import HTMLParser

from airflow_provider_videoretalk.editing.letters import breaks_anywhere, columns, is_han, is_kana, is_mark, word_length
from airflow_provider_videoretalk.editing.subtitle_rules import SubtitleRules


class BreakKind(IntEnum):
    """What ends with a word. The lower, the better a place for a break."""

    SENTENCE = 0
    CLAUSE = 1
    LINK = 2
    WORD = 3
    LETTER = 4
    """Between two letters of a script without spaces, of which nobody knows whether they are one word."""


@dataclass(frozen=True, kw_only=True)
class Word:
    """The smallest part of a text that stays on one line, with the punctuation around it.

    :param text: as it is shown
    :param spaced: whether a space precedes it on a line
    :param ends: what ends with it
    """

    text: str
    spaced: bool
    ends: BreakKind

    @property
    def length(self) -> float:
        """How long it is spoken, in Latin letters; a sign that is not spoken takes a moment too."""
        return max(word_length(self.text), _MOMENT)


_SENTENCE_ENDS = ".!?…。！？．؟۔।॥"
_CLAUSE_ENDS = ",;:—–，、；：،؛·"
_CLOSING = "\"'”’»›)]}）］｝」』】》〉〕〗"
_OPENING = "\"'“‘«‹([{（［｛「『【《〈〔〖¿¡"
_WIDE_PUNCTUATION = frozenset("。，、；：！？…（）「」『』【】《》〈〉〔〕〖〗")
# What never begins a line, besides closing punctuation: small kana, signs of repetition and length, units.
_NEVER_FIRST = frozenset(_SENTENCE_ENDS + _CLAUSE_ENDS + _CLOSING + "ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ")
_NEVER_FIRST |= frozenset("々ゝゞヽヾ〜～％%‰℃°ะาำๅๆฯະາຳ")
# What never ends a line, besides opening punctuation: signs of money, Thai and Lao vowels that precede their consonant.
_NEVER_LAST = (frozenset(_OPENING) - frozenset("\"'")) | frozenset("$€£¥￥#@เแโใไເແໂໃໄ")

# Points that end no sentence. A small letter after a point ends none either.
_ABBREVIATIONS = "mr. mrs. ms. dr. prof. st. vs. no. nr. z.b. bzw. d.h. u.a. ca. etc. e.g. i.e. sr. sra. jr. inc. fig."
_INITIAL = re.compile(r"[^\W\d_]\.|\d{1,2}\.")

_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85"
_MOMENT = 0.3

# A word in katakana is a foreign one. Longer than this it has to break somewhere.
_LONGEST_KATAKANA = 12


def spoken_script(script: str) -> str:
    """The text of a script: without the tags of SSML, in one line for each paragraph, without control characters."""
    if script.lstrip().startswith("<speak"):
        script = _without_tags(script)
    text = unicodedata.normalize("NFC", script)
    plain = "".join(" " if unicodedata.category(c) in ("Cc", "Cs") and c not in _LINE_ENDS else c for c in text)
    return "\n".join(line for line in (" ".join(part.split()) for part in plain.splitlines()) if line)


def words_of(script: str, rules: SubtitleRules) -> list[Word]:
    """The words of a script, in order. The last one ends a sentence.

    :param script: as :func:`spoken_script` returns it
    """
    words: list[Word] = []
    for line in script.split("\n"):
        runs = enumerate(line.split(" "))
        found = [word for number, run in runs for word in _words_of_run(run, number > 0, rules.line_columns)]
        following = [*found[1:], None] if found else []
        found = [replace(word, ends=_ends(word, after, rules)) for word, after in zip(found, following, strict=True)]
        if found and found[-1].ends > BreakKind.SENTENCE:
            # A line of its own is a heading or an item of a list.
            found[-1] = replace(found[-1], ends=BreakKind.SENTENCE)
        if found and words:
            found[0] = replace(found[0], spaced=_needs_space(words[-1].text, found[0].text))
        words += found
    return words


class _TagRemover(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in ("p", "s", "break"):
            self.texts.append(" ")


def _without_tags(script: str) -> str:
    remover = _TagRemover()
    remover.feed(script)
    remover.close()
    return "".join(remover.texts)


def _words_of_run(run: str, spaced: bool, longest: int) -> Iterator[Word]:
    """The words of a text without spaces. One that is longer than a line is cut."""
    texts = (part for text in _joined(_pieces(run)) for part in _parts(text, longest))
    for number, text in enumerate(texts):
        yield Word(text=text, spaced=spaced and number == 0, ends=BreakKind.WORD)


def _parts(text: str, longest: int) -> Iterator[str]:
    if columns(text) <= longest:
        yield text
        return
    part = ""
    for character in text:
        if columns(part + character) > longest:
            yield part
            part = ""
        part += character
    yield part


def _pieces(run: str) -> Iterator[str]:
    """The run, cut at every letter before or after which a script without spaces may break."""
    piece = ""
    for character in run:
        if piece and not is_mark(character) and not _is_one_word(piece, character):
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


def _is_one_word(piece: str, character: str) -> bool:
    last = next((c for c in reversed(piece) if not is_mark(c)), piece[-1])
    if _is_katakana(character) and _is_katakana(last) and len(piece) < _LONGEST_KATAKANA:
        return True
    return not (_stands_alone(last) or _stands_alone(character))


def _stands_alone(character: str) -> bool:
    return breaks_anywhere(character) or character in _WIDE_PUNCTUATION


def _is_katakana(character: str) -> bool:
    return "ァ" <= character <= "ヺ" or character == "ー"


def _joined(pieces: Iterator[str]) -> list[str]:
    """The pieces, without breaks before closing and after opening punctuation."""
    joined: list[str] = []
    for piece in pieces:
        if joined and (piece[0] in _NEVER_FIRST or joined[-1][-1] in _NEVER_LAST):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def _ends(word: Word, after: Word | None, rules: SubtitleRules) -> BreakKind:
    bare = word.text.rstrip(_CLOSING) or word.text
    if bare[-1] in _SENTENCE_ENDS and not _is_abbreviation(bare, after):
        return BreakKind.SENTENCE
    if bare[-1] in _CLAUSE_ENDS:
        return BreakKind.CLAUSE
    if after is None:
        return BreakKind.WORD
    if after.spaced:
        is_link = after.text.strip(_OPENING).casefold() in rules.link_words
        return BreakKind.LINK if is_link else BreakKind.WORD
    return _ends_without_space(word.text[-1], after.text, rules)


def _ends_without_space(last: str, following: str, rules: SubtitleRules) -> BreakKind:
    if following[0] in _OPENING:
        return BreakKind.LINK
    if following in rules.link_words or last in "的了吗呢吧":
        return BreakKind.WORD
    # In Japanese a particle ends in hiragana, and what follows it begins in another script.
    is_particle = is_kana(last) and not _is_katakana(last)
    is_after_particle = is_particle and (is_han(following[0]) or _is_katakana(following[0]))
    same = breaks_anywhere(last) == breaks_anywhere(following[0])
    return BreakKind.WORD if is_after_particle or not same else BreakKind.LETTER


def _is_abbreviation(bare: str, after: Word | None) -> bool:
    if after is None or bare[-1] != ".":
        return False
    is_followed_by_small = after.text.lstrip(_OPENING)[:1].islower() or not after.spaced
    return bare.casefold() in _ABBREVIATIONS.split() or _INITIAL.fullmatch(bare) is not None or is_followed_by_small


def _needs_space(before: str, after: str) -> bool:
    return not (_stands_alone(before[-1]) and _stands_alone(after[0]))
