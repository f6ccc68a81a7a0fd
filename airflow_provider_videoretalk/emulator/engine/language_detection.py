"""Detects the language of a text: the caller's hint if the script of the text fits it, else by the script alone."""

from __future__ import annotations

from typing import Literal

Script = Literal["han", "kana", "hangul", "cyrillic", "arabic", "thai", "devanagari", "greek", "hebrew", "latin"]

_SCRIPT_RANGES: tuple[tuple[int, int, Script], ...] = (
    (0x0041, 0x024F, "latin"),
    (0x0370, 0x03FF, "greek"),
    (0x0400, 0x052F, "cyrillic"),
    (0x0590, 0x05FF, "hebrew"),
    (0x0600, 0x077F, "arabic"),
    (0x0900, 0x097F, "devanagari"),
    (0x0E00, 0x0E7F, "thai"),
    (0x1100, 0x11FF, "hangul"),
    (0x1E00, 0x1EFF, "latin"),
    (0x3040, 0x30FF, "kana"),
    (0x3400, 0x4DBF, "han"),
    (0x4E00, 0x9FFF, "han"),
    (0xAC00, 0xD7AF, "hangul"),
    (0xF900, 0xFAFF, "han"),
    (0xFF21, 0xFF5A, "latin"),
    (0xFF66, 0xFF9D, "kana"),
    (0x20000, 0x323AF, "han"),
)

_CODES = {
    "chinese": "zh",
    "mandarin": "zh",
    "cantonese": "yue",
    "english": "en",
    "german": "de",
    "italian": "it",
    "portuguese": "pt",
    "spanish": "es",
    "japanese": "ja",
    "korean": "ko",
    "french": "fr",
    "russian": "ru",
    "thai": "th",
    "indonesian": "id",
    "vietnamese": "vi",
    "malay": "ms",
    "filipino": "fil",
    "arabic": "ar",
    "cmn": "zh",
}

_SCRIPTS_OF: dict[str, frozenset[Script]] = {
    "zh": frozenset({"han"}),
    "yue": frozenset({"han"}),
    "ja": frozenset({"han", "kana"}),
    "ko": frozenset({"hangul", "han"}),
    "ru": frozenset({"cyrillic"}),
    "uk": frozenset({"cyrillic"}),
    "ar": frozenset({"arabic"}),
    "th": frozenset({"thai"}),
    "hi": frozenset({"devanagari"}),
    "el": frozenset({"greek"}),
    "he": frozenset({"hebrew"}),
}
_LATIN: frozenset[Script] = frozenset({"latin"})

_DEFAULT_OF: dict[Script, str] = {
    "han": "zh",
    "kana": "ja",
    "hangul": "ko",
    "cyrillic": "ru",
    "arabic": "ar",
    "thai": "th",
    "devanagari": "hi",
    "greek": "el",
    "hebrew": "he",
    "latin": "en",
}


def scripts_in(text: str) -> dict[Script, int]:
    """The number of letters of each script in a text."""
    counts: dict[Script, int] = {}
    for character in text:
        script = _script(character)
        if script is not None:
            counts[script] = counts.get(script, 0) + 1
    return counts


def _script(character: str) -> Script | None:
    if not character.isalpha():
        return None
    point = ord(character)
    return next((script for low, high, script in _SCRIPT_RANGES if low <= point <= high), None)


def language_of(text: str, *, hint: str | None = None) -> str:
    """The language code of a text.

    Even a few East Asian letters decide: no other voice can read them, but these voices read Latin words. A hint is
    used only if the text has a script of that language.

    :param hint: a code (``zh``, ``en-US``) or an English name (``Chinese``), as in the service's parameters. Every
        other value, such as ``Auto``, is ignored
    :return: a code such as ``zh``, ``yue``, ``en``; a text without letters is English
    """
    counts = scripts_in(text)
    hinted = _code(hint)
    scripts = frozenset(counts)
    if scripts & {"han", "kana", "hangul"}:
        if hinted in {"zh", "yue", "ja", "ko"} and scripts & _SCRIPTS_OF[hinted]:
            return hinted
        return "ja" if "kana" in scripts else "ko" if "hangul" in scripts else "zh"
    if not counts:
        return "en" if hinted is None else hinted
    leading = max(counts, key=lambda script: counts[script])
    if hinted is not None and leading in _SCRIPTS_OF.get(hinted, _LATIN):
        return hinted
    return _DEFAULT_OF[leading]


def _code(hint: str | None) -> str | None:
    word = (hint or "").strip().lower()
    if word in _CODES:
        return _CODES[word]
    code = word.replace("_", "-").partition("-")[0]
    code = _CODES.get(code, code)
    return code if code.isalpha() and len(code) in (2, 3) and code.isascii() else None
