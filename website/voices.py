"""The page of the voices and languages, made from the catalog."""

from __future__ import annotations

from airflow_provider_videoretalk.model_catalog.system_voices import LANGUAGE_CODES, SYSTEM_VOICES, SYSTEM_VOICES_PAGE
from airflow_provider_videoretalk.model_catalog.transcription import WORD_LANGUAGES
from airflow_provider_videoretalk.model_catalog.translation import DEFAULT_MODEL
from airflow_provider_videoretalk.model_catalog.translation_languages import LANGUAGES, LITE_LANGUAGES, find_language
from website.markdown import code, codes, table

_BEGIN = f"""# Voices and languages

## System voices

These are the voices that the forms offer, for `cosyvoice-v3-flash`. The first one is the default. The vendor has
[more of them]({SYSTEM_VOICES_PAGE}). A voice of another speech model, or
[a voice of your own](../operators.md#voices-voiceoperator), is entered by its name. None of these is documented for the
other languages below, such as Spanish or German. An empty field is the default voice, whatever the language.

"""
_SPEECH = """
## Languages of speech

`language` of a script, with CosyVoice. Without it, the service detects the language. Qwen-TTS takes an English name
instead, such as `English`.

"""
_TRANSLATION = """
## Languages of translation

`target_language` and `source_language` of a translation: the code or the name. A video can be dubbed into a language
that speech has too. `qwen-mt-lite` has fewer.

"""
_WORDS = """
## Times of words

`words=True` of a transcription, with the default model: """


def page() -> str:
    voices = table(("speaks", "voices"), [(language, codes(names)) for language, names in SYSTEM_VOICES.items()])
    speech = table(("code", "language"), [(code(one), _name(one)) for one in LANGUAGE_CODES])
    rows = [(code(one), name, "yes" if one in LITE_LANGUAGES else "no") for one, name in LANGUAGES.items()]
    translation = table(("code", "language", "`qwen-mt-lite` has it"), rows)
    return f"{_BEGIN}{voices}{_SPEECH}{speech}{_TRANSLATION}{translation}{_WORDS}{codes(WORD_LANGUAGES)}.\n"


def _name(language: str) -> str:
    found = find_language(language, model=DEFAULT_MODEL)
    return found.name if found else ""
