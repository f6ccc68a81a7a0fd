"""The vendor's rules for speech and text: how characters are counted, and which model belongs to which family."""

from __future__ import annotations

import re
from typing import Literal

ModelFamily = Literal["cosyvoice", "qwen", "websocket", "translation"]

# The vendor's counting rule: a Han character counts 2, any other 1, an SSML tag 0.
_HAN = re.compile("[\u2e80-\u2fdf\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_TAG = re.compile(r"<[^<>]*>")

_FAMILIES: tuple[tuple[re.Pattern[str], ModelFamily], ...] = (
    (re.compile(r"cosyvoice-v1|sambert-.+"), "websocket"),
    (re.compile(r"cosyvoice-v(2|3-flash|3-plus|3\.5-flash|3\.5-plus)"), "cosyvoice"),
    (re.compile(r"qwen-audio-[0-9.]+-tts-(flash|plus).*"), "cosyvoice"),
    (re.compile(r"qwen3-tts-(flash|instruct-flash|vc|vd)(-[0-9-]+)?"), "qwen"),
    (re.compile(r"qwen-tts(-latest|-[0-9-]+)?"), "qwen"),
    (re.compile(r"qwen-mt-(plus|flash|turbo|lite)"), "translation"),
)

QWEN3_CHARACTERS = 600

# These have no system voices.
_WITHOUT_SYSTEM_VOICES = re.compile(r"cosyvoice-v3\.5-.+|qwen3-tts-v[cd](-.+)?")
# The ids of enrolled and designed voices: `{target model}-{prefix}-{id}`, and those of Qwen-TTS.
_ENROLLED = re.compile(r"(cosyvoice-v[0-9.]+|qwen-audio-[0-9.]+-tts)(-flash|-plus)?-.+-.+|qwen-(tts|omni)-v[cd]-.+")


def family_of(model: str) -> ModelFamily | None:
    """The family whose endpoint serves a model; ``None`` for a model that is not played."""
    return next((family for pattern, family in _FAMILIES if pattern.fullmatch(model)), None)


def needs_enrolled_voice(model: str) -> bool:
    """Whether a model speaks with enrolled and designed voices only."""
    return _WITHOUT_SYSTEM_VOICES.fullmatch(model) is not None


def is_enrolled_name(voice: str) -> bool:
    """Whether a voice has the id of an enrolled or designed voice, and not the name of a system voice."""
    return _ENROLLED.fullmatch(voice) is not None


def count_characters(text: str, *, ssml: bool = False) -> int:
    """The number of characters that is billed and limited."""
    if ssml:
        text = _TAG.sub("", text)
    return len(text) + len(_HAN.findall(text))
