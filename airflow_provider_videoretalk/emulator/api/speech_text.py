"""How a text for speech is counted, and which family a speech model belongs to."""

from __future__ import annotations

import re
from typing import Literal

SpeechFamily = Literal["cosyvoice", "qwen", "websocket"]

# Han characters count 2, everything else 1, and SSML tags nothing: the vendor's counting rule.
_HAN = re.compile("[\u2e80-\u2fdf\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_TAG = re.compile(r"<[^<>]*>")

_FAMILIES: tuple[tuple[re.Pattern[str], SpeechFamily], ...] = (
    (re.compile(r"cosyvoice-v1|sambert-.+"), "websocket"),
    (re.compile(r"cosyvoice-v(2|3-flash|3-plus|3\.5-flash|3\.5-plus)"), "cosyvoice"),
    (re.compile(r"qwen-audio-[0-9.]+-tts-(flash|plus).*"), "cosyvoice"),
    (re.compile(r"qwen3-tts-(flash|instruct-flash|vc|vd)(-[0-9-]+)?"), "qwen"),
    (re.compile(r"qwen-tts(-latest|-[0-9-]+)?"), "qwen"),
)

QWEN3_CHARACTERS = 600


def family_of(model: str) -> SpeechFamily | None:
    """The family whose endpoint serves a model; ``None`` for a model that is not for speech."""
    return next((family for pattern, family in _FAMILIES if pattern.fullmatch(model)), None)


def count_characters(text: str, *, ssml: bool = False) -> int:
    """Characters as they are billed and limited."""
    if ssml:
        text = _TAG.sub("", text)
    return len(text) + len(_HAN.findall(text))
