"""JPEG."""

from __future__ import annotations

import struct

from airflow_provider_videoretalk.media.header.damage import DamageError
from airflow_provider_videoretalk.media.header.facts import Facts
from airflow_provider_videoretalk.media.ranged import Ranged

# Exif, profiles and previews come before the picture's size, 64 KB at most in each of these.
_SEGMENTS = 1024
# ITU-T T.81, table B.1: start of frame, of which C4, C8 and CC are none.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_FILL, _SCAN, _END = 0xFF, 0xDA, 0xD9


def read_jpeg(ranged: Ranged, container: str) -> Facts:
    position = 2
    for _ in range(_SEGMENTS):
        head = ranged.at(position, 9)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (_SCAN, _END):
            break
        if head[1] == _FILL:
            position += 1
        elif head[1] in _BARE:
            position += 2
        elif head[1] in _FRAMES:
            height, width = struct.unpack_from(">HH", head, 5)
            return Facts(kind="image", container=container, codec="jpeg", width=width, height=height)
        else:
            position += 2 + max(2, int.from_bytes(head[2:4], "big"))
    raise DamageError("it does not say how large its picture is")
