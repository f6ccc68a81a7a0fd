"""Skips tags of MP3 and AAC files. They come before, between and after the audio, and hold cover images of any size."""

from __future__ import annotations

import re
import struct

from airflow_provider_videoretalk.media.ranged_reader import RangedReader

_MAX_TAGS = 64
_PADDING_BYTES = 4096
# Version 2 to 4, a revision, flags, and four bytes of seven bits.
_ID3V2 = re.compile(rb"ID3[\x02-\x04][^\xff].[\x00-\x7f]{4}", re.DOTALL)
_ID3_FOOTER_FLAG = 0x10
_ID3V1_BYTES = 128
_APE_HEADER_BYTES = 32


def start_of_audio(ranged: RangedReader) -> int:
    """The position after all tags at the beginning, and after the zero bytes that some programs write there."""
    position = end_of_tags(ranged, 0)
    padding = ranged.read_at(position, _PADDING_BYTES)
    audio = padding.lstrip(b"\x00")
    return position + len(padding) - len(audio) if audio else position


def end_of_tags(ranged: RangedReader, position: int) -> int:
    """The position after all ID3 and APE tags at ``position``; ``position`` if there is none."""
    for _ in range(_MAX_TAGS):
        length = _tag_bytes(ranged.read_at(position, _APE_HEADER_BYTES))
        if not length:
            break
        position += length
    return position


def _tag_bytes(header: bytes) -> int:
    """The length of the tag that begins with ``header``; 0 for other bytes."""
    if _ID3V2.match(header):
        return 10 + _decode_length(header[6:10]) + (10 if header[5] & _ID3_FOOTER_FLAG else 0)
    if header.startswith(b"APETAGEX") and len(header) == _APE_HEADER_BYTES:
        return _APE_HEADER_BYTES + int(struct.unpack_from("<I", header, 12)[0])
    return _ID3V1_BYTES if header.startswith(b"TAG") else 0


def _decode_length(encoded: bytes) -> int:
    """Four bytes of seven bits each."""
    length = 0
    for byte in encoded:
        length = length << 7 | byte & 0x7F
    return length
