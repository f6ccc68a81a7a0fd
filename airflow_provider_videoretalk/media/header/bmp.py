"""Reads BMP."""

from __future__ import annotations

import struct

from airflow_provider_videoretalk.media.header.media_facts import MediaFacts
from airflow_provider_videoretalk.media.ranged_reader import RangedReader

# Length of the OS/2 header, which stores width and height in 16 bits each.
_OS2_HEADER_BYTES = 12


def read_bmp(ranged: RangedReader, container: str) -> MediaFacts:
    header = ranged.read_at(14, 12)
    (length,) = struct.unpack_from("<I", header)
    width, height = struct.unpack_from("<HH" if length == _OS2_HEADER_BYTES else "<ii", header, 4)
    # An image that is stored from top to bottom has a negative height.
    return MediaFacts(kind="image", container=container, codec="bmp", width=width, height=abs(height))
