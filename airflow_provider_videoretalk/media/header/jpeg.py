"""Reads JPEG."""

from __future__ import annotations

import struct

from airflow_provider_videoretalk.media.header.errors import DamagedFileError
from airflow_provider_videoretalk.media.header.media_facts import MediaFacts
from airflow_provider_videoretalk.media.ranged_reader import RangedReader

# Exif, colour profiles and previews come before the image's size, in segments of at most 64 KB.
_MAX_SEGMENTS = 1024
# ITU-T T.81, table B.1: start of frame; C4, C8 and CC are other markers.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MARKERS_WITHOUT_CONTENT = frozenset({0x01, *range(0xD0, 0xD9)})
_FILL, _START_OF_SCAN, _END_OF_IMAGE = 0xFF, 0xDA, 0xD9


def read_jpeg(ranged: RangedReader, container: str) -> MediaFacts:
    position = 2
    for _ in range(_MAX_SEGMENTS):
        segment = ranged.read_at(position, 9)
        if len(segment) < 4 or segment[0] != 0xFF or segment[1] in (_START_OF_SCAN, _END_OF_IMAGE):
            break
        marker = segment[1]
        if marker == _FILL:
            position += 1
        elif marker in _MARKERS_WITHOUT_CONTENT:
            position += 2
        elif marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", segment, 5)
            return MediaFacts(kind="image", container=container, codec="jpeg", width=width, height=height)
        else:
            position += 2 + max(2, int.from_bytes(segment[2:4], "big"))
    raise DamagedFileError("it does not state the size of its image")
