"""The languages of Qwen-MT, by the table on the vendor's page on machine translation (edition of October 2026)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_videoretalk.dashscope.errors import InputError

_SHOWN_CHARACTERS = 60

LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "zh": "Chinese",
    "zh_tw": "Traditional Chinese",
    "ru": "Russian",
    "ja": "Japanese",
    "ko": "Korean",
    "es": "Spanish",
    "fr": "French",
    "pt": "Portuguese",
    "de": "German",
    "it": "Italian",
    "th": "Thai",
    "vi": "Vietnamese",
    "id": "Indonesian",
    "ms": "Malay",
    "ar": "Arabic",
    "hi": "Hindi",
    "he": "Hebrew",
    "my": "Burmese",
    "ta": "Tamil",
    "ur": "Urdu",
    "bn": "Bengali",
    "pl": "Polish",
    "nl": "Dutch",
    "ro": "Romanian",
    "tr": "Turkish",
    "km": "Khmer",
    "lo": "Lao",
    "yue": "Cantonese",
    "cs": "Czech",
    "el": "Greek",
    "sv": "Swedish",
    "hu": "Hungarian",
    "da": "Danish",
    "fi": "Finnish",
    "uk": "Ukrainian",
    "bg": "Bulgarian",
    "sr": "Serbian",
    "te": "Telugu",
    "af": "Afrikaans",
    "hy": "Armenian",
    "as": "Assamese",
    "ast": "Asturian",
    "eu": "Basque",
    "be": "Belarusian",
    "bs": "Bosnian",
    "ca": "Catalan",
    "ceb": "Cebuano",
    "hr": "Croatian",
    "arz": "Egyptian Arabic",
    "et": "Estonian",
    "gl": "Galician",
    "ka": "Georgian",
    "gu": "Gujarati",
    "is": "Icelandic",
    "jv": "Javanese",
    "kn": "Kannada",
    "kk": "Kazakh",
    "lv": "Latvian",
    "lt": "Lithuanian",
    "lb": "Luxembourgish",
    "mk": "Macedonian",
    "mai": "Maithili",
    "mt": "Maltese",
    "mr": "Marathi",
    "acm": "Mesopotamian Arabic",
    "ary": "Moroccan Arabic",
    "ars": "Najdi Arabic",
    "ne": "Nepali",
    "az": "North Azerbaijani",
    "apc": "North Levantine Arabic",
    "uz": "Northern Uzbek",
    "nb": "Norwegian Bokmal",
    "nn": "Norwegian Nynorsk",
    "oc": "Occitan",
    "or": "Odia",
    "pag": "Pangasinan",
    "scn": "Sicilian",
    "sd": "Sindhi",
    "si": "Sinhala",
    "sk": "Slovak",
    "sl": "Slovenian",
    "ajp": "South Levantine Arabic",
    "sw": "Swahili",
    "tl": "Tagalog",
    "acq": "Ta'izzi-Adeni Arabic",
    "sq": "Tosk Albanian",
    "aeb": "Tunisian Arabic",
    "vec": "Venetian",
    "war": "Waray",
    "cy": "Welsh",
    "fa": "Western Persian",
}
"""The English names that a request takes, by code. A request takes the codes as well."""

_LITE_CODES = [
    "en",
    "zh",
    "zh_tw",
    "ru",
    "ja",
    "ko",
    "es",
    "fr",
    "pt",
    "de",
    "it",
    "th",
    "vi",
    "id",
    "ms",
    "ar",
    "hi",
    "he",
    "ur",
    "bn",
    "pl",
    "nl",
    "tr",
    "km",
    "cs",
    "sv",
    "hu",
    "da",
    "fi",
    "tl",
    "fa",
]
LITE_LANGUAGES: Mapping[str, str] = {code: LANGUAGES[code] for code in _LITE_CODES} | {"fa": "Persian"}
"""The same for ``qwen-mt-lite``."""

# What people and other services call a language of the table.
_OTHER_NAMES = {
    "albanian": "sq",
    "azerbaijani": "az",
    "cmn": "zh",
    "fil": "tl",
    "filipino": "tl",
    "iw": "he",
    "mandarin": "zh",
    "no": "nb",
    "norwegian": "nb",
    "norwegian bokmål": "nb",
    "persian": "fa",
    "simplified chinese": "zh",
    "uzbek": "uz",
    "western persian": "fa",
    "zh_hant": "zh_tw",
    "zh_hk": "zh_tw",
    "zh_mo": "zh_tw",
}


@dataclass(frozen=True, kw_only=True)
class Language:
    """
    :param code: of the vendor's table, such as ``de`` or ``zh_tw``
    :param name: in English, as a request has it
    """

    code: str
    name: str


def languages_of(model: str) -> Mapping[str, str]:
    """The names of a model's languages, by code."""
    return LITE_LANGUAGES if model.startswith("qwen-mt-lite") else LANGUAGES


def find_language(given: str, *, model: str) -> Language | None:
    """The language of a model that ``given`` names, by its code or by its English name; ``None`` if there is none.

    Capitals do not count. A region is ignored where the table has none, as in ``de-AT``.
    """
    known = languages_of(model)
    word = " ".join(given.split()).casefold()
    by_name = {name.casefold(): code for code, name in known.items()}
    code = word.replace("-", "_")
    # zh-Hant-TW is zh_hant.
    candidates = [word, code, "_".join(code.split("_")[:2]), code.partition("_")[0]]
    for candidate in candidates:
        found = by_name.get(candidate) or _OTHER_NAMES.get(candidate, candidate)
        if found in known:
            return Language(code=found, name=known[found])
    return None


def require_language(field: str, given: str, *, model: str) -> Language:
    """Like :func:`find_language`. A model that is not known may have other languages.

    :param field: that names it, for messages
    :raises InputError: the model does not have it
    """
    found = find_language(given, model=model)
    if found is not None:
        return found
    if not model.startswith("qwen-mt-"):
        return Language(code=given.strip(), name=given.strip())
    names = ", ".join(f"{name} ({code})" for code, name in languages_of(model).items())
    raise InputError(
        f"{field} is {given[:_SHOWN_CHARACTERS]!r}, allowed is one of the languages of {model}: {names}",
        remedy="Give a code or an English name.",
    )
