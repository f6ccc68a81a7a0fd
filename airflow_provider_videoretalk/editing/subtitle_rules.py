"""The usual rules of subtitles: how long a line is, how fast people read, before which words a line breaks.

Sources: the style guides that broadcasters and streaming services publish (BBC, Netflix, EBU), of 2025. They agree on
two lines, on about 42 Latin letters or 16 full-width characters, and on seven seconds. The reading speeds here are
theirs for adults. The speech decides; a cue is not shortened because it is spoken fast.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from airflow_provider_videoretalk.editing.letters import is_han, is_hangul, is_kana

MAX_LINES = 2
MAX_SECONDS = 7.0
MIN_SECONDS = 1.0
GAP_SECONDS = 0.084
"""Between two cues: two pictures of 24 a second."""


@dataclass(frozen=True, kw_only=True)
class SubtitleRules:
    """
    :param line_columns: of a line; a full-width character takes two
    :param columns_per_second: how fast people read
    :param link_words: words before which a line may break, as conjunctions and prepositions, in small letters.
        Of a script without spaces, the first letters of such words
    """

    line_columns: int = 42
    columns_per_second: float = 17.0
    link_words: frozenset[str] = frozenset()


def _rules(words: str = "", *, line_columns: int = 42, columns_per_second: float = 17.0) -> SubtitleRules:
    return SubtitleRules(
        line_columns=line_columns, columns_per_second=columns_per_second, link_words=frozenset(words.split())
    )


GENERAL = SubtitleRules()
"""For languages without rules of their own."""


def _east_asian(words: str = "", *, columns_per_second: float = 18.0) -> SubtitleRules:
    return _rules(words, line_columns=32, columns_per_second=columns_per_second)


_BY_LANGUAGE = {
    "en": _rules(
        "and or but nor so yet because although though while when where which who that if unless until since than as "
        "of in on at by for from to with about into over after before between through during without"
    ),
    "de": _rules(
        "und oder aber denn sondern weil dass ob wenn als während obwohl damit bevor nachdem sodass der die das welche "
        "in im an am auf bei mit nach von vom zu zum zur für über unter ohne durch gegen um aus"
    ),
    "fr": _rules(
        "et ou mais donc or ni car que qui dont où quand lorsque comme si parce puisque quoique afin pour dans en sur "
        "sous avec sans par chez vers entre de du des à au aux"
    ),
    "es": _rules(
        "y e o u pero sino ni que quien donde cuando como si porque aunque mientras pues para por en con sin sobre "
        "entre hasta desde hacia de del a al"
    ),
    "it": _rules(
        "e ed o ma però né che chi dove quando come se perché mentre affinché per in con senza su tra fra da di a al "
        "alla nel nella del della"
    ),
    "pt": _rules(
        "e ou mas nem que quem onde quando como se porque embora enquanto pois para por em com sem sobre entre até "
        "desde de do da a ao no na"
    ),
    "nl": _rules("en of maar want dus dat die wie waar wanneer als omdat terwijl hoewel om voor in op met van bij"),
    "pl": _rules("i oraz lub albo ale lecz że który która które gdy kiedy jeśli bo ponieważ aby w na z do od dla po o"),
    "ru": _rules("и или но а что чтобы который которая которые когда где если потому хотя как в на с к по из от для о"),
    "id": _rules("dan atau tetapi karena bahwa yang jika ketika agar untuk di ke dari dengan pada oleh"),
    "vi": _rules("và hoặc nhưng vì nên mà nếu khi để của trong với từ cho ở"),
    "tr": _rules("ve veya ama fakat çünkü ki için ile gibi kadar"),
    "zh": _east_asian("和 与 或 但 而 并 且 因 虽"),
    "yue": _east_asian("和 與 或 但 而 並 且 因 雖"),
    "ja": _east_asian(),
    "ko": _east_asian("그리고 그러나 하지만 또는 및 그래서 때문에", columns_per_second=24.0),
    "th": _rules(line_columns=35),
    "ar": _rules("و أو ثم لكن لأن إذا عندما حتى في على من إلى عن مع", columns_per_second=20.0),
    "hi": _rules("और या लेकिन क्योंकि कि जो जब अगर", columns_per_second=20.0),
}

# The names that Qwen-TTS takes.
_CODES = {
    "chinese": "zh",
    "mandarin": "zh",
    "cmn": "zh",
    "cantonese": "yue",
    "english": "en",
    "german": "de",
    "french": "fr",
    "spanish": "es",
    "italian": "it",
    "portuguese": "pt",
    "dutch": "nl",
    "polish": "pl",
    "russian": "ru",
    "indonesian": "id",
    "vietnamese": "vi",
    "turkish": "tr",
    "japanese": "ja",
    "korean": "ko",
    "thai": "th",
    "arabic": "ar",
    "hindi": "hi",
}


def language_code(language: str | None) -> str | None:
    """The code of a language that is given as a code (``en``, ``zh-CN``) or as an English name.

    Of any other name, the part before a hyphen, in small letters.
    """
    if language is None:
        return None
    folded = language.strip().casefold()
    return _CODES.get(folded, folded.replace("_", "-").partition("-")[0])


def rules_for(language: str | None, text: str) -> tuple[SubtitleRules, bool]:
    """The rules of a language, and whether they are its own.

    :param language: a code or an English name; ``None`` to go by the letters of the text
    """
    code = language_code(language) or _language_of(text)
    own = _BY_LANGUAGE.get(code or "")
    if own is not None:
        return own, True
    by_letters = _BY_LANGUAGE.get(_language_of(text) or "")
    return by_letters or GENERAL, language is None


def _language_of(text: str) -> str | None:
    """The language of a text that is mostly in East Asian letters; ``None`` for any other."""
    counts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            kind = "kana" if is_kana(character) else "han" if is_han(character) else ""
            counts[kind or ("hangul" if is_hangul(character) else "other")] += count
    wide = counts["kana"] + counts["han"] + counts["hangul"]
    if 3 * wide < counts["other"]:
        return None
    if counts["kana"]:
        return "ja"
    return "ko" if counts["hangul"] > counts["han"] else "zh" if wide else None
