"""The models of speech requests, with the documented ranges."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from airflow_provider_videoretalk.emulator.api.request_models import INTEGRAL, Body

Number = Annotated[float, Field(ge=0.5, le=2.0), BeforeValidator(lambda v: float(v) if type(v) is int else v)]
SampleRate = Literal[8000, 16000, 22050, 24000, 44100, 48000]
LanguageHint = Literal["zh", "en", "fr", "de", "ja", "ko", "ru", "pt", "th", "id", "vi", "es", "it", "ms", "fil", "ar"]
LanguageType = Literal[
    "Auto",
    "Chinese",
    "English",
    "German",
    "Italian",
    "Portuguese",
    "Spanish",
    "Japanese",
    "Korean",
    "French",
    "Russian",
]
LANGUAGES: dict[str, str] = {
    "Chinese": "zh",
    "English": "en",
    "German": "de",
    "Italian": "it",
    "Portuguese": "pt",
    "Spanish": "es",
    "Japanese": "ja",
    "Korean": "ko",
    "French": "fr",
    "Russian": "ru",
}


class CosyVoiceInput(Body):
    """The documented input. The emulator checks volume, pitch, seed and the label's fields, but they have no effect."""

    text: str = Field(min_length=1)
    voice: str = Field(min_length=1)
    format: Literal["mp3", "pcm", "wav", "opus"] = "mp3"
    sample_rate: Annotated[SampleRate, INTEGRAL] = 22050
    rate: Number = 1.0
    pitch: Number = 1.0
    volume: Annotated[int, Field(ge=0, le=100), INTEGRAL] = 50
    seed: Annotated[int, Field(ge=0, le=65535), INTEGRAL] = 0
    enable_ssml: bool = False
    language_hints: list[LanguageHint] = Field(default_factory=list)
    enable_aigc_tag: bool = False
    aigc_propagator: str | None = None
    aigc_propagate_id: str | None = None


class CosyVoiceRequest(Body):
    model: str = Field(min_length=1)
    input: CosyVoiceInput


class QwenInput(Body):
    text: str = Field(min_length=1)
    voice: str = Field(min_length=1)
    language_type: LanguageType = "Auto"
    instructions: str | None = None


class QwenRequest(Body):
    model: str = Field(min_length=1)
    input: QwenInput
