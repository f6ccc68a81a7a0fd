"""The models of requests about voices, with the documented ranges: one body for each action of each dialect."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from airflow_provider_videoretalk.emulator.api.request_models import INTEGRAL, Body
from airflow_provider_videoretalk.emulator.api.speech_request_models import LanguageHint

QwenVoiceLanguage = Literal["zh", "en", "de", "it", "pt", "es", "ja", "ko", "fr", "ru"]
_Name = Annotated[str, Field(min_length=1)]
_Page = Annotated[int, Field(ge=0, le=1_000_000), INTEGRAL]
_PageSize = Annotated[int, Field(ge=1, le=1000), INTEGRAL]
_PromptSeconds = Annotated[float, Field(ge=3, le=30), BeforeValidator(lambda v: float(v) if type(v) is int else v)]


class _CosyVoiceBody(Body):
    model: Literal["voice-enrollment"]


class _QwenVoiceBody(Body):
    model: Literal["qwen-voice-enrollment"]


class CosyVoiceSample(Body):
    """`max_prompt_audio_length` and `enable_preprocess` are checked, but have no effect."""

    action: Literal["create_voice"]
    target_model: _Name
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,10}$")]
    url: _Name
    language_hints: list[LanguageHint] = Field(default_factory=list)
    max_prompt_audio_length: _PromptSeconds = 10.0
    enable_preprocess: bool = False


class CosyVoicePage(Body):
    action: Literal["list_voice"]
    prefix: str | None = None
    page_index: _Page = 0
    page_size: _PageSize = 10


class CosyVoiceName(Body):
    action: Literal["query_voice", "delete_voice"]
    voice_id: _Name


class CosyVoiceNewSample(Body):
    action: Literal["update_voice"]
    voice_id: _Name
    url: _Name


class QwenVoiceAudio(Body):
    data: _Name


class QwenVoiceSample(Body):
    """The emulator does not compare `text` with the sample."""

    action: Literal["create"]
    target_model: _Name
    preferred_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,16}$")]
    audio: QwenVoiceAudio
    text: str | None = None
    language: QwenVoiceLanguage | None = None


class QwenVoicePage(Body):
    action: Literal["list"]
    page_index: _Page = 0
    page_size: _PageSize = 10


class QwenVoiceName(Body):
    action: Literal["query", "delete"]
    voice: _Name


class CreateCosyVoice(_CosyVoiceBody):
    input: CosyVoiceSample


class ListCosyVoices(_CosyVoiceBody):
    input: CosyVoicePage


class NameCosyVoice(_CosyVoiceBody):
    input: CosyVoiceName


class UpdateCosyVoice(_CosyVoiceBody):
    input: CosyVoiceNewSample


class CreateQwenVoice(_QwenVoiceBody):
    input: QwenVoiceSample


class ListQwenVoices(_QwenVoiceBody):
    input: QwenVoicePage


class NameQwenVoice(_QwenVoiceBody):
    input: QwenVoiceName


VOICE_REQUESTS: tuple[type[Body], ...] = (
    CreateCosyVoice,
    ListCosyVoices,
    NameCosyVoice,
    UpdateCosyVoice,
    CreateQwenVoice,
    ListQwenVoices,
    NameQwenVoice,
)


def action_of(body: dict[str, Any]) -> object:
    """The ``action`` of a body's input; ``None`` without one."""
    inputs = body.get("input")
    return inputs.get("action") if isinstance(inputs, dict) else None
