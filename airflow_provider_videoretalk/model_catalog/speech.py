"""Speech synthesis over HTTP: the families CosyVoice and Qwen-TTS, each with its own endpoint."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypedDict, get_args

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.reply_values import count, epoch_time, mapping, plain_id, web_url
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.model_catalog.translation import DEFAULT_MODEL as TRANSLATION_MODEL
from airflow_provider_videoretalk.model_catalog.translation_languages import find_language

AudioFormat = Literal["wav", "mp3", "pcm", "opus"]

DEFAULT_MODEL = "cosyvoice-v3-flash"

# Of a signed URL in the vendor's store.
_MAX_URL_LIFE = timedelta(days=7)

# The service ends a synchronous call after 300 seconds.
_READ_TIMEOUT = 310.0
_TOTAL_TIMEOUT = 330.0


class SpeechResult(TypedDict):
    """Synthesized speech as JSON-safe values: the return value of ``TextToSpeechOperator``.

    :param audio_url: where the audio is until it expires
    :param format: of the audio: ``wav``, ``mp3``, ``pcm`` or ``opus``
    :param expires_at: ISO 8601 in UTC; ``None`` if the service did not say it
    :param characters: as billed; ``None`` if the service did not say it
    :param seconds: duration; ``None`` if it could not be measured
    :param model: that spoke
    :param voice: in which it spoke
    :param request_id: for the vendor's support
    """

    audio_url: str
    format: str
    expires_at: str | None
    characters: int | None
    seconds: float | None
    model: str
    voice: str
    request_id: str | None


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models that share an endpoint.

    :param prefix: of their names
    :param path: below the base URL
    :param voice: the default voice, a system voice
    :param characters: longest text of one call, as :func:`count_characters` counts; ``None`` if the vendor documents no
        limit in characters
    """

    prefix: str
    path: str
    voice: str
    characters: int | None


_SSML = re.compile(r"\s*(<\?xml[^>]*>\s*)?<speak\b", re.IGNORECASE)
# A comment without an end goes to the end: the time to search stays in proportion to the length of the text.
_TAG = re.compile(r"<!--.*?(-->|\Z)|<[^<>]*>", re.DOTALL)

_MULTIMODAL = "services/aigc/multimodal-generation/generation"
_SYNTHESIZER = "services/audio/tts/SpeechSynthesizer"

# The first match applies, as in the vendor's client. The HTTP page states no limit for CosyVoice: 2000 is the limit on
# the vendor's page for the same models over the SDK. The 20000 of qwen-audio was measured by a third party.
FAMILIES = (
    Family(prefix="qwen-audio-", path=_SYNTHESIZER, voice="longanhuan_v3.6", characters=20_000),
    Family(prefix="qwen3-tts", path=_MULTIMODAL, voice="Cherry", characters=600),
    Family(prefix="qwen", path=_MULTIMODAL, voice="Cherry", characters=None),
    Family(prefix="", path=_SYNTHESIZER, voice="longanyang", characters=2_000),
)

# CNY for 10,000 characters as :func:`count_characters` counts, by the begin of a model's name: the vendor's list prices
# of 2026-11-22. Models that are billed by tokens have none.
_PRICES = (
    ("cosyvoice-v3.5-flash", "0.8"),
    ("cosyvoice-v3.5-plus", "1.5"),
    ("cosyvoice-v3-flash", "1"),
    ("cosyvoice-v3-plus", "2"),
    ("cosyvoice-v2", "2"),
    ("qwen3-tts-", "0.8"),
)
SPEECH_CURRENCY = "CNY"


@dataclass(frozen=True, kw_only=True)
class Speech:
    """The reply to a synthesis."""

    audio_url: str
    expires_at: datetime | None
    characters: int | None
    request_id: str | None

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> Speech:
        audio = payload["output"]["audio"]
        url = web_url(audio["url"])
        if url is None:
            raise ValueError("output.audio.url is no http or https URL")
        return cls(
            audio_url=url,
            expires_at=epoch_time(audio.get("expires_at"), unit=timedelta(seconds=1), latest=_MAX_URL_LIFE),
            characters=count(mapping(payload.get("usage")).get("characters")),
            request_id=plain_id(payload.get("request_id")),
        )


