"""The system voices of CosyVoice v3, for forms to offer. No list of what is allowed: an account has voices of its own.

Source: the vendor's list of voices of ``cosyvoice-v3-flash``, :data:`SYSTEM_VOICES_PAGE`. It has many more for Chinese.
The emulator speaks with any of these names, and with any other. Each name has its own pitch and pace there.
"""

from __future__ import annotations

from collections.abc import Mapping

SYSTEM_VOICES_PAGE = "https://help.aliyun.com/zh/model-studio/cosyvoice-voice-list"

SYSTEM_VOICES: Mapping[str, tuple[str, ...]] = {
    "Mandarin and English": (
        "longanyang",
        "longanhuan",
        "longxiaochun_v3",
        "longanwen_v3",
        "longanlang_v3",
        "longshuo_v3",
        "loongbella_v3",
    ),
    "Cantonese and English": ("longjiaxin_v3", "longjiayi_v3", "longanyue_v3"),
    "American English": ("loongabby_v3", "loongandy_v3", "loongannie_v3", "loongdavid_v3"),
    "British English": ("loongemily_v3", "loongeric_v3", "loongluna_v3", "loongluca_v3"),
    "Japanese": ("loongtomoka_v3", "loongtomoya_v3", "loongyuuna_v3", "loongyuuma_v3"),
    "Korean": ("loongkyong_v3", "loongjihun_v3"),
    "Indonesian": ("loongindah_v3",),
}
"""The names of voices, by the languages that they speak. The first one is the default."""

VOICE_NAMES: tuple[str, ...] = tuple(name for names in SYSTEM_VOICES.values() for name in names)
"""All names of :data:`SYSTEM_VOICES`."""

VOICES_MARKDOWN = "\n".join(f"- {language}: {', '.join(names)}" for language, names in SYSTEM_VOICES.items())
"""All of them as a list in Markdown, for the description of a field."""

LANGUAGE_CODES: tuple[str, ...] = (
    "zh",
    "en",
    "fr",
    "de",
    "ja",
    "ko",
    "ru",
    "pt",
    "th",
    "id",
    "vi",
    "es",
    "it",
    "ms",
    "fil",
    "ar",
)
"""What CosyVoice takes as a language."""
