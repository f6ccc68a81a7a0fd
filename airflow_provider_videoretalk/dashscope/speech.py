"""Speech synthesis over HTTP: the CosyVoice and Qwen-TTS families, each with an endpoint of its own."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, TypedDict, get_args

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.request import Request

AudioFormat = Literal["wav", "mp3", "pcm", "opus"]

DEFAULT_MODEL = "cosyvoice-v3-flash"

# The service works on a synchronous call for 300 seconds at most.
_READ_TIMEOUT = 310.0


class SpeechResult(TypedDict):
    """Synthesised speech as JSON-safe values: what the text-to-speech operator returns.

    ``seconds`` is ``None`` where the duration could not be measured; ``expires_at`` is ISO 8601 in UTC.
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

    :param prefix: how their names begin
    :param path: below the base URL
    :param voice: a system voice that exists, for callers who name none
    :param characters: longest text of one call, a Han character counting twice; ``None`` where no limit in characters
        is documented
    """

    prefix: str
    path: str
    voice: str
    characters: int | None


_MULTIMODAL = "services/aigc/multimodal-generation/generation"
_SYNTHESIZER = "services/audio/tts/SpeechSynthesizer"

# First match wins, as in the vendor's own client. The HTTP page gives no limit for CosyVoice: 2000 is that of the
# vendor's page for the same models over the SDK; qwen-audio's 20000 is a third party's measurement.
FAMILIES = (
    Family(prefix="qwen-audio-", path=_SYNTHESIZER, voice="longanhuan_v3.6", characters=20_000),
    Family(prefix="qwen3-tts", path=_MULTIMODAL, voice="Cherry", characters=600),
    Family(prefix="qwen", path=_MULTIMODAL, voice="Cherry", characters=None),
    Family(prefix="", path=_SYNTHESIZER, voice="longanyang", characters=2_000),
)


@dataclass(frozen=True, kw_only=True)
class Speech:
    """What the service answers to a synthesis."""

    audio_url: str
    expires_at: datetime | None
    characters: int | None
    request_id: str | None

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> Speech:
        audio = payload["output"]["audio"]
        if not audio["url"]:
            raise ValueError("output.audio.url is empty")
        expires = audio.get("expires_at")
        characters = (payload.get("usage") or {}).get("characters")
        return cls(
            audio_url=str(audio["url"]),
            expires_at=datetime.fromtimestamp(expires, tz=timezone.utc) if isinstance(expires, int) else None,
            characters=characters if isinstance(characters, int) else None,
            request_id=payload.get("request_id"),
        )


def family_of(model: str) -> Family:
    """The family that ``model`` belongs to, by its name."""
    return next(family for family in FAMILIES if model.startswith(family.prefix))


def count_characters(text: str) -> int:
    """The length the service bills and limits: a Han character counts twice, anything else once."""
    return sum(2 if unicodedata.name(character, "").startswith("CJK ") else 1 for character in text)


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
    """Asks for the speech of ``text``.

    :param voice: a voice of the model; the family's default where not given
    :param audio_format: ignored by Qwen-TTS, which answers WAV of 24 kHz
    :param sample_rate: in Hz; ignored by Qwen-TTS
    :param language: CosyVoice: a code such as ``en``; Qwen-TTS: a name such as ``English``; the service guesses by
        default
    :param options: further fields of the body's ``input``, e.g. ``{"rate": 1.1}`` or ``{"instructions": "..."}``
    :raises InputError: the text is empty or longer than the model takes, or a value is of the wrong kind
    """
    family = family_of(model)
    _check(text=text, family=family, model=model, audio_format=audio_format, options=options)
    inputs: dict[str, Any] = {"text": text, "voice": voice or family.voice}
    if family.path == _MULTIMODAL:
        inputs |= {"language_type": language} if language else {}
    else:
        inputs |= {"format": audio_format, "sample_rate": sample_rate}
        inputs |= {"language_hints": [language]} if language else {}
    body = {"model": model, "input": inputs | dict(options or {})}
    return Request(method="POST", path=family.path, body=body, parse=Speech.parse, read_timeout=_READ_TIMEOUT)


def answered_format(model: str, audio_format: AudioFormat) -> AudioFormat:
    """The format that ``model`` really answers when asked for ``audio_format``."""
    return "wav" if family_of(model).path == _MULTIMODAL else audio_format


def _check(*, text: str, family: Family, model: str, audio_format: str, options: object) -> None:
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"text is {text!r}, allowed is a text with words in it", remedy="Give the words to speak.")
    characters = count_characters(text)
    if family.characters is not None and characters > family.characters:
        raise InputError(
            f"text has {characters} characters (a Han character counts twice), {model} takes {family.characters}",
            remedy="Split the script, or use a model that takes longer texts.",
        )
    if audio_format not in get_args(AudioFormat):
        raise InputError(
            f"audio_format is {audio_format!r}, allowed is one of {', '.join(get_args(AudioFormat))}",
            remedy="VideoRetalk takes wav and mp3.",
        )
    if options is not None and not isinstance(options, Mapping):
        raise InputError(
            f"options is a {type(options).__name__}, allowed is a mapping of field names to values",
            remedy='Write it as {"rate": 1.1}.',
        )
    if options and "text" in options:
        raise InputError("options holds 'text', which has a parameter of its own", remedy="Give it as text.")