def family_of(model: str) -> Family:
    """The family of a model, by the model's name."""
    return next(family for family in FAMILIES if model.startswith(family.prefix))


def count_characters(text: str) -> int:
    """The length that the service bills and limits.

    A Han character counts twice, every other character once. The tags of SSML, which begins with ``<speak>``, do not
    count; and an escaped character such as ``&amp;`` counts as the character.
    """
    if is_ssml(text):
        text = html.unescape(_TAG.sub("", text)).strip()
    return sum(
        count * (2 if unicodedata.name(character, "").startswith("CJK ") else 1)
        for character, count in Counter(text).items()
    )


def is_ssml(text: str) -> bool:
    """Whether a text is written in SSML, by its first tag."""
    return _SSML.match(text) is not None


def speech_cost(text: str, model: str) -> Decimal | None:
    """What a text costs to speak, in :data:`SPEECH_CURRENCY`; ``None`` if the price of the model is not known."""
    price = next((price for prefix, price in _PRICES if model.startswith(prefix)), None)
    return None if price is None else Decimal(price) * count_characters(text) / 10_000


def synthesize_speech(
    *,
    text: str,
    model: str = DEFAULT_MODEL,
    voice: str | None = None,
    audio_format: AudioFormat = "wav",
    sample_rate: int = 24_000,
    language: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Request[Speech]:
    """The request that synthesizes ``text``.

    :param voice: a voice of the model; by default a system voice of its family
    :param audio_format: ignored by Qwen-TTS, which answers WAV of 24 kHz
    :param sample_rate: in Hz; ignored by Qwen-TTS
    :param language: a code such as ``en``, for Qwen-TTS also a name such as ``English``; by default the service detects
        it
    :param options: further fields of the body's ``input``, e.g. ``{"rate": 1.1}`` or ``{"instructions": "..."}``
    :raises InputError: the text is empty or exceeds the model's limit, or a value has the wrong type
    """
    family = family_of(model)
    _check(text=text, family=family, model=model, audio_format=audio_format, options=options)
    inputs: dict[str, Any] = {"text": text, "voice": voice or family.voice}
    if family.path == _MULTIMODAL:
        inputs |= {"language_type": _english_name(language)} if language else {}
    else:
        inputs |= {"format": audio_format, "sample_rate": sample_rate}
        inputs |= {"language_hints": [language]} if language else {}
    body = {"model": model, "input": inputs | dict(options or {})}
    return Request(
        method="POST",
        path=family.path,
        body=body,
        parse=Speech.parse,
        read_timeout=_READ_TIMEOUT,
        total_timeout=_TOTAL_TIMEOUT,
    )


def _english_name(language: str) -> str:
    """As Qwen-TTS takes it. The service says which ones it does not speak."""
    found = find_language(language, model=TRANSLATION_MODEL)
    return found.name if found else language


def answered_format(model: str, audio_format: AudioFormat) -> AudioFormat:
    """The format that ``model`` answers when ``audio_format`` is requested."""
    return "wav" if family_of(model).path == _MULTIMODAL else audio_format


def _check(*, text: str, family: Family, model: str, audio_format: str, options: object) -> None:
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"text is {text!r}, allowed is a text that is not empty", remedy="Give the words to speak.")
    characters = count_characters(text)
    if family.characters is not None and characters > family.characters:
        raise InputError(
            f"text has {characters} characters (a Han character counts twice, SSML tags do not count), "
            f"{model} allows {family.characters}",
            remedy="Split the script, or use a model that accepts longer texts.",
        )
    if audio_format not in get_args(AudioFormat):
        raise InputError(
            f"audio_format is {audio_format!r}, allowed is one of {', '.join(get_args(AudioFormat))}",
            remedy="VideoRetalk accepts wav and mp3.",
        )
    if options is not None and not isinstance(options, Mapping):
        raise InputError(
            f"options is a {type(options).__name__}, allowed is a mapping of field names to values",
            remedy='Write it as {"rate": 1.1}.',
        )
    if options and "text" in options:
        raise InputError("options contains 'text', which has its own parameter", remedy="Give it as text.")
