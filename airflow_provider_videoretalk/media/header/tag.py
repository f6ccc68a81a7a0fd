"""ID3v2, which lies before the sound of many MP3 and some AAC files, and holds cover pictures of any size."""

from __future__ import annotations

from airflow_provider_videoretalk.media.ranged import Ranged

_TAGS = 8
_PADDING = 4096
_FOOTER = 0x10


def start_of_sound(ranged: Ranged) -> int:
    """The position behind all tags, and behind the zeros that some programs leave there."""
    position = 0
    for _ in range(_TAGS):
        head = ranged.at(position, 10)
        if len(head) < 10 or not head.startswith(b"ID3"):
            break
        position += 10 + _length(head[6:10]) + (10 if head[5] & _FOOTER else 0)
    padding = ranged.at(position, _PADDING)
    sound = padding.lstrip(b"\x00")
    return position + len(padding) - len(sound) if sound else position


def _length(code: bytes) -> int:
    """Four bytes of seven bits each."""
    size = 0
    for byte in code:
        size = size << 7 | byte & 0x7F
    return size
