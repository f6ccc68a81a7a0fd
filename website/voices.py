"""The page of the voices and languages, made from the catalog."""

from __future__ import annotations

from airflow_provider_videoretalk.model_catalog.system_voices import LANGUAGE_CODES, SYSTEM_VOICES, SYSTEM_VOICES_PAGE
from airflow_provider_videoretalk.model_catalog.transcription import WORD_LANGUAGES
from airflow_provider_videoretalk.model_catalog.translation import DEFAULT_MODEL
from airflow_provider_videoretalk.model_catalog.translation_languages import LANGUAGES, LITE_LANGUAGES, find_language
from website.markdown import code, codes, table

# The vendor's pages, of 2026-03-31 those on enrolled voices.
_CLONES = "https://www.alibabacloud.com/help/en/model-studio/cosyvoice-clone-design-api"
_QWEN_CLONES = "https://www.alibabacloud.com/help/doc-detail/2975034.html"
_QWEN_VOICES = "https://help.aliyun.com/model-studio/qwen-tts"

_BEGIN = f"""# Voices and languages

## System voices

These are the voices that the forms offer, for `cosyvoice-v3-flash`. The first one is the default, and an empty field is
that voice, whatever the language. The vendor has
[more of them]({SYSTEM_VOICES_PAGE}). That list is in Chinese: each voice has its
name after *voice参数*, and its languages after *语言*. The vendor warns that a voice may mispronounce other languages.
The field takes other voices of this model too, and [a voice of your own](../producer.md#your-own-voice), by their
names. A voice of another model, such as `Cherry`, fails in these forms: the model has to be changed first, see below.

"""
_OTHERS = """
## Languages that no system voice speaks

No voice above is documented for the other languages below, such as Spanish or German, and no other system voice of that
model is known to be. What a system voice makes of them is not known: listen to a short video first. By the vendor's
pages, as read on 2026-11-27, these speak some of them:

"""
_SPEAK_OTHERS = (
    (
        "an enrolled voice of `cosyvoice-v3-flash`, the forms' model",
        "[Chinese, English, French, German, Indonesian, Japanese, Korean, Portuguese, Russian, Thai, "
        f"Vietnamese]({_CLONES}). Not Spanish, and not Italian",
    ),
    (
        "an enrolled voice of a model `qwen3-tts-vc-*`",
        f"[Chinese, English, French, German, Italian, Japanese, Korean, Portuguese, Russian, Spanish]({_QWEN_CLONES})",
    ),
    (
        "`qwen3-tts-flash`, whose voices speak several languages each: `Cherry`, and by other sources `Serena`, "
        f"`Ethan`, `Chelsie` and [some 45 more]({_QWEN_VOICES})",
        f"[the same ten]({_QWEN_VOICES})",
    ),
)
_MODELS = """
The forms have no field for the model. An engineer sets `speech_model="qwen3-tts-flash"` of
[`PlanVideosOperator`](../operators.md#many-videos-planvideosoperator) in `videoretalk_batch`, `model` of
[`TextToSpeechOperator`](../operators.md#speech-texttospeechoperator) in the DAGs of one video, and `model` of
[`SegmentSpeechOperator`](../operators.md#the-speech-of-a-dub-segmentspeechoperator) in `videoretalk_dub`. Then enter a
voice of that model in *Voice*, such as `Cherry`: those of the forms' list belong to `cosyvoice-v3-flash`. A dub has no
such field: it speaks with the model's default voice, which is `Cherry`. A request of
`qwen3-tts-flash` takes 600 characters, about 40 s of speech. That is the longest script of one video and the longest
segment of a dub. A batch cuts longer scripts.

For a voice of your own in Spanish or Italian, the engineer enrols it with
[`VoiceOperator`](../operators.md#voices-voiceoperator) for a model `qwen3-tts-vc-...`, and sets that model in the same
place. Its sample has to be mono, with 24,000 Hz or more.
"""
_SPEECH = """
## Languages of speech

`language` of a script, with CosyVoice. Not every voice speaks each of them, and
[no system voice](#languages-that-no-system-voice-speaks) some, such as Spanish and Italian. Without it, the service
detects the language. With Qwen-TTS, such a code or an English name.

"""
_TRANSLATION = """
## Languages of translation

`target_language` and `source_language` of a translation: the code or the name. For a dub, the
language must be one that speech has, too. `qwen-mt-lite` has fewer.

"""
_WORDS = """
## Times of words

`words=True` of a transcription, with the default model: """


def page() -> str:
    voices = table(("speaks", "voices"), [(language, codes(names)) for language, names in SYSTEM_VOICES.items()])
    speech = table(("code", "language"), [(code(one), _name(one)) for one in LANGUAGE_CODES])
    rows = [(code(one), name, "yes" if one in LITE_LANGUAGES else "no") for one, name in LANGUAGES.items()]
    translation = table(("code", "language", "`qwen-mt-lite` has it"), rows)
    others = table(("what speaks", "languages"), _SPEAK_OTHERS)
    systems = f"{_BEGIN}{voices}{_OTHERS}{others}{_MODELS}"
    return f"{systems}{_SPEECH}{speech}{_TRANSLATION}{translation}{_WORDS}{codes(WORD_LANGUAGES)}.\n"


def _name(language: str) -> str:
    found = find_language(language, model=DEFAULT_MODEL)
    return found.name if found else ""
