"""How video is coded, by the four letters that containers use for it."""

from __future__ import annotations

_NAMES = {
    "h264": ("avc1", "avc2", "avc3", "avc4", "h264", "x264", "dva1", "dvav", "davc", "vssh"),
    "hevc": ("hvc1", "hev1", "hevc", "h265", "x265", "dvh1", "dvhe"),
    "mpeg4": ("mp4v", "xvid", "divx", "dx50", "fmp4"),
    "mjpeg": ("mjpg", "jpeg", "mjpa"),
    "aac": ("mp4a",),
    "av1": ("av01",),
    "vp9": ("vp09",),
    "vp8": ("vp08",),
    "encrypted": ("encv", "drmi"),
}
_BY_LETTERS = {letters: name for name, several in _NAMES.items() for letters in several}


def codec_name(letters: bytes) -> str:
    """FFmpeg's name for a codec, else the letters themselves in lower case; ``unknown`` where they are none."""
    text = letters.decode("ascii", "replace").strip().lower()
    return _BY_LETTERS.get(text, text if text.isascii() and text.isprintable() and text else "unknown")
