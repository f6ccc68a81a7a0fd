"""Names of video codecs by the four-character codes that containers store."""

from __future__ import annotations

_CODES_OF = {
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
_NAME_OF = {code: name for name, codes in _CODES_OF.items() for code in codes}


def codec_name(four_cc: bytes) -> str:
    """FFmpeg's name of a codec; else the code itself in lower case; ``unknown`` for bytes that are not text."""
    code = four_cc.decode("ascii", "replace").strip().lower()
    return _NAME_OF.get(code, code if code.isascii() and code.isprintable() and code else "unknown")
